/* list_order - the slots of one list in order of address.
 */
#ifndef LIST_ORDER_H
#define LIST_ORDER_H

#include "list_slots.h"

struct list_order {
    uint32_t size;
    uint32_t *numbers;          /* of slots, sorted with ip_prefix_compare() */
};

/* How many entries sort before `prefix`; `with_it`: before it or equal to it.  O(log n). */
uint32_t list_order_before(const struct list_order *self, const struct list_slot *slots,
                           const struct ip_prefix *prefix, bool with_it);

/* Put a slot where it belongs; the array must have room. */
void list_order_insert(struct list_order *self, const struct list_slot *slots, uint32_t number);

/* Take out the entry at `position`. */
void list_order_remove(struct list_order *self, uint32_t position);

/* Sort what was appended without order. */
void list_order_sort(struct list_order *self, struct list_slot *slots);

#endif
