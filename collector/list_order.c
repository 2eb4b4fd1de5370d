#include "list_order.h"

#include <stdlib.h>
#include <string.h>

uint32_t list_order_before(const struct list_order *self, const struct list_slot *slots,
                           const struct ip_prefix *prefix, bool with_it)
{
    uint32_t low = 0, high = self->size;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int compared = ip_prefix_compare(&slots[self->numbers[middle]].entry.prefix, prefix);
        if (compared < 0 || (with_it && compared == 0))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void list_order_insert(struct list_order *self, const struct list_slot *slots, uint32_t number)
{
    uint32_t at = list_order_before(self, slots, &slots[number].entry.prefix, false);

    memmove(&self->numbers[at + 1], &self->numbers[at],
            (self->size - at) * sizeof *self->numbers);
    self->numbers[at] = number;
    self->size++;
}

void list_order_remove(struct list_order *self, uint32_t position)
{
    self->size--;
    memmove(&self->numbers[position], &self->numbers[position + 1],
            (self->size - position) * sizeof *self->numbers);
}

static int compare_slots(const void *a, const void *b, void *arg)
{
    const struct list_slot *slots = arg;

    return ip_prefix_compare(&slots[*(const uint32_t *) a].entry.prefix,
                             &slots[*(const uint32_t *) b].entry.prefix);
}

void list_order_sort(struct list_order *self, struct list_slot *slots)
{
    qsort_r(self->numbers, self->size, sizeof *self->numbers, compare_slots, slots);
}
