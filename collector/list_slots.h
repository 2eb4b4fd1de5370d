/* list_slots - the entries of both lists in numbered slots, found by list and prefix.
 *
 * The store below ip_list: no order, no meaning.  A slot keeps its number while its entry lives.
 */
#ifndef LIST_SLOTS_H
#define LIST_SLOTS_H

#include "ip_list.h"

#define NO_SLOT UINT32_MAX

struct list_slot {
    struct ip_list_entry entry; /* reason: the slot's own */
    uint64_t effective_ns;      /* ip_list's: the expiry that the kernel has */
    uint32_t around;            /* ip_list's: slot of the longest prefix around it, or NO_SLOT */
    uint32_t list;              /* enum ntc_list */
};

typedef struct list_slots list_slots_t;

/* Room for `capacity` entries, 1 to 2^30; pages that no entry has used take no memory.
 * Returns slots the caller destroys, or NULL when memory is short. */
list_slots_t *list_slots_new(size_t capacity);

void list_slots_destroy(list_slots_t **self_p);

/* The number of the slot with exactly this prefix, or NO_SLOT.  O(1). */
uint32_t list_slots_find(const list_slots_t *self, enum ntc_list list,
                         const struct ip_prefix *prefix);

/* Take a slot for an entry that has none yet; there must be room.
 * Returns its number, or NO_SLOT when memory is short. */
uint32_t list_slots_take(list_slots_t *self, enum ntc_list list, const struct ip_list_entry *entry);

/* Replace all of the entry but its prefix.  Returns 0, or -ENOMEM: nothing has changed then. */
int list_slots_write(list_slots_t *self, uint32_t number, const struct ip_list_entry *entry);

void list_slots_release(list_slots_t *self, uint32_t number);

/* The slot itself; valid as long as its entry lives. */
struct list_slot *list_slots_at(const list_slots_t *self, uint32_t number);

/* Its hit counters, which only sources without a kernel use. */
struct kernel_list_hits *list_slots_hits(const list_slots_t *self, uint32_t number);

#endif
