/* aggregate - everything the aggregator knows, and the rules by which it learns.
 *
 * Takes checked messages of collectors one by one.  It knows neither sockets nor clocks: `local_ns`
 * is CLOCK_BOOTTIME of this host, given by the caller, and never goes back.
 */
#ifndef AGGREGATE_H
#define AGGREGATE_H

#include "accounting.h"
#include "collector_table.h"
#include "traffic_history.h"

typedef struct aggregate aggregate_t;

/* What a message meant for the collector that sent it. */
enum hearing {
    HEARING_GOES_ON = 0,
    HEARING_FIRST,              /* a collector that was not known */
    HEARING_BACK,               /* one that was away */
    HEARING_RESTARTED,          /* a new boot_id */
    HEARING_REPEATED,           /* the same boot_id, but its numbers began anew: a replay */
    HEARING_RIVAL,              /* refused, from now on: several processes use one id in turn */
    HEARING_REFUSED,            /* refused: rival, too many collectors, or impossible times */
};

/* `limits.collectors` is set here.  `on_ended` is called as in flow_table_new().
 * Returns an object the caller destroys, or NULL when memory is short. */
aggregate_t *aggregate_new(const struct flow_limits *limits, uint32_t addresses, uint64_t seed,
                           flow_ended_fn *on_ended, void *arg);

/* Free everything and set *self_p to NULL.  Does nothing when *self_p is NULL. */
void aggregate_destroy(aggregate_t **self_p);

/* Take a checked batch or status.  Refused ones change nothing. */
enum hearing aggregate_take_batch(aggregate_t *self, const struct packet_view *view,
                                  uint64_t local_ns);
enum hearing aggregate_take_status(aggregate_t *self, const struct collector_status *status,
                                   uint64_t local_ns);

/* Call about once a second: finds who is away (`on_away` as in collector_table_mark_away()) and
 * moves the timeline while all are. */
void aggregate_tick(aggregate_t *self, uint64_t local_ns, collector_away_fn *on_away, void *arg);

/* Seconds since 1970 of a timeline second, given both clocks of this host. */
uint64_t aggregate_unix_s(const aggregate_t *self, uint32_t second, uint64_t local_ns,
                          uint64_t wall_ns);

const accounting_t *aggregate_accounting(const aggregate_t *self);
const traffic_history_t *aggregate_history(const aggregate_t *self);
const collector_table_t *aggregate_collectors(const aggregate_t *self);

/* What belongs to one collector, by its index: while it is the only one, that is everything.  NULL
 * when there was no memory to tell several apart.  In the window the collector goes by the number
 * that *collector is set to.  Both begin when a second collector is heard. */
const traffic_history_t *aggregate_history_of(const aggregate_t *self, uint32_t collector);
const ip_window_t *aggregate_window_of(const aggregate_t *self, uint32_t *collector);

/* Whether another process uses the id of this collector, too, which is refused. */
bool aggregate_has_rival(const struct collector *collector, uint64_t local_ns);

#endif
