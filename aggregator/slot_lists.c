#include "slot_lists.h"

#include <assert.h>
#include <errno.h>

#include "table_memory.h"

int slot_lists_init(struct slot_lists *self, uint32_t slots, uint32_t lists)
{
    assert(self && slots >= 1 && lists >= 1);

    self->links = table_memory_new((size_t) slots + lists, sizeof *self->links);
    if (!self->links)
        return -ENOMEM;
    self->slots = slots;
    self->lists = lists;
    for (uint32_t head = slots; head < slots + lists; head++)
        self->links[head] = (struct slot_link) { .prev = head, .next = head };
    return 0;
}

void slot_lists_clear(struct slot_lists *self)
{
    table_memory_free(self->links, (size_t) self->slots + self->lists, sizeof *self->links);
    self->links = NULL;
}
