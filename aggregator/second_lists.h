/* second_lists - table slots in the order of the second in which they were last active.
 *
 * One list per second.  A slot is filed once, and moved only when somebody comes across
 * it and finds that it has been active since: activity itself costs nothing here.  The owner keeps
 * the true second of each slot.
 */
#ifndef SECOND_LISTS_H
#define SECOND_LISTS_H

#include "slot_lists.h"

struct second_lists {
    struct slot_lists lists;
    uint32_t used;              /* slots that were ever taken stand before this one */
    uint32_t span;              /* seconds that stay open: now - span + 1 to now */
    uint32_t now;
    uint32_t oldest;            /* no open list before this second holds a slot */
};

/* Make lists for slots 0 to slots - 1, all unused, `span` open seconds and `extras` lists beside
 * them.  Returns 0 or -ENOMEM. */
int second_lists_init(struct second_lists *self, uint32_t slots, uint32_t span, uint32_t extras);

void second_lists_clear(struct second_lists *self);

/* Take an unused slot, which is in no list then; the one released last comes first.
 * Returns SLOT_NONE when all are taken. */
uint32_t second_lists_take(struct second_lists *self);

/* Give back a slot that is in a list. */
void second_lists_release(struct second_lists *self, uint32_t slot);

/* File `slot`, which is in no list, under `second`, at most now; what is no longer open counts as
 * the oldest open second. */
void second_lists_file(struct second_lists *self, uint32_t slot, uint32_t second);

/* The same for a slot that is in a list. */
static inline void second_lists_refile(struct second_lists *self, uint32_t slot, uint32_t second)
{
    slot_lists_remove(&self->lists, slot);
    second_lists_file(self, slot, second);
}

/* The first slot of the oldest open second and that second; SLOT_NONE when all are empty. */
uint32_t second_lists_oldest(struct second_lists *self, uint32_t *ret_second);

/* Begin second `now`: the one after the last, or any later one while no slot is filed. */
void second_lists_step(struct second_lists *self, uint32_t now);

/* The next slot of the second that the last step closed; SLOT_NONE when none is left.  The owner
 * releases each or files it anew. */
uint32_t second_lists_due(const struct second_lists *self);

/* The list of an open second, for slot_lists_first(); the number of an extra list likewise. */
static inline uint32_t second_lists_of(const struct second_lists *self, uint32_t second)
{
    return second % (self->span + 1);
}

static inline uint32_t second_lists_extra(const struct second_lists *self, uint32_t extra)
{
    return self->span + 2 + extra;
}

#endif
