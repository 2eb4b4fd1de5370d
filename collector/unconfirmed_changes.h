/* unconfirmed_changes - changes of the lists that are undone unless somebody confirms them.
 *
 * Holds what was there before and what is to be once it is confirmed; list_keeper acts on it, and
 * the lists file carries it over a restart.  At most one change for each prefix of a list.
 */
#ifndef UNCONFIRMED_CHANGES_H
#define UNCONFIRMED_CHANGES_H

#include "ip_list.h"
#include "list_command.h"

#define UNCONFIRMED_MAX 64

typedef struct unconfirmed_changes unconfirmed_changes_t;

struct unconfirmed_change {
    uint64_t id;                /* chosen by who asked for it; 0 = none */
    uint64_t until_ns;          /* CLOCK_BOOTTIME: undone then */
    enum ntc_list list;
    struct ip_prefix prefix;
    bool is_removal;
    uint64_t expires_ns;        /* of the entry once it is confirmed; CLOCK_BOOTTIME, 0 = never */
    bool was_listed;
    uint64_t before_expires_ns, before_added_unix_ns;   /* of the entry before, if there was one */
    char before_reason[LIST_REASON_SIZE];
};

/* Returns an empty table the caller destroys, or NULL when memory is short. */
unconfirmed_changes_t *unconfirmed_changes_new(void);
void unconfirmed_changes_destroy(unconfirmed_changes_t **self_p);

/* Add a change, in place of one of the same list and prefix.  Returns 0 or -ENOSPC. */
int unconfirmed_changes_put(unconfirmed_changes_t *self, const struct unconfirmed_change *change);

/* Forget the change of this list and prefix, if there is one. */
void unconfirmed_changes_drop(unconfirmed_changes_t *self, enum ntc_list list,
                              const struct ip_prefix *prefix);

void unconfirmed_changes_clear(unconfirmed_changes_t *self);

/* The change of this list and prefix, or of this id, or NULL.  Valid until the next put or drop. */
const struct unconfirmed_change *unconfirmed_changes_find(const unconfirmed_changes_t *self,
                                                          enum ntc_list list,
                                                          const struct ip_prefix *prefix);
const struct unconfirmed_change *unconfirmed_changes_of(const unconfirmed_changes_t *self,
                                                        uint64_t id);

uint32_t unconfirmed_changes_size(const unconfirmed_changes_t *self);
const struct unconfirmed_change *unconfirmed_changes_at(const unconfirmed_changes_t *self,
                                                        uint32_t position);

/* When the first of them is to be undone (CLOCK_BOOTTIME), 0 = there is none. */
uint64_t unconfirmed_changes_next(const unconfirmed_changes_t *self);

#endif
