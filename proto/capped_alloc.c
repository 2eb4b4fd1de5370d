#include "capped_alloc.h"

#include <assert.h>
#include <stdlib.h>

static void *take(void *data, size_t size)
{
    struct capped_alloc *self = data;

    if (size > self->left)
        return NULL;
    void *memory = malloc(size);
    if (memory)
        self->left -= size;
    else
        self->is_short = true;
    return memory;
}

static void give_back(void *data, void *memory)
{
    (void) data;
    free(memory);
}

void capped_alloc_init(struct capped_alloc *self, size_t cap)
{
    assert(self);
    *self = (struct capped_alloc) {
        .allocator = { .alloc = take, .free = give_back, .allocator_data = self },
        .left = cap,
    };
}
