/* slot_lists - doubly linked lists of table slots, by number.
 *
 * A slot is in one list or in none.  The links stand apart from the entries: neighbours
 * in a list were mostly filled one after the other, so their links share cache lines.
 */
#ifndef SLOT_LISTS_H
#define SLOT_LISTS_H

#include <stddef.h>
#include <stdint.h>

#include "slot_index.h"

struct slot_link {
    uint32_t prev, next;
};

struct slot_lists {
    struct slot_link *links;    /* of the slots, then one ring head per list */
    uint32_t slots;
    uint32_t lists;
};

/* Make `lists` empty lists for slots 0 to slots - 1.  Returns 0 or -ENOMEM. */
int slot_lists_init(struct slot_lists *self, uint32_t slots, uint32_t lists);

/* Free the links.  Does nothing on zeroed lists. */
void slot_lists_clear(struct slot_lists *self);

/* Put `slot`, which is in no list, at the end or the front of `list`. */
static inline void slot_lists_append(struct slot_lists *self, uint32_t list, uint32_t slot)
{
    uint32_t head = self->slots + list, last = self->links[head].prev;

    self->links[slot] = (struct slot_link) { .prev = last, .next = head };
    self->links[last].next = slot;
    self->links[head].prev = slot;
}

static inline void slot_lists_prepend(struct slot_lists *self, uint32_t list, uint32_t slot)
{
    uint32_t head = self->slots + list, first = self->links[head].next;

    self->links[slot] = (struct slot_link) { .prev = head, .next = first };
    self->links[first].prev = slot;
    self->links[head].next = slot;
}

/* Take `slot` out of the list it is in. */
static inline void slot_lists_remove(struct slot_lists *self, uint32_t slot)
{
    struct slot_link link = self->links[slot];

    self->links[link.prev].next = link.next;
    self->links[link.next].prev = link.prev;
}

static inline void slot_lists_move(struct slot_lists *self, uint32_t list, uint32_t slot)
{
    slot_lists_remove(self, slot);
    slot_lists_append(self, list, slot);
}

/* The first slot of `list`, SLOT_NONE when it is empty. */
static inline uint32_t slot_lists_first(const struct slot_lists *self, uint32_t list)
{
    uint32_t first = self->links[self->slots + list].next;

    return first < self->slots ? first : SLOT_NONE;
}

/* The slot behind `slot` in its list, SLOT_NONE behind the last. */
static inline uint32_t slot_lists_next(const struct slot_lists *self, uint32_t slot)
{
    uint32_t next = self->links[slot].next;

    return next < self->slots ? next : SLOT_NONE;
}

#endif
