#include "latest.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "clock.h"

const char *const PEER_STATE_WORDS[3] = { "away", "stale", "live" };

struct shared {
    atomic_uint holders;
    uint64_t number;
    uint64_t received_ns;
    struct snapshot *snapshot;
};

struct latest {
    pthread_mutex_t lock;
    struct shared *current;     /* NULL until the first snapshot */
    atomic_ullong bad_messages;
};

static const struct snapshot NOTHING;

latest_t *latest_new(void)
{
    latest_t *self = calloc(1, sizeof *self);

    if (self)
        pthread_mutex_init(&self->lock, NULL);
    return self;
}

static void drop(struct shared *shared)
{
    if (!shared || atomic_fetch_sub(&shared->holders, 1) > 1)
        return;
    snapshot_clear(shared->snapshot);
    free(shared->snapshot);
    free(shared);
}

void latest_destroy(latest_t **self_p)
{
    assert(self_p);
    if (!*self_p)
        return;
    drop((*self_p)->current);
    pthread_mutex_destroy(&(*self_p)->lock);
    free(*self_p);
    *self_p = NULL;
}

int latest_put(latest_t *self, struct snapshot *snapshot, uint64_t now_ns)
{
    assert(self && snapshot);

    struct shared *shared = malloc(sizeof *shared);
    if (!shared) {
        snapshot_clear(snapshot);
        free(snapshot);
        return -ENOMEM;
    }
    atomic_init(&shared->holders, 1);
    shared->received_ns = now_ns;
    shared->snapshot = snapshot;

    pthread_mutex_lock(&self->lock);
    struct shared *before = self->current;
    shared->number = before ? before->number + 1 : 1;
    self->current = shared;
    pthread_mutex_unlock(&self->lock);
    drop(before);
    return 0;
}

void latest_count_bad_message(latest_t *self)
{
    atomic_fetch_add(&self->bad_messages, 1);
}

struct latest_view latest_take(latest_t *self, uint64_t now_ns)
{
    struct latest_view view = { .snapshot = &NOTHING, .state = PEER_AWAY, .age_s = INFINITY,
                                .bad_messages = atomic_load(&self->bad_messages) };

    pthread_mutex_lock(&self->lock);
    struct shared *shared = self->current;
    if (shared)
        atomic_fetch_add(&shared->holders, 1);
    pthread_mutex_unlock(&self->lock);
    if (!shared)
        return view;

    uint64_t age_ns = now_ns > shared->received_ns ? now_ns - shared->received_ns : 0;
    view.snapshot = shared->snapshot;
    view.number = shared->number;
    view.age_s = (double) age_ns / (double) NS_PER_S;
    view.state = view.age_s <= LATEST_STALE_S ? PEER_LIVE : PEER_STALE;
    view.hold = shared;
    return view;
}

void latest_release(struct latest_view *view)
{
    drop(view->hold);
    *view = (struct latest_view) { .snapshot = &NOTHING };
}
