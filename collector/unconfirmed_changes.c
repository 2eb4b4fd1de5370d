#include "unconfirmed_changes.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

struct unconfirmed_changes {
    uint32_t size;
    struct unconfirmed_change items[UNCONFIRMED_MAX];
};

unconfirmed_changes_t *unconfirmed_changes_new(void)
{
    return calloc(1, sizeof(unconfirmed_changes_t));
}

void unconfirmed_changes_destroy(unconfirmed_changes_t **self_p)
{
    assert(self_p);

    free(*self_p);
    *self_p = NULL;
}

static struct unconfirmed_change *find(const unconfirmed_changes_t *self, enum ntc_list list,
                                       const struct ip_prefix *prefix)
{
    for (uint32_t i = 0; i < self->size; i++) {
        const struct unconfirmed_change *item = &self->items[i];
        if (item->list == list && ip_prefix_compare(&item->prefix, prefix) == 0)
            return (struct unconfirmed_change *) item;
    }
    return NULL;
}

int unconfirmed_changes_put(unconfirmed_changes_t *self, const struct unconfirmed_change *change)
{
    assert(self && change && change->id != 0);

    struct unconfirmed_change *place = find(self, change->list, &change->prefix);

    if (!place && self->size == UNCONFIRMED_MAX)
        return -ENOSPC;
    if (!place)
        place = &self->items[self->size++];
    *place = *change;
    return 0;
}

void unconfirmed_changes_drop(unconfirmed_changes_t *self, enum ntc_list list,
                              const struct ip_prefix *prefix)
{
    assert(self && prefix);

    struct unconfirmed_change *place = find(self, list, prefix);

    if (place)
        *place = self->items[--self->size];
}

void unconfirmed_changes_clear(unconfirmed_changes_t *self)
{
    self->size = 0;
}

const struct unconfirmed_change *unconfirmed_changes_find(const unconfirmed_changes_t *self,
                                                          enum ntc_list list,
                                                          const struct ip_prefix *prefix)
{
    assert(self && prefix);
    return find(self, list, prefix);
}

const struct unconfirmed_change *unconfirmed_changes_of(const unconfirmed_changes_t *self,
                                                        uint64_t id)
{
    assert(self);

    for (uint32_t i = 0; i < self->size; i++)
        if (self->items[i].id == id)
            return &self->items[i];
    return NULL;
}

uint32_t unconfirmed_changes_size(const unconfirmed_changes_t *self)
{
    return self->size;
}

const struct unconfirmed_change *unconfirmed_changes_at(const unconfirmed_changes_t *self,
                                                        uint32_t position)
{
    assert(position < self->size);
    return &self->items[position];
}

uint64_t unconfirmed_changes_next(const unconfirmed_changes_t *self)
{
    uint64_t next_ns = 0;

    for (uint32_t i = 0; i < self->size; i++)
        if (next_ns == 0 || self->items[i].until_ns < next_ns)
            next_ns = self->items[i].until_ns;
    return next_ns;
}
