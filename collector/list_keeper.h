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

/* Add an entry or give it a new expiry and reason. */
void list_keeper_add(list_keeper_t *self, enum ntc_list list, const struct ip_list_entry *entry,
                     int64_t wall_offset_ns, struct list_answer *ret_answer);

/* Remove an entry; LIST_NOT_FOUND when this very prefix is not listed. */
void list_keeper_remove(list_keeper_t *self, enum ntc_list list, const struct ip_prefix *prefix,
                        int64_t wall_offset_ns, struct list_answer *ret_answer);

/* Remove what has expired at `boot_ns`.  That happens in memory and in the kernel also when the
 * file cannot be written: what it says has expired all the same.
 * Returns how many entries; ret_answer->code is LIST_OK or LIST_NOT_SAVED. */
uint32_t list_keeper_expire(list_keeper_t *self, uint64_t boot_ns, int64_t wall_offset_ns,
                            struct list_answer *ret_answer);

/* What an entry has hit since it was listed. */
struct kernel_list_hits list_keeper_hits(const list_keeper_t *self, enum ntc_list list,
                                         const struct ip_prefix *prefix);

/* Grows by one with every change, from 1. */
uint64_t list_keeper_version(const list_keeper_t *self);

ip_list_t *list_keeper_lists(const list_keeper_t *self);

#endif
