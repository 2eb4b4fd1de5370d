/* slot_bits - a set of table slots, one bit each, that is emptied 64 slots at a time.
 */
#ifndef SLOT_BITS_H
#define SLOT_BITS_H

#include <errno.h>
#include <stdint.h>

#include "table_memory.h"

#define SLOT_BITS_GROUP 64u     /* slots of one word */

struct slot_bits {
    uint64_t *words;
    uint32_t groups;
};

static inline uint32_t slot_bits_groups_of(uint32_t slots)
{
    return (slots + SLOT_BITS_GROUP - 1) / SLOT_BITS_GROUP;
}

/* Make an empty set for slots 0 to slots - 1.  Returns 0 or -ENOMEM. */
static inline int slot_bits_init(struct slot_bits *self, uint32_t slots)
{
    self->groups = slot_bits_groups_of(slots);
    self->words = table_memory_new(self->groups, sizeof *self->words);
    return self->words ? 0 : -ENOMEM;
}

/* Free the bits.  Does nothing on a zeroed set. */
static inline void slot_bits_clear(struct slot_bits *self)
{
    table_memory_free(self->words, self->groups, sizeof *self->words);
    self->words = NULL;
}

static inline void slot_bits_add(struct slot_bits *self, uint32_t slot)
{
    self->words[slot / SLOT_BITS_GROUP] |= UINT64_C(1) << slot % SLOT_BITS_GROUP;
}

/* Take all slots of a group out of the set: bit n stands for slot 64 * group + n. */
static inline uint64_t slot_bits_take(struct slot_bits *self, uint32_t group)
{
    uint64_t word = self->words[group];

    if (word)
        self->words[group] = 0;
    return word;
}

/* The lowest slot of what slot_bits_take() returned, which must not be 0; it is taken out. */
static inline uint32_t slot_bits_next(uint32_t group, uint64_t *word)
{
    uint32_t slot = group * SLOT_BITS_GROUP + (uint32_t) __builtin_ctzll(*word);

    *word &= *word - 1;
    return slot;
}

#endif
