/* top_list - the best rows of a table, found in one pass.
 *
 * A bounded heap whose root is the worst row kept: most rows cost one comparison.  Rows of equal
 * value are told apart by the owner, so that the result never depends on the order of the pass.
 */
#ifndef TOP_LIST_H
#define TOP_LIST_H

#include <stdbool.h>
#include <stdint.h>

struct top_entry {
    uint64_t value;
    uint32_t row;
};

/* Order of two rows of equal value: below 0 if `a` comes first.  Never 0 for different rows. */
typedef int top_order_fn(uint32_t a, uint32_t b, const void *arg);

struct top_list {
    struct top_entry *entries;  /* the owner's, `capacity` of them */
    uint32_t capacity;
    uint32_t size;
    top_order_fn *order;
    const void *arg;            /* handed to order() */
};

/* Offer a row; a bigger value is better. */
void top_list_offer(struct top_list *self, uint64_t value, uint32_t row);

/* Put what was kept in order, best first.  Nothing may be offered afterwards. */
void top_list_sort(struct top_list *self);

#endif
