/* collector_totals - the kernel counters and the ledger of one collector, or of several together.
 */
#ifndef COLLECTOR_TOTALS_H
#define COLLECTOR_TOTALS_H

#include "snapshot.h"

#define TOTALS_MAX_LOSSES 16

struct collector_totals {
    uint64_t packets[STATUS_COUNTERS];      /* status_counter_index() */
    uint64_t bytes[STATUS_COUNTERS];
    uint64_t counted_packets;               /* sum of packets[] */
    uint64_t without_record_packets;        /* not IP, or addresses unreadable */
    uint64_t accounted_packets;             /* in flows, or published before anybody accounted */
    uint64_t in_flight_packets;
    int64_t difference_packets;
    uint64_t dropped_packets, skipped_packets;  /* by verdict: blacklist, whitelist */
    uint32_t loss_count;
    struct loss losses[TOTALS_MAX_LOSSES];  /* by stage, at the collector and behind it */
};

/* Add the figures of one collector.  Stages that find no place go into the last one, "other". */
void collector_totals_add(struct collector_totals *self, const struct collector_state *collector);

#endif
