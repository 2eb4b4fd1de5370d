#include "event_feed.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "snapshot.h"

struct channel {
    struct event_filter filter;
    uint32_t readers;           /* 0 = the channel is free */
    uint64_t serial;            /* no other channel has or had it */
    uint64_t head;              /* position the next record gets */
    uint64_t gaps;
    struct shown_event *ring;   /* FEED_DEPTH of them; position p is at p % FEED_DEPTH */
};

struct collector {
    char id[COLLECTOR_ID_SIZE]; /* written once, before anybody learns the index */
    uint64_t boot_id;
    uint64_t next_seq;          /* 0 = not known */
};

struct event_feed {
    pthread_mutex_t lock;
    uint64_t last_serial;
    struct channel channels[FEED_CHANNELS];
    uint32_t collector_count;
    struct collector collectors[SNAPSHOT_MAX_COLLECTORS];
};

event_feed_t *event_feed_new(void)
{
    event_feed_t *self = calloc(1, sizeof *self);

    if (self)
        pthread_mutex_init(&self->lock, NULL);
    return self;
}

void event_feed_destroy(event_feed_t **self_p)
{
    assert(self_p);
    event_feed_t *self = *self_p;

    if (!self)
        return;
    for (unsigned i = 0; i < FEED_CHANNELS; i++)
        free(self->channels[i].ring);
    pthread_mutex_destroy(&self->lock);
    free(self);
    *self_p = NULL;
}

/* The channel with this filter, else a free one, else NULL. */
static struct channel *find_channel(event_feed_t *self, const struct event_filter *filter)
{
    struct channel *free_one = NULL;

    for (unsigned i = 0; i < FEED_CHANNELS; i++) {
        struct channel *channel = &self->channels[i];
        if (channel->readers > 0 && event_filter_equal(&channel->filter, filter))
            return channel;
        if (channel->readers == 0 && !free_one)
            free_one = channel;
    }
    return free_one;
}

static int open_channel(event_feed_t *self, struct channel *channel,
                        const struct event_filter *filter)
{
    struct shown_event *ring = malloc(FEED_DEPTH * sizeof *ring);

    if (!ring)
        return -ENOMEM;
    *channel = (struct channel) { .filter = *filter, .ring = ring,
                                  .serial = ++self->last_serial };
    return 0;
}

int event_feed_join(event_feed_t *self, const struct event_filter *filter,
                    struct feed_place *ret_place)
{
    int rc = 0;

    pthread_mutex_lock(&self->lock);
    struct channel *channel = find_channel(self, filter);
    if (!channel)
        rc = -ENOSPC;
    else if (channel->readers == 0)
        rc = open_channel(self, channel, filter);
    if (rc == 0) {
        channel->readers++;
        *ret_place = (struct feed_place) {
            .channel = (unsigned) (channel - self->channels),
            .position = channel->head,
            .gaps = channel->gaps,
        };
    }
    pthread_mutex_unlock(&self->lock);
    return rc;
}

void event_feed_leave(event_feed_t *self, unsigned channel)
{
    assert(channel < FEED_CHANNELS && self->channels[channel].readers > 0);

    pthread_mutex_lock(&self->lock);
    struct channel *left = &self->channels[channel];
    if (--left->readers == 0) {
        free(left->ring);
        *left = (struct channel) { 0 };
    }
    pthread_mutex_unlock(&self->lock);
}

/* The table entry of a collector, made if there is room.  NULL when there are too many. */
static struct collector *find_collector(event_feed_t *self, const char *id)
{
    for (uint32_t i = 0; i < self->collector_count; i++)
        if (strcmp(self->collectors[i].id, id) == 0)
            return &self->collectors[i];
    if (self->collector_count == SNAPSHOT_MAX_COLLECTORS)
        return NULL;
    struct collector *added = &self->collectors[self->collector_count++];
    strcpy(added->id, id);
    return added;
}

