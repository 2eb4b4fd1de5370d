#include "slot_ranking.h"

#include <assert.h>
#include <stdbool.h>

#include "slot_index.h"

int slot_ranking_init(struct slot_ranking *self, uint32_t slots, top_order_fn *order,
                      const void *arg)
{
    assert(self && slots >= 1 && slots <= SLOT_INDEX_MAX && order);

    *self = (struct slot_ranking) { .slots = slots, .order = order, .arg = arg };
    self->values = table_memory_new(slots, sizeof *self->values);
    if (!self->values)
        return -ENOMEM;
    uint32_t below = slots, span = SLOT_BITS_GROUP;     /* slots that a group stands for */
    do {
        struct ranking_level *level = &self->level[self->levels++];
        level->groups = slot_bits_groups_of(below);
        level->winners = table_memory_new(level->groups, sizeof *level->winners);
        if (!level->winners || slot_bits_init(&level->due, level->groups) != 0)
            return -ENOMEM;
        for (uint32_t group = 0; group < level->groups; group++)
            level->winners[group] = group * span;
        below = level->groups;
        span *= SLOT_BITS_GROUP;
    } while (below > 1);
    return 0;
}

void slot_ranking_clear(struct slot_ranking *self)
{
    for (unsigned i = 0; i < self->levels; i++) {
        struct ranking_level *level = &self->level[i];
        table_memory_free(level->winners, level->groups, sizeof *level->winners);
        slot_bits_clear(&level->due);
    }
    table_memory_free(self->values, self->slots, sizeof *self->values);
    *self = (struct slot_ranking) { 0 };
}

/* Let a group play.  Whoever of a group has value 0 may win it when all have. */
static void play(struct slot_ranking *self, unsigned level, uint32_t group)
{
    const uint32_t *below = level > 0 ? self->level[level - 1].winners : NULL;
    uint32_t size = level > 0 ? self->level[level - 1].groups : self->slots;
    uint32_t first = group * SLOT_BITS_GROUP;
    uint32_t end = size - first < SLOT_BITS_GROUP ? size : first + SLOT_BITS_GROUP;
    uint32_t best = below ? below[first] : first;
    uint64_t best_value = self->values[best];

    for (uint32_t i = first + 1; i < end; i++) {
        uint32_t slot = below ? below[i] : i;
        uint64_t value = self->values[slot];
        if (value > best_value
            || (value == best_value && value > 0 && self->order(slot, best, self->arg) < 0)) {
            best = slot;
            best_value = value;
        }
    }
    self->level[level].winners[group] = best;
}

static void play_all_due(struct slot_ranking *self)
{
    for (unsigned i = 0; i < self->levels; i++) {
        struct slot_bits *due = &self->level[i].due;
        for (uint32_t group = 0; group < due->groups; group++) {
            uint64_t word = slot_bits_take(due, group);
            while (word) {
                uint32_t played = slot_bits_next(group, &word);
                play(self, i, played);
                if (i + 1 < self->levels)
                    slot_bits_add(&self->level[i + 1].due, played / SLOT_BITS_GROUP);
            }
        }
    }
}

/* Give one slot a value at once. */
static void replay(struct slot_ranking *self, uint32_t slot, uint64_t value)
{
    uint32_t group = slot;

    self->values[slot] = value;
    for (unsigned i = 0; i < self->levels; i++) {
        group /= SLOT_BITS_GROUP;
        play(self, i, group);
    }
}

uint32_t slot_ranking_best(struct slot_ranking *self, uint32_t most, uint32_t *ret_slots)
{
    assert(self && self->levels > 0 && most <= SLOT_RANKING_MOST);

    uint64_t values[SLOT_RANKING_MOST];
    const uint32_t *winner = self->level[self->levels - 1].winners;
    uint32_t count = 0;

    play_all_due(self);
    while (count < most && self->values[*winner] > 0) {     /* the best stands aside */
        ret_slots[count] = *winner;
        values[count] = self->values[*winner];
        replay(self, *winner, 0);
        count++;
    }
    for (uint32_t i = 0; i < count; i++)
        replay(self, ret_slots[i], values[i]);
    return count;
}
