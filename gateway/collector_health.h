/* collector_health - what people should know of a collector beyond "live" and "away".
 */
#ifndef COLLECTOR_HEALTH_H
#define COLLECTOR_HEALTH_H

#include "json_writer.h"
#include "snapshot.h"

#define COLLECTOR_IDLE_S 10         /* no packet for this long: idle */
#define COLLECTOR_NEWS_S 300        /* a restart or return is told for this long */
#define COLLECTOR_CLOCK_S 5         /* a wall clock may be wrong by this much */

enum collector_note {
    COLLECTOR_IDLE = 1,             /* heard, but its kernel counts no packets */
    COLLECTOR_RESTARTED = 2,        /* not long ago */
    COLLECTOR_RETURNED = 4,         /* was away not long ago */
    COLLECTOR_CLOCK = 8,            /* its wall clock and the aggregator's differ */
    COLLECTOR_RIVAL = 16,           /* another process uses the same id, and is refused */
};

/* What there is to say, an OR of notes; `age_s` is that of the snapshot.  One that is away has
 * none. */
unsigned collector_health_notes(const struct collector_state *state, double age_s);

/* Write ["idle","clock",...] as member `key`. */
void collector_health_write(struct json_writer *json, const char *key, unsigned notes);

#endif
