/* collector_view - what one of several collectors contributes: its state, and its own summary.
 */
#ifndef COLLECTOR_VIEW_H
#define COLLECTOR_VIEW_H

#include "aggregate.h"

/* Fill the state of `collector`, an index.  `local_ns` and `wall_ns` are the clocks of this
 * host. */
void collector_view_fill(const aggregate_t *aggregate, uint32_t collector, uint64_t local_ns,
                         uint64_t wall_ns, struct collector_state *ret_state);

/* Fill a snapshot as if `collector` were the only one: rates, top lists, its state.  unix_ns is
 * set; version, boot_id, seq and cost are not.  The caller clears it.
 * Returns 0 or -ENOMEM.  Cost: one pass over the live flows and one over the addresses. */
int collector_view_snapshot(const aggregate_t *aggregate, uint32_t collector, uint64_t local_ns,
                            uint64_t wall_ns, struct snapshot *ret_snapshot);

#endif
