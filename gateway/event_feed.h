/* event_feed - the latest records for each set of filters that clients ask for.
 *
 * One channel for each different filter, with a ring of its own: a client that watches one quiet
 * host loses nothing to those that watch everything, and a stalled client costs no memory, since
 * it is only a position in a ring that others share.  One thread adds batches, one reads; joining
 * and leaving may be done by any.
 */
#ifndef EVENT_FEED_H
#define EVENT_FEED_H

#include "event_filter.h"
#include "event_json.h"
#include "packet_batch.h"

#define FEED_CHANNELS 64        /* different filters at once */
#define FEED_DEPTH 768          /* records kept per channel: about 256 KiB as text */

typedef struct event_feed event_feed_t;

/* Returns a feed the caller destroys, or NULL when memory is short. */
event_feed_t *event_feed_new(void);
void event_feed_destroy(event_feed_t **self_p);

/* A reader's place in a channel. */
struct feed_place {
    unsigned channel;
    uint64_t position;          /* of the next record to read */
    uint64_t gaps;              /* records missed on the bus that the reader knows of */
};

/* Take a place in the channel of `filter`; what is added from now on is for it.
 * Returns 0, -ENOSPC when there are FEED_CHANNELS other filters already, or -ENOMEM.  Give the
 * place back with event_feed_leave(). */
int event_feed_join(event_feed_t *self, const struct event_filter *filter,
                    struct feed_place *ret_place);
void event_feed_leave(event_feed_t *self, unsigned channel);

/* Add the records of a batch to the channels whose filters match.  Records that are missing between
 * this batch and the one before it of the same collector count as missed, on every channel.
 * Returns the number of channels that got something. */
unsigned event_feed_add(event_feed_t *self, const struct packet_view *view);

/* Forget where the collectors' numbering stood: the subscription was interrupted on purpose. */
void event_feed_restart(event_feed_t *self);

/* What a channel has for a reader.  Begins as all zeros. */
struct feed_page {
    uint64_t serial;            /* of the channel and its filter; 0 = of none */
    uint64_t first; /* position of events[0]; larger than asked: those between are gone */
    uint32_t count;
    uint32_t dropped, kept;     /* of the events before: gone from the front, and still there */
    uint64_t gaps;              /* records missed on the bus since the channel began */
    struct shown_event events[FEED_DEPTH];
};

/* Make the page hold what channel `channel` has from `position` on.  Events that it holds already
 * are kept, moved to the front. */
void event_feed_read(event_feed_t *self, unsigned channel, uint64_t position,
                     struct feed_page *page);

/* The id of the collector that `index` stands for; valid as long as the feed. */
const char *event_feed_collector(const event_feed_t *self, uint16_t index);

#endif
