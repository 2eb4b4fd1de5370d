/* kernel_contract - the maps that the TC programs and the collector share.
 *
 * Compiled for both.  A change of any layout here needs a new NTC_LAYOUT: the number is part of the
 * pin path, so a collector never reads maps of another layout.
 */
#ifndef KERNEL_CONTRACT_H
#define KERNEL_CONTRACT_H

#include "packet_record.h"

#ifndef NTC_LAYOUT
#define NTC_LAYOUT 3
#endif

/* Our place among the TC filters of an interface: low enough to see what the usual filters
 * (automatic priority: 49152) would keep, and a handle nobody else uses by chance ("NTC"). */
#define NTC_TC_PRIORITY 10
#define NTC_TC_HANDLE 0x4e5443

enum ntc_list { NTC_BLACK = 0, NTC_WHITE = 1, NTC_LISTS = 2 };

/* Key of `hosts`: the address.  Key of `black_prefixes` and `white_prefixes`: */
struct ntc_prefix_key {
    __u32 bits;                 /* 0 to 128 of the mapped form, as BPF_MAP_TYPE_LPM_TRIE wants it */
    __u8 addr[16];
};

/* One list's side of an entry.  The counters are added to by the programs (atomically). */
struct ntc_list_side {
    __u64 expires_ns;           /* CLOCK_BOOTTIME; 0 = never.  For prefixes the latest of its own
                                 * and those around it: the longest match must not end early */
    __u64 hit_packets;
    __u64 hit_bytes;
    __u64 last_hit_ns;          /* CLOCK_BOOTTIME; 0 = never */
};

/* Value of `hosts`: an address may stand in both lists. */
struct ntc_host_entry {
    __u32 lists;                /* 1 << NTC_BLACK | 1 << NTC_WHITE */
    __u32 zero;
    struct ntc_list_side side[NTC_LISTS];
};

/* Value of `black_prefixes` and `white_prefixes`. */
struct ntc_prefix_entry {
    __u32 bits;                 /* as in the key: an IPv6 prefix shorter than 96 bits must not
                                 * match mapped IPv4 addresses */
    __u32 zero;
    struct ntc_list_side side;
};

/* Value of `host_filter` (array, one entry, mmap()able): one bit per hash of an address.  A bit
 * that is clear says that no such address is in `hosts`, and saves the look-up. */
#define NTC_FILTER_BITS 19
#define NTC_FILTER_WORDS ((1u << NTC_FILTER_BITS) / 64)

struct ntc_host_filter {
    __u64 bits[NTC_FILTER_WORDS];
};

/* The number of the bit for an address; `seed` is settings.hash_seed. */
static inline __u32 ntc_filter_bit(const __u8 addr[16], __u64 seed)
{
    __u64 word[2], hash;

    __builtin_memcpy(word, addr, sizeof word);
    hash = (seed ^ word[0]) * 0x9e3779b97f4a7c15ull;
    hash = (hash ^ hash >> 32 ^ word[1]) * 0xd6e8feb86659fd93ull;
    return (__u32) (hash >> (64 - NTC_FILTER_BITS));
}

/* Value of `settings` (array, one entry, mmap()able), written by the collector. */
struct ntc_settings {
    __u32 asleep;               /* 1: wake the collector with the next record and set it to 0 */
    __u32 list_version;         /* grows with every change of the maps above, after it */
    __u32 host_count;           /* entries in `hosts`: 0 saves the look-up */
    __u32 prefix_count[NTC_LISTS];
    __u32 tick_ns;              /* what one of bpf_jiffies64() lasts */
    __u64 interval_ns;          /* 1e9 / events.per_second; NTC_BURST_NS or more: always merge */
    __s64 tick_offset_ns;       /* CLOCK_BOOTTIME - jiffies * tick_ns, set by ntc_clock */
    __u64 flush_before_ns;      /* the flush program sends entries that began before this time */
    __u64 hash_seed;            /* random, so that nobody can aim flows at one slot */
    __u64 bypass[1024];         /* bit p & 63 of word p >> 6: TCP port p is bypassed */
};

