/* kernel_lists - blacklist and whitelist in the maps that the TC programs read.
 *
 * Knows nothing of files or reasons: ip_list holds the entries and says what each should be.
 */
#ifndef KERNEL_LISTS_H
#define KERNEL_LISTS_H

#include "ip_addr.h"
#include "kernel_source.h"

struct kernel_list_item {
    struct ip_prefix prefix;
    enum ntc_list list;
    uint64_t expires_ns;        /* CLOCK_BOOTTIME, 0 = never; for prefixes the effective one */
};

struct kernel_list_hits {
    uint64_t packets;
    uint64_t bytes;
    uint64_t last_ns;           /* CLOCK_BOOTTIME, 0 = never */
};

/* Make the maps hold exactly the `count` items: add what is missing, correct expiry times, remove
 * the rest.  Hit counters of what stays are kept, and no such item is absent for a moment.
 * Returns 0, -ENOSPC when a map is full, or another -errno (the rest has been tried). */
int kernel_lists_replace(kernel_source_t *source, const struct kernel_list_item *items,
                         size_t count);

/* Add one item or correct its expiry; hit counters are kept.  Enforced when it returns.
 * Returns 0, -ENOSPC when the map is full, or another -errno. */
int kernel_lists_put(kernel_source_t *source, const struct kernel_list_item *item);

/* Remove one item (expires_ns is not looked at).  Returns 0, -ENOENT or another -errno. */
int kernel_lists_remove(kernel_source_t *source, const struct kernel_list_item *item);

/* Read the hit counters of one item.  Returns 0, -ENOENT or another -errno. */
int kernel_lists_hits(const kernel_source_t *source, const struct kernel_list_item *item,
                      struct kernel_list_hits *ret_hits);

#endif
