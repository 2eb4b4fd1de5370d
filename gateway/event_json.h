/* event_json - one record as the text that an SSE client gets.
 */
#ifndef EVENT_JSON_H
#define EVENT_JSON_H

#include <stddef.h>
#include <stdint.h>

#include "packet_batch.h"

#define EVENT_TEXT_MAX 640      /* bytes of one event, its "id:" line and the empty line included */

/* A record on its way to the clients. */
struct shown_event {
    struct packet_record record;
    uint64_t seq;               /* the collector's number of the record */
    int64_t wall_offset_ns;     /* unix time - CLOCK_BOOTTIME there */
    uint16_t collector;         /* index in the feed's table */
};

/* The last second that was turned into text: localtime_r() costs more than all the rest. */
struct event_clock {
    int64_t second;             /* unix time */
    char text[9];               /* "HH:MM:SS" in the process's zone; "" = not set yet */
};

/* Write "id: ...\ndata: {...}\n\n" into `text` (at least EVENT_TEXT_MAX bytes, no NUL is added).
 * `interface` is a name of at most 15 bytes, NULL = not known.  `collector` is an id of printable
 * ASCII, NULL = leave it out.
 * Returns the length.  No allocation; about half a microsecond. */
size_t event_json_format(const struct shown_event *event, const char *interface,
                         const char *collector, struct event_clock *clock, char *text);

#endif
