/* snapshot_maker - turns what the aggregator knows into the rows of a snapshot.
 */
#ifndef SNAPSHOT_MAKER_H
#define SNAPSHOT_MAKER_H

#include "aggregate.h"

/* Fill all that comes from the tables; version, boot_id, seq, unix_ns, cost and bad_messages are
 * the caller's.  `local_ns` and `wall_ns` are this host's CLOCK_BOOTTIME and unix time.  The caller
 * clears the snapshot.
 * Returns 0 or -ENOMEM.  Cost: one pass over the live flows and one over the addresses. */
int snapshot_maker_fill(const aggregate_t *aggregate, uint64_t local_ns, uint64_t wall_ns,
                        struct snapshot *ret_snapshot);

#endif
