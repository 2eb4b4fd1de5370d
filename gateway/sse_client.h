/* sse_client - the writing side of one live-event connection: never waits, never cuts an event.
 */
#ifndef SSE_CLIENT_H
#define SSE_CLIENT_H

#include "event_feed.h"

struct sse_client {
    int fd;                     /* a stream socket */
    struct feed_place place;
    bool blocked;               /* the socket is full: the owner clears it when that has changed */
    uint32_t rest_at, rest_size;
    char rest[EVENT_TEXT_MAX];  /* the event or notice of which a part has gone out */
};

/* A page of the feed as text: event i is text[offsets[i]] to text[offsets[i + 1]]. */
struct page_text {
    struct feed_page page;
    uint32_t offsets[FEED_DEPTH + 1];
    char text[FEED_DEPTH * EVENT_TEXT_MAX];
};

/* Send what the client has not had of a page that begins at or before its position; first tell it
 * what it has missed, and add that to *missed.
 * Returns 0 when it has everything, -EAGAIN when the socket is full (blocked is set), or -EPIPE
 * when the connection is dead. */
int sse_client_serve(struct sse_client *self, const struct page_text *page, uint64_t *missed);

/* Send `notice`, shorter than EVENT_TEXT_MAX.  Returns 0, or -EAGAIN when the socket is full: what
 * is left of the notice goes first later, but all of it is dropped when an event was still on its
 * way; or -EPIPE. */
int sse_client_notify(struct sse_client *self, const char *notice);

#endif
