/* traffic_history - one hour of totals per second, from the counters of the kernels.
 *
 * Statuses come about once a second, at any part of it, and sometimes late or not at all.  What was
 * counted between two of them is spread over the time between them, so that nothing is counted
 * twice and a late status makes no spike.  The counters of a collector that is new here, or whose
 * counters went back, are a baseline.
 */
#ifndef TRAFFIC_HISTORY_H
#define TRAFFIC_HISTORY_H

#include "flow_table.h"
#include "table_query.h"

typedef struct traffic_history traffic_history_t;

/* Make an empty history of collectors 0 to collectors - 1.  Returns a history the caller destroys,
 * or NULL when memory is short.  Memory when full: 700 KB, and 560 bytes a collector. */
traffic_history_t *traffic_history_new(uint32_t collectors);

/* Free the history and set *self_p to NULL.  Does nothing when *self_p is NULL. */
void traffic_history_destroy(traffic_history_t **self_p);

/* The counters of a status (index: status_counter_index()) stood so at `at_ns` of the timeline. */
void traffic_history_add(traffic_history_t *self, uint32_t collector, uint64_t at_ns,
                         const uint64_t packets[STATUS_COUNTERS],
                         const uint64_t bytes[STATUS_COUNTERS]);

/* The next counters of `collector` are a baseline: its clock has begun anew. */
void traffic_history_forget(traffic_history_t *self, uint32_t collector);

/* Nothing comes of `collector` any more: the totals are whole without it until it is added
 * again. */
void traffic_history_rest(traffic_history_t *self, uint32_t collector);

/* The last second that all collectors have told the whole of, but for those that rest and those
 * that lag more than 30 s behind `now`. */
uint32_t traffic_history_last(const traffic_history_t *self, uint32_t now);

/* Packets and bytes of one second. */
struct flow_sums traffic_history_of(const traffic_history_t *self, uint32_t second);

/* Fill `ret_history` with the `seconds` (1 to HISTORY_MAX_S) that end with `last`; fewer when the
 * history is younger.  end_unix_s is the caller's.  Returns 0 or -ENOMEM. */
int traffic_history_read(const traffic_history_t *self, uint32_t last, uint32_t seconds,
                         struct history *ret_history);

#endif
