/* slot_ranking - the best slots of a table, found without walking it.
 *
 * A tournament: each group of 64 slots has a winner, each 64 winners have one, and so on.  When the
 * best are asked for, only groups play again in which a value has changed: the cost grows with what
 * changed, not with the table.  Slots of equal value are told apart by the owner, so that the
 * result never depends on where they stand.
 */
#ifndef SLOT_RANKING_H
#define SLOT_RANKING_H

#include "slot_bits.h"
#include "top_list.h"

#define SLOT_RANKING_LEVELS 4       /* 64^4 slots, the largest table */
#define SLOT_RANKING_MOST 32        /* that can be asked for */

struct ranking_level {
    uint32_t *winners;          /* slot of the best of each group of the level below */
    uint32_t groups;
    struct slot_bits due;       /* groups that must play again */
};

struct slot_ranking {
    uint64_t *values;           /* of all slots; 0 = not in the ranking */
    uint32_t slots;
    unsigned levels;
    struct ranking_level level[SLOT_RANKING_LEVELS];
    top_order_fn *order;
    const void *arg;            /* handed to order() */
};

/* Make a ranking of slots 0 to slots - 1 (at most 2^24), all with value 0.  `order` is called only
 * for slots of equal value above 0.  Returns 0 or -ENOMEM. */
int slot_ranking_init(struct slot_ranking *self, uint32_t slots, top_order_fn *order,
                      const void *arg);

/* Free the ranking.  Does nothing on a zeroed one. */
void slot_ranking_clear(struct slot_ranking *self);

/* Give a slot its value; a bigger one is better, 0 takes it out.  A slot that is another row now
 * must be set also when the value is the same. */
static inline void slot_ranking_set(struct slot_ranking *self, uint32_t slot, uint64_t value)
{
    if ((self->values[slot] | value) == 0)
        return;                 /* it was not in the ranking, nor is it now */
    self->values[slot] = value;
    slot_bits_add(&self->level[0].due, slot / SLOT_BITS_GROUP);
}

/* Write the `most` best slots, the best first.  Returns how many there are. */
uint32_t slot_ranking_best(struct slot_ranking *self, uint32_t most, uint32_t *ret_slots);

#endif
