/* slot_index - finds table slots by a 32-bit hash; the caller compares the keys.
 *
 * Open addressing with linear probing over cells of eight bytes, at most half of them filled, so
 * that a look-up mostly costs one cache line.  The two lowest bits of a hash do not choose the
 * place: hashes that differ in them alone stand side by side, and a search may ignore them.
 */
#ifndef SLOT_INDEX_H
#define SLOT_INDEX_H

#include <stddef.h>
#include <stdint.h>

#define SLOT_NONE UINT32_MAX
#define SLOT_INDEX_MAX (1u << 24)   /* entries */

enum slot_match {
    SLOT_MATCH_ALL = 0,         /* all 32 bits are equal */
    SLOT_MATCH_PLACE = 3,       /* all but the two lowest */
};

struct slot_cell {
    uint32_t hash;
    uint32_t slot_plus_1;       /* 0 = empty */
};

struct slot_index {
    struct slot_cell *cells;
    uint32_t mask;              /* cell count - 1, a power of two minus one */
};

/* Make room for `capacity` entries, 1 to SLOT_INDEX_MAX.  Returns 0 or -ENOMEM. */
int slot_index_init(struct slot_index *self, uint32_t capacity);

/* Free the cells.  Does nothing on a zeroed index. */
void slot_index_clear(struct slot_index *self);

/* Enter `slot` under `hash`.  The owner never enters more than `capacity`. */
void slot_index_insert(struct slot_index *self, uint32_t hash, uint32_t slot);

/* Take out the entry that slot_index_insert() made with the same values. */
void slot_index_remove(struct slot_index *self, uint32_t hash, uint32_t slot);

static inline uint32_t slot_index_place(const struct slot_index *self, uint32_t hash)
{
    return hash >> 2 & self->mask;
}

/* Return the next slot whose hash matches, SLOT_NONE behind the last.  *cursor starts as
 * slot_index_place() and belongs to the search; no entry may be made or removed meanwhile. */
static inline uint32_t slot_index_next(const struct slot_index *self, uint32_t hash,
                                       enum slot_match ignore, uint32_t *cursor)
{
    for (;;) {
        struct slot_cell cell = self->cells[*cursor];
        *cursor = (*cursor + 1) & self->mask;
        if (cell.slot_plus_1 == 0)
            return SLOT_NONE;
        if (((cell.hash ^ hash) & ~(uint32_t) ignore) == 0)
            return cell.slot_plus_1 - 1;
    }
}

static inline void slot_index_prefetch(const struct slot_index *self, uint32_t hash)
{
    __builtin_prefetch(&self->cells[slot_index_place(self, hash)]);
}

#endif
