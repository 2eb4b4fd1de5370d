/* ip_list - the blacklist and the whitelist in memory, and what the kernel should hold for them.
 *
 * A trie in the kernel finds only the longest matching prefix.  So the expiry that it is given is
 * the *effective* one: the latest of the entry itself and of every prefix of the same list around
 * it.  ip_list works it out, and says after each change which kernel items it concerns.
 *
 * Knows neither clocks nor files nor the kernel.  One owner, one thread.
 */
#ifndef IP_LIST_H
#define IP_LIST_H

#include "kernel_lists.h"

typedef struct ip_list ip_list_t;

struct ip_list_entry {
    struct ip_prefix prefix;
    uint64_t expires_ns;        /* CLOCK_BOOTTIME, 0 = never */
    uint64_t added_unix_ns;     /* 0 = not known */
    const char *reason;         /* UTF-8, "" = none; handed out: valid until the entry changes */
};

struct ip_list_change {
    struct kernel_list_item item;
    bool removed;               /* else: put, with this expiry */
};

/* Make room for `hosts` addresses (one that stands in both lists counts once) and `prefixes`
 * prefixes in each list, at least 1 each: the capacities of the kernel's maps.
 * Returns lists the caller destroys, or NULL when memory is short. */
ip_list_t *ip_list_new(uint32_t hosts, uint32_t prefixes);

void ip_list_destroy(ip_list_t **self_p);

/* ---- loading: many entries at once, in any order ---- */

/* As ip_list_put(), but nothing else may be called before ip_list_settle().  O(1). */
int ip_list_load(ip_list_t *self, enum ntc_list list, const struct ip_list_entry *entry);

/* Put in order what was loaded; ip_list_items() says then what the kernel should hold.
 * O(n log n). */
void ip_list_settle(ip_list_t *self);

/* ---- changing ---- */

/* Add an entry, or replace the one with this prefix.  The reason is copied.
 * Returns 0, -ENOSPC when there is no room for another host or prefix, or -ENOMEM; nothing has
 * changed then.  O(log n) for hosts, O(n) for prefixes. */
int ip_list_put(ip_list_t *self, enum ntc_list list, const struct ip_list_entry *entry);

/* Returns 0, or -ENOENT when this very prefix is not listed. */
int ip_list_remove(ip_list_t *self, enum ntc_list list, const struct ip_prefix *prefix);

/* Remove every entry that has expired at `now_ns`.  Returns how many.  O(n). */
uint32_t ip_list_expire(ip_list_t *self, uint64_t now_ns);

/* Remove every entry.  O(n). */
void ip_list_clear(ip_list_t *self);

/* What the last of these four means for the kernel, in the order in which it is safe to do.  The
 * array is ours and valid until the next call. */
const struct ip_list_change *ip_list_changes(const ip_list_t *self, size_t *ret_count);

/* ---- reading ---- */

/* The entry with exactly this prefix, or NULL. */
const struct ip_list_entry *ip_list_find(const ip_list_t *self, enum ntc_list list,
                                         const struct ip_prefix *prefix);

uint32_t ip_list_size(const ip_list_t *self, enum ntc_list list);       /* hosts and prefixes */
uint32_t ip_list_hosts(const ip_list_t *self, enum ntc_list list);
uint32_t ip_list_prefixes(const ip_list_t *self, enum ntc_list list);

/* The entry at `position` in order of address, 0 to size - 1. */
const struct ip_list_entry *ip_list_at(const ip_list_t *self, enum ntc_list list,
                                       uint32_t position);

/* Position of the first entry that sorts behind `prefix`, listed or not; size if there is none. */
uint32_t ip_list_position_after(const ip_list_t *self, enum ntc_list list,
                                const struct ip_prefix *prefix);

/* Write what the kernel should hold into `items`, which has room for the size of both lists.
 * Returns how many items. */
size_t ip_list_items(const ip_list_t *self, struct kernel_list_item *items);

/* When the next entry expires (CLOCK_BOOTTIME), 0 = none ever does.  O(n) after a change, else
 * O(1). */
uint64_t ip_list_next_expiry(ip_list_t *self);

/* Grows with every change: what was worked out from the lists is right while it stays. */
uint64_t ip_list_generation(const ip_list_t *self);

/* ---- verdicts, as the TC programs find them ---- */

#define IP_LIST_NO_MATCH UINT32_MAX

/* Whitelist first, then blacklist; in each the hosts of both ends, then their prefixes.
 * Returns PACKET_SKIP, PACKET_DROP or PACKET_PASS.  *ret_match is for ip_list_count_hits(),
 * IP_LIST_NO_MATCH with PACKET_PASS; valid until the next change. */
enum packet_action ip_list_verdict(const ip_list_t *self, const uint8_t src_addr[16],
                                   const uint8_t dst_addr[16], uint64_t now_ns,
                                   uint32_t *ret_match);

/* For sources without a kernel: add to the hit counters of a match, and read them. */
void ip_list_count_hits(ip_list_t *self, uint32_t match, uint64_t packets, uint64_t bytes,
                        uint64_t last_ns);
struct kernel_list_hits ip_list_hits(const ip_list_t *self, enum ntc_list list,
                                     const struct ip_prefix *prefix);

#endif
