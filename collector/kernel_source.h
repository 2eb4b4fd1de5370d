/* kernel_source - the TC programs and their maps, as the collector uses them.
 *
 * Opening finds the pinned maps of an earlier collector and goes on with them, or makes new ones.
 * The programs are loaded but run only once tc_attachment has put them on an interface: fill the
 * lists (kernel_lists) before that.  Closing leaves maps, pins and attached programs alone.
 */
#ifndef KERNEL_SOURCE_H
#define KERNEL_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "host_filter.h"
#include "kernel_contract.h"
#include "kernel_ring.h"

typedef struct kernel_source kernel_source_t;

/* Load the programs; take over or make the maps; write the bypass ports.  Needs CAP_BPF and
 * CAP_NET_ADMIN.  On failure `why` (at least 256 bytes) says for people what failed and what to do.
 * Returns 0 or -errno. */
int kernel_source_open(kernel_source_t **ret_self, const struct config *config,
                       char *why, size_t why_size);

/* Replace the pins of an earlier collector by ours, so that the next one finds them.  Call it after
 * the lists are filled and the programs swapped: until then a crash leaves the old state whole.
 * Returns 0 or -errno. */
int kernel_source_pin(kernel_source_t *self);

/* Remove all pins (on_stop: detach). */
void kernel_source_unpin(kernel_source_t *self);

/* Close our descriptors and set *self_p to NULL.  Does nothing when *self_p is NULL. */
void kernel_source_destroy(kernel_source_t **self_p);

/* Hand on at most `max` records from the ring, oldest first, as kernel_ring_drain().  Returns how
 * many. */
uint32_t kernel_source_drain(kernel_source_t *self, uint32_t max, kernel_record_fn *on_record,
                             void *arg);

/* Bytes in the ring that wait to be drained. */
uint64_t kernel_source_waiting(const kernel_source_t *self);

/* Entries of the flow cache on all CPUs: merged packets that have not left yet. */
uint32_t kernel_source_cached(const kernel_source_t *self);

/* Send what the flow cache has merged since before `before_ns` (CLOCK_BOOTTIME; UINT64_MAX = all)
 * to the ring.  Visits each CPU that has entries, some microseconds each.
 * Returns 0, or -errno of the first CPU that could not be visited. */
int kernel_source_flush(kernel_source_t *self, uint64_t before_ns);

/* Tell the programs that lists have changed: verdicts they remember are void. */
void kernel_source_lists_changed(kernel_source_t *self);

/* Ask to be woken through the descriptor by the next record.
 * Returns false when records wait already: drain them first, the descriptor may stay silent. */
bool kernel_source_sleep(kernel_source_t *self);

/* Readable once after kernel_source_sleep(), when a record has come. */
int kernel_source_fd(const kernel_source_t *self);

/* Sum the counters over all CPUs. */
void kernel_source_counters(const kernel_source_t *self, struct ntc_counters *ret_sum);

/* What the collector did with records since the maps were made.  In pinned, shared memory: what is
 * written here survives a crash. */
struct ntc_ledger *kernel_source_ledger(kernel_source_t *self);

/* True when the maps are those of an earlier collector. */
bool kernel_source_taken_over(const kernel_source_t *self);

/* For tc_attachment and kernel_lists. */
enum link_kind {
    LINK_ETHERNET = 0,          /* frames begin with an Ethernet header */
    LINK_BARE_IP = 1,           /* frames are IP packets: tun, WireGuard, PPP, tunnels */
    LINK_KINDS = 2,
};
int kernel_source_program_fd(const kernel_source_t *self, enum packet_direction direction,
                             enum link_kind link);
int kernel_source_hosts_fd(const kernel_source_t *self);
struct host_filter *kernel_source_host_filter(kernel_source_t *self);
int kernel_source_prefixes_fd(const kernel_source_t *self, enum ntc_list list);
struct ntc_settings *kernel_source_settings(kernel_source_t *self);

#endif
