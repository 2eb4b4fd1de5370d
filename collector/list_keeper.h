/* list_keeper - changes the lists in memory, on disk and in the kernel, all of them or none.
 *
 * Order of a change: memory, temporary file, kernel, lists file.  What fails is undone backwards,
 * so an answer of LIST_OK means enforced and saved, and any other that nothing has changed.
 */
#ifndef LIST_KEEPER_H
#define LIST_KEEPER_H

#include "list_command.h"
#include "list_store.h"

/* The kernel's side: kernel_lists_put(), _remove() and _hits() with their source as `arg`. */
struct list_kernel {
    int (*put)(void *arg, const struct kernel_list_item *item);
    int (*remove)(void *arg, const struct kernel_list_item *item);
    int (*hits)(void *arg, const struct kernel_list_item *item, struct kernel_list_hits *ret_hits);
    void *arg;
};

struct list_answer {
    enum list_code code;
    bool changed;               /* false with LIST_OK: it stood there with these values */
    char error[LIST_ERROR_SIZE];    /* a sentence in ASCII, "" with LIST_OK */
};

typedef struct list_keeper list_keeper_t;

/* Keep `lists`, which have been loaded from `store`; `kernel` is NULL where there is none, and hits
 * are then those of ip_list.  All three must outlive the keeper.
 * Returns a keeper the caller destroys, or NULL when memory is short. */
list_keeper_t *list_keeper_new(ip_list_t *lists, list_store_t *store,
                               const struct list_kernel *kernel);

void list_keeper_destroy(list_keeper_t **self_p);

/* A change that is undone at `until_ns` (CLOCK_BOOTTIME) unless list_keeper_confirm() comes first.
 * An entry that is added so has no longer life in the kernel either, which ends it without us. */
struct list_condition {
    uint64_t id;                /* not 0, of no other change */
    uint64_t until_ns;          /* before the entry expires */
};

/* Add an entry or give it a new expiry and reason; `condition` is NULL when that is final.  A final
 * change settles one that waited for the same prefix; of several conditional ones in a row the last
 * counts, and what is put back is what stood there before the first. */
void list_keeper_add(list_keeper_t *self, enum ntc_list list, const struct ip_list_entry *entry,
                     const struct list_condition *condition, int64_t wall_offset_ns,
                     struct list_answer *ret_answer);

/* Remove an entry; LIST_NOT_FOUND when this very prefix is not listed. */
void list_keeper_remove(list_keeper_t *self, enum ntc_list list, const struct ip_prefix *prefix,
                        const struct list_condition *condition, int64_t wall_offset_ns,
                        struct list_answer *ret_answer);

/* Let the change of this id stay, or undo it at once.  LIST_NOT_FOUND when it does not wait. */
void list_keeper_confirm(list_keeper_t *self, uint64_t id, int64_t wall_offset_ns,
                         struct list_answer *ret_answer);
void list_keeper_undo(list_keeper_t *self, uint64_t id, int64_t wall_offset_ns,
                      struct list_answer *ret_answer);

/* Undo what nobody has confirmed by `boot_ns`, in memory and in the kernel also when the file
 * cannot be written: it says itself when they end.  One that cannot be undone is tried again.
 * Returns how many were undone; ret_answer->code is LIST_OK or that of the last that failed. */
uint32_t list_keeper_undo_due(list_keeper_t *self, uint64_t boot_ns, int64_t wall_offset_ns,
                              struct list_answer *ret_answer);

/* Empty both lists, in memory and in the kernel also when the file cannot be set aside.
 * The answer's sentence says what became of the file; LIST_NOT_SAVED: it is still there. */
void list_keeper_clear(list_keeper_t *self, struct list_answer *ret_answer);

/* Remove what has expired at `boot_ns`.  That happens in memory and in the kernel also when the
 * file cannot be written: what it says has expired all the same.
 * Returns how many entries; ret_answer->code is LIST_OK or LIST_NOT_SAVED. */
uint32_t list_keeper_expire(list_keeper_t *self, uint64_t boot_ns, int64_t wall_offset_ns,
                            struct list_answer *ret_answer);

/* Write the file again if it does not say what is in memory: an expiry could not be saved, or the
 * wall clock, by which the file tells when entries end, has jumped since it was written.  Call
 * about once a second.  ret_answer->code is LIST_OK or LIST_NOT_SAVED. */
void list_keeper_refresh(list_keeper_t *self, int64_t wall_offset_ns,
                         struct list_answer *ret_answer);

/* What an entry has hit since it was listed. */
struct kernel_list_hits list_keeper_hits(const list_keeper_t *self, enum ntc_list list,
                                         const struct ip_prefix *prefix);

/* Grows by one with every change, from 1. */
uint64_t list_keeper_version(const list_keeper_t *self);

ip_list_t *list_keeper_lists(const list_keeper_t *self);
const unconfirmed_changes_t *list_keeper_unconfirmed(const list_keeper_t *self);

#endif
