#include "second_lists.h"

#include <assert.h>

int second_lists_init(struct second_lists *self, uint32_t slots, uint32_t span, uint32_t extras)
{
    assert(self && span >= 1);

    self->used = 0;
    self->span = span;
    self->now = self->oldest = span;
    return slot_lists_init(&self->lists, slots, span + 2 + extras);
}

void second_lists_clear(struct second_lists *self)
{
    slot_lists_clear(&self->lists);
}

static uint32_t list_of_unused(const struct second_lists *self) { return self->span + 1; }

uint32_t second_lists_take(struct second_lists *self)
{
    uint32_t slot = slot_lists_first(&self->lists, list_of_unused(self));

    if (slot != SLOT_NONE)
        slot_lists_remove(&self->lists, slot);
    else if (self->used < self->lists.slots)
        slot = self->used++;
    return slot;
}

void second_lists_release(struct second_lists *self, uint32_t slot)
{
    slot_lists_remove(&self->lists, slot);
    slot_lists_prepend(&self->lists, list_of_unused(self), slot);
}

void second_lists_file(struct second_lists *self, uint32_t slot, uint32_t second)
{
    assert(second <= self->now);

    if (self->now - second >= self->span)
        second = self->now - self->span + 1;
    if (second < self->oldest)
        self->oldest = second;
    slot_lists_append(&self->lists, second_lists_of(self, second), slot);
}

uint32_t second_lists_oldest(struct second_lists *self, uint32_t *ret_second)
{
    for (; self->oldest < self->now; self->oldest++)
        if (slot_lists_first(&self->lists, second_lists_of(self, self->oldest)) != SLOT_NONE)
            break;
    *ret_second = self->oldest;
    return slot_lists_first(&self->lists, second_lists_of(self, self->oldest));
}

void second_lists_step(struct second_lists *self, uint32_t now)
{
    assert(now > self->now);

    self->now = now;
    if (self->oldest + self->span <= now)
        self->oldest = now - self->span + 1;
}

uint32_t second_lists_due(const struct second_lists *self)
{
    return slot_lists_first(&self->lists, second_lists_of(self, self->now - self->span));
}
