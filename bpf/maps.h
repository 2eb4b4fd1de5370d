/* maps - the maps of the TC programs; what they hold is in kernel_contract.h.
 *
 * Included by every part of the programs, so it also has what clang is told about their jumps.
 */
#ifndef MAPS_H
#define MAPS_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "kernel_contract.h"

#ifndef likely
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#endif

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct ntc_settings);
} settings SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct ntc_ledger);
} ledger SEC(".maps");

/* Sized by the collector: possible CPUs, and buckets times possible CPUs. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct ntc_cpu);
} cpus SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);      /* so that entries begin at cache lines */
    __uint(max_entries, NTC_CACHE_BUCKETS);
    __type(key, __u32);
    __type(value, struct ntc_cache_bucket);
} cache SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct ntc_host_filter);
} host_filter SEC(".maps");

/* Capacities of the next four are set by the collector before loading. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 65536);
    __type(key, __u8[16]);
    __type(value, struct ntc_host_entry);
} hosts SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 16384);
    __type(key, struct ntc_prefix_key);
    __type(value, struct ntc_prefix_entry);
} black_prefixes SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 16384);
    __type(key, struct ntc_prefix_key);
    __type(value, struct ntc_prefix_entry);
} white_prefixes SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 8 << 20);
} ring SEC(".maps");

#endif
