#include "page_cache.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

struct shared {
    atomic_uint holders;
    struct text_buffer text;
};

struct page_cache {
    pthread_mutex_t lock;       /* held while a text is written */
    size_t limit;
    struct shared *current;     /* NULL until the first */
    /* what `current` was written for */
    uint64_t number;
    enum peer_state state;
    struct page_stamp stamp;
    uint64_t written_ns;
};

page_cache_t *page_cache_new(size_t limit)
{
    page_cache_t *self = calloc(1, sizeof *self);

    if (!self)
        return NULL;
    self->limit = limit;
    pthread_mutex_init(&self->lock, NULL);
    return self;
}

static void drop(struct shared *shared)
{
    if (!shared || atomic_fetch_sub(&shared->holders, 1) > 1)
        return;
    text_buffer_free(&shared->text);
    free(shared);
}

void page_cache_destroy(page_cache_t **self_p)
{
    assert(self_p);
    if (!*self_p)
        return;
    drop((*self_p)->current);
    pthread_mutex_destroy(&(*self_p)->lock);
    free(*self_p);
    *self_p = NULL;
}

/* Who waited for the lock may come with a time before the text was written. */
static bool is_fresh(const page_cache_t *self, const struct latest_view *view, uint64_t now_ns,
                     const struct page_stamp *stamp)
{
    return self->current && self->number == view->number && self->state == view->state
        && self->stamp.words[0] == stamp->words[0] && self->stamp.words[1] == stamp->words[1]
        && now_ns < self->written_ns + PAGE_CACHE_MAX_NS;
}

/* Put a new text in the place of the last one. */
static void renew(page_cache_t *self, const struct latest_view *view, page_write_fn *write,
                  void *arg)
{
    struct shared *shared = malloc(sizeof *shared);

    drop(self->current);
    self->current = shared;
    if (!shared)
        return;
    atomic_init(&shared->holders, 1);
    shared->text = text_buffer_of(self->limit);
    write(&shared->text, view, arg);
}

struct cached_page page_cache_take(page_cache_t *self, latest_t *latest, uint64_t now_ns,
                                   struct page_stamp stamp, page_write_fn *write, void *arg)
{
    assert(self && latest && write);

    pthread_mutex_lock(&self->lock);
    struct latest_view view = latest_take(latest, now_ns);
    if (!is_fresh(self, &view, now_ns, &stamp)) {
        renew(self, &view, write, arg);
        self->number = view.number;
        self->state = view.state;
        self->stamp = stamp;
        self->written_ns = now_ns;
    }
    latest_release(&view);
    struct shared *shared = self->current;
    if (shared)
        atomic_fetch_add(&shared->holders, 1);
    pthread_mutex_unlock(&self->lock);
    return (struct cached_page) { .text = shared ? &shared->text : NULL, .hold = shared };
}

void page_cache_release(struct cached_page *page)
{
    drop(page->hold);
    *page = (struct cached_page) { 0 };
}
