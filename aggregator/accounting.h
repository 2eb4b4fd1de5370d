/* accounting - what all records add up to: flows and windows on one timeline.
 *
 * There is one window of all collectors together and, as soon as there are several, one that tells
 * them apart.
 *
 * The timeline counts whole seconds and is moved by records, by the promises of collectors, and,
 * when all of them are silent, by its owner.  Seconds begin one after the other, so that the
 * results depend on the records alone.
 */
#ifndef ACCOUNTING_H
#define ACCOUNTING_H

#include "clock.h"
#include "flow_table.h"
#include "ip_window.h"
#include "packet_batch.h"

#define PORTS_PER_ADDRESS 4     /* capacity of the port table, on average */

#define TIMELINE_MAX (UINT32_MAX / 2)   /* seconds; nothing moves the timeline beyond */

/* The timeline second of a collector's time, 0 to TIMELINE_MAX.  `offset_s` takes the seconds of
 * the collector's clock to those of the timeline. */
static inline uint32_t timeline_second(uint64_t clock_ns, int64_t offset_s)
{
    int64_t second = (int64_t) (clock_ns / NS_PER_S) + offset_s;

    if (second < 0)
        return 0;
    return second > TIMELINE_MAX ? TIMELINE_MAX : (uint32_t) second;
}

typedef struct accounting accounting_t;

/* Make tables for `limits` and `addresses`; `seed` keys the hashes.  `on_ended` is called as in
 * flow_table_new().  Returns an object the caller destroys, or NULL when memory is short. */
accounting_t *accounting_new(const struct flow_limits *limits, uint32_t addresses, uint64_t seed,
                             flow_ended_fn *on_ended, void *arg);

/* Free the tables and set *self_p to NULL.  Does nothing when *self_p is NULL. */
void accounting_destroy(accounting_t **self_p);

/* From now on keep the addresses by collector, too; does nothing twice.  Returns 0 or -ENOMEM. */
int accounting_tell_apart(accounting_t *self, uint32_t collectors);

/* Add all records of a checked batch; `offset_s` as in timeline_second(). */
void accounting_add(accounting_t *self, uint32_t collector, int64_t offset_s,
                    const struct packet_view *view);

/* Let the timeline reach `second`; does nothing when it is there already. */
void accounting_advance(accounting_t *self, uint32_t second);

/* The clock of a collector has begun anew: its flows end. */
void accounting_end_collector(accounting_t *self, uint32_t collector);

uint32_t accounting_second(const accounting_t *self);       /* where the timeline is */

/* As flow_table_best() and ip_window_best(): what they keep up to date shows nowhere else. */
uint32_t accounting_best_flows(const accounting_t *self, uint32_t most, uint32_t *ret_slots);
uint32_t accounting_best_addresses(const accounting_t *self, enum window_ranking by, uint32_t most,
                                   uint32_t *ret_slots);

const flow_table_t *accounting_flows(const accounting_t *self);
const ip_window_t *accounting_window(const accounting_t *self);     /* of all collectors together */

/* The addresses by collector; NULL while nobody needs to tell them apart. */
const ip_window_t *accounting_window_apart(const accounting_t *self);

#endif
