#include "sse_client.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* Send without waiting.  Returns how much went, or -EPIPE. */
static ssize_t send_some(struct sse_client *self, const char *bytes, size_t size)
{
    ssize_t sent = size == 0 ? 0 : send(self->fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);

    if (sent < 0 && errno != EAGAIN && errno != EINTR)
        return -EPIPE;
    sent = sent < 0 ? 0 : sent;
    self->blocked = (size_t) sent < size;
    return sent;
}

/* Send what is left of the last event or notice. */
static int send_rest(struct sse_client *self)
{
    ssize_t sent = send_some(self, self->rest + self->rest_at, self->rest_size - self->rest_at);

    if (sent < 0)
        return (int) sent;
    self->rest_at += (uint32_t) sent;
    if (self->blocked)
        return -EAGAIN;
    self->rest_at = self->rest_size = 0;
    return 0;
}

int sse_client_notify(struct sse_client *self, const char *notice)
{
    assert(strlen(notice) < sizeof self->rest);

    int rc = send_rest(self);
    if (rc < 0)
        return rc;
    self->rest_size = (uint32_t) strlen(notice);
    memcpy(self->rest, notice, self->rest_size);
    return send_rest(self);
}

static int tell_missed(struct sse_client *self, const struct feed_page *page, uint64_t *missed)
{
    uint64_t count = page->gaps - self->place.gaps;
    char notice[80];

    if (self->place.position < page->first) {
        count += page->first - self->place.position;
        self->place.position = page->first;
    }
    self->place.gaps = page->gaps;
    if (count == 0)
        return 0;
    *missed += count;
    snprintf(notice, sizeof notice, "event: missed\ndata: {\"count\":%" PRIu64 "}\n\n", count);
    return sse_client_notify(self, notice);
}

int sse_client_serve(struct sse_client *self, const struct page_text *page, uint64_t *missed)
{
    int rc = send_rest(self);

    if (rc == 0)
        rc = tell_missed(self, &page->page, missed);
    if (rc < 0)
        return rc;

    uint32_t i = (uint32_t) (self->place.position - page->page.first);
    uint32_t from = page->offsets[i];
    ssize_t sent = send_some(self, page->text + from, page->offsets[page->page.count] - from);
    if (sent < 0)
        return (int) sent;
    uint32_t reached = from + (uint32_t) sent;
    while (i < page->page.count && page->offsets[i + 1] <= reached)
        i++;
    if (page->offsets[i] < reached) {   /* cut inside event i */
        self->rest_size = page->offsets[i + 1] - reached;
        memcpy(self->rest, page->text + reached, self->rest_size);
        i++;
    }
    self->place.position = page->page.first + i;
    return self->blocked ? -EAGAIN : 0;
}