/* Records between the batch before and this one.  A restarted collector counts anew. */
static uint64_t missing_before(struct collector *collector, const struct batch_header *header,
                               uint32_t size)
{
    uint64_t missing = 0;

    if (collector->next_seq > 0 && collector->boot_id == header->boot_id
        && header->first_seq > collector->next_seq)
        missing = header->first_seq - collector->next_seq;
    collector->boot_id = header->boot_id;
    collector->next_seq = header->first_seq + size;
    return missing;
}

static void push(struct channel *channel, const struct packet_view *view, uint32_t i,
                 const struct packet_record *record, uint16_t collector)
{
    struct shown_event *event = &channel->ring[channel->head++ % FEED_DEPTH];

    event->record = *record;
    event->seq = view->header.first_seq + i;
    event->wall_offset_ns = view->header.wall_offset_ns;
    event->collector = collector;
}

unsigned event_feed_add(event_feed_t *self, const struct packet_view *view)
{
    unsigned open[FEED_CHANNELS], open_count = 0, touched = 0;
    uint64_t heads[FEED_CHANNELS];

    pthread_mutex_lock(&self->lock);
    struct collector *collector = find_collector(self, view->header.collector_id);
    uint64_t missing
        = collector ? missing_before(collector, &view->header, view->size) : view->size;
    for (unsigned i = 0; i < FEED_CHANNELS; i++) {
        if (self->channels[i].readers == 0
            || !event_filter_wants(&self->channels[i].filter, view->header.collector_id))
            continue;
        self->channels[i].gaps += missing;
        heads[open_count] = self->channels[i].head;
        open[open_count++] = i;
    }
    for (uint32_t i = 0; collector && open_count > 0 && i < view->size; i++) {
        struct packet_record record;
        packet_view_record(view, i, &record);
        for (unsigned n = 0; n < open_count; n++)
            if (event_filter_matches(&self->channels[open[n]].filter, &record))
                push(&self->channels[open[n]], view, i, &record,
                     (uint16_t) (collector - self->collectors));
    }
    for (unsigned n = 0; n < open_count; n++)
        touched += missing > 0 || self->channels[open[n]].head != heads[n];
    pthread_mutex_unlock(&self->lock);
    return touched;
}

void event_feed_restart(event_feed_t *self)
{
    pthread_mutex_lock(&self->lock);
    for (uint32_t i = 0; i < self->collector_count; i++)
        self->collectors[i].next_seq = 0;
    pthread_mutex_unlock(&self->lock);
}

/* Keep what a page of the same channel holds from `first` on, if it goes on from there. */
static void keep_events(struct feed_page *page, const struct channel *from, uint64_t first)
{
    uint64_t end = page->first + page->count;

    page->dropped = page->kept = 0;
    if (page->serial != from->serial || first < page->first || first > end)
        return;
    page->dropped = (uint32_t) (first - page->first);
    page->kept = (uint32_t) (end - first);
    memmove(page->events, page->events + page->dropped, page->kept * sizeof *page->events);
}

void event_feed_read(event_feed_t *self, unsigned channel, uint64_t position,
                     struct feed_page *page)
{
    assert(channel < FEED_CHANNELS && page);

    pthread_mutex_lock(&self->lock);
    const struct channel *from = &self->channels[channel];
    uint64_t oldest = from->head > FEED_DEPTH ? from->head - FEED_DEPTH : 0;
    uint64_t first = position > oldest ? position : oldest;
    keep_events(page, from, first);
    page->serial = from->serial;
    page->first = first;
    page->count = (uint32_t) (from->head - first);
    page->gaps = from->gaps;
    for (uint32_t i = page->kept; i < page->count; i++)
        page->events[i] = from->ring[(page->first + i) % FEED_DEPTH];
    pthread_mutex_unlock(&self->lock);
}

const char *event_feed_collector(const event_feed_t *self, uint16_t index)
{
    return self->collectors[index].id;
}