/* A CPU may send this much of its budget of single records at once. */
#define NTC_BURST_NS 1000000000ull

/* After more traffic than its budget, a CPU goes on merging for as long as this, were it idle. */
#define NTC_DEBT_NS 250000000ull

/* The flow cache: NTC_CACHE_BUCKETS of two entries per possible CPU in one array, `cache`, and one
 * state per CPU in another, `cpus`.  Only programs on that CPU touch them. */
#define NTC_CACHE_BUCKETS 4096
#define NTC_CACHE_WAYS 2
#define NTC_CACHE_ENTRIES (NTC_CACHE_BUCKETS * NTC_CACHE_WAYS)
#define NTC_CACHE_WORDS (NTC_CACHE_ENTRIES / 64)

/* One flow's packets that have not left yet: a cache line. */
struct ntc_cache_entry {
    __u64 identity[PACKET_IDENTITY_BYTES / 8];  /* as packet_record has it; tcp_flags without PSH */
    __u32 packets;              /* 0: nothing to send; NTC_CACHE_PSH if one of them had that flag */
    __u32 bytes;
    __u32 first_tick;           /* low half of bpf_jiffies64() */
    __u16 ticks;                /* from the first packet to the last */
    __u16 list_version;         /* low half: the verdict PASS holds while the settings say so */
};

#define NTC_CACHE_PSH (1u << 31)
#define NTC_CACHE_MAX_BYTES (1u << 31)
#define NTC_CACHE_MAX_TICKS 0x8000u     /* without a collector nobody flushes */

struct ntc_cache_bucket {
    struct ntc_cache_entry way[NTC_CACHE_WAYS];
};

_Static_assert(sizeof(struct ntc_cache_entry) == 64, "an entry is a cache line");

struct ntc_traffic {
    __u64 packets;
    __u64 bytes;
};

/* What one CPU has seen.  All cumulative, all 64-bit. */
struct ntc_counters {
    struct ntc_traffic traffic[PACKET_GROUPS][PACKET_DIRECTIONS][PACKET_ACTIONS];
    __u64 not_ip_packets;       /* part of traffic: no IP header, so no record */
    __u64 not_ip_bytes;
    __u64 unparsed_packets;     /* part of traffic: addresses unreadable, so no record */
    __u64 unparsed_bytes;
    __u64 ring_lost_records;    /* records that found the ring full */
    __u64 ring_lost_packets;
    __u64 ring_lost_bytes;
};

/* Value of `cpus` (array, mmap()able): an array by CPU number and not a per-CPU map, since the
 * kernel looks up arrays without a call, and the collector reads it without one. */
struct ntc_cpu {
    __u64 spent_until_ns;       /* the budget is spent up to this time */
    __u32 flushing;             /* the flush program is at work: leave the cache alone */
    __u32 occupied_count;       /* bits in `occupied`: the collector flushes if not 0 */
    struct ntc_counters counters;
    __u64 occupied[NTC_CACHE_WORDS];    /* one bit per entry that holds something */
    __u16 missed[NTC_CACHE_BUCKETS];    /* tag of the flow that last found no place here */
    __u64 zero[7];              /* to whole cache lines */
};

_Static_assert(sizeof(struct ntc_cpu) % 64 == 0, "CPUs must not share a cache line");

/* Value of `ledger` (array, one entry, mmap()able): what the collector did with the records since
 * the maps were made.  It is in a pinned map so that it outlives a crash. */
struct ntc_ledger {
    __u64 published_records;
    __u64 published_packets;
    __u64 published_bytes;
    __u64 unsubscribed_records; /* nobody was listening */
    __u64 unsubscribed_packets;
    __u64 unsubscribed_bytes;
    __u64 crash_packets;        /* taken from the ring by a process that died before it sent them */
    __u64 crash_bytes;
};

#endif
