#include "slot_index.h"

#include <assert.h>
#include <errno.h>

#include "table_memory.h"

int slot_index_init(struct slot_index *self, uint32_t capacity)
{
    assert(self && capacity >= 1 && capacity <= SLOT_INDEX_MAX);

    uint32_t cells = 4;

    while (cells < 2 * capacity)
        cells *= 2;
    self->cells = table_memory_new(cells, sizeof *self->cells);
    self->mask = cells - 1;
    return self->cells ? 0 : -ENOMEM;
}

void slot_index_clear(struct slot_index *self)
{
    table_memory_free(self->cells, (size_t) self->mask + 1, sizeof *self->cells);
    self->cells = NULL;
}

void slot_index_insert(struct slot_index *self, uint32_t hash, uint32_t slot)
{
    uint32_t i = slot_index_place(self, hash);

    while (self->cells[i].slot_plus_1 != 0)
        i = (i + 1) & self->mask;
    self->cells[i] = (struct slot_cell) { .hash = hash, .slot_plus_1 = slot + 1 };
}

/* Close the gap at `hole`: an entry behind it moves up if its own place is not beyond the gap. */
static void close_gap(struct slot_index *self, uint32_t hole)
{
    for (uint32_t i = (hole + 1) & self->mask; self->cells[i].slot_plus_1 != 0;
         i = (i + 1) & self->mask) {
        uint32_t place = slot_index_place(self, self->cells[i].hash);
        if (((i - place) & self->mask) >= ((i - hole) & self->mask)) {
            self->cells[hole] = self->cells[i];
            hole = i;
        }
    }
    self->cells[hole].slot_plus_1 = 0;
}

void slot_index_remove(struct slot_index *self, uint32_t hash, uint32_t slot)
{
    uint32_t i = slot_index_place(self, hash);

    while (self->cells[i].slot_plus_1 != slot + 1) {
        assert(self->cells[i].slot_plus_1 != 0);
        i = (i + 1) & self->mask;
    }
    close_gap(self, i);
}
