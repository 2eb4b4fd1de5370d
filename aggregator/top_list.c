#include "top_list.h"

#include <assert.h>

static bool is_better(const struct top_list *self, struct top_entry a, struct top_entry b)
{
    if (a.value != b.value)
        return a.value > b.value;
    return self->order(a.row, b.row, self->arg) < 0;
}

/* Let `entry` sink from place `i` until no child is worse than it. */
static void sink(struct top_list *self, uint32_t i, struct top_entry entry)
{
    for (;;) {
        uint32_t child = 2 * i + 1;
        if (child >= self->size)
            break;
        if (child + 1 < self->size
            && is_better(self, self->entries[child], self->entries[child + 1]))
            child++;
        if (!is_better(self, entry, self->entries[child]))
            break;
        self->entries[i] = self->entries[child];
        i = child;
    }
    self->entries[i] = entry;
}

static void rise(struct top_list *self, uint32_t i, struct top_entry entry)
{
    while (i > 0 && is_better(self, self->entries[(i - 1) / 2], entry)) {
        self->entries[i] = self->entries[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    self->entries[i] = entry;
}

void top_list_offer(struct top_list *self, uint64_t value, uint32_t row)
{
    assert(self && self->order);

    struct top_entry entry = { .value = value, .row = row };

    if (self->size < self->capacity)
        rise(self, self->size++, entry);
    else if (self->capacity > 0 && is_better(self, entry, self->entries[0]))
        sink(self, 0, entry);
}

void top_list_sort(struct top_list *self)
{
    uint32_t size = self->size;

    while (self->size > 1) {
        struct top_entry worst = self->entries[0];
        self->size--;
        sink(self, 0, self->entries[self->size]);
        self->entries[self->size] = worst;
    }
    self->size = size;
}
