#include "ip_list.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "list_order.h"

#define NOT_YET UINT64_MAX      /* effective expiry of a prefix that the kernel does not hold yet */
#define MAX_DEPTH 129           /* prefixes around each other: one of each length */

struct ip_list {
    uint32_t host_capacity;
    uint32_t prefix_capacity;
    uint32_t distinct_hosts;    /* in one list or both */
    list_slots_t *store;
    struct list_slot *slots;    /* those of the store, by number */
    struct list_order order[NTC_LISTS];
    uint32_t prefixes[NTC_LISTS];
    struct ip_list_change *changes;
    size_t change_count;
    uint64_t next_expiry_ns;
    bool next_expiry_known;
    bool settled;
    uint64_t generation;
};

/* ---- slots and how many of them ---- */

static enum ntc_list other_list(enum ntc_list list)
{
    return list == NTC_BLACK ? NTC_WHITE : NTC_BLACK;
}

static bool is_in_other(const ip_list_t *self, enum ntc_list list, const struct ip_prefix *prefix)
{
    return list_slots_find(self->store, other_list(list), prefix) != NO_SLOT;
}

static bool has_room(const ip_list_t *self, enum ntc_list list, const struct ip_prefix *prefix)
{
    if (!ip_prefix_is_host(prefix))
        return self->prefixes[list] < self->prefix_capacity;
    return self->distinct_hosts < self->host_capacity || is_in_other(self, list, prefix);
}

static void count_entry(ip_list_t *self, enum ntc_list list, const struct ip_prefix *prefix,
                        uint32_t one)
{
    if (!ip_prefix_is_host(prefix))
        self->prefixes[list] += one;
    else if (!is_in_other(self, list, prefix))
        self->distinct_hosts += one;
}

/* Take the slot of the entry or a new one, and write it.
 * Returns its number, or -ENOSPC or -ENOMEM. */
static int64_t write_entry(ip_list_t *self, enum ntc_list list, const struct ip_list_entry *entry,
                           bool *ret_is_new)
{
    uint32_t number = list_slots_find(self->store, list, &entry->prefix);

    *ret_is_new = number == NO_SLOT;
    if (*ret_is_new) {
        if (!has_room(self, list, &entry->prefix))
            return -ENOSPC;
        number = list_slots_take(self->store, list, entry);
        if (number == NO_SLOT)
            return -ENOMEM;
        self->slots[number].effective_ns = NOT_YET;
        count_entry(self, list, &entry->prefix, 1);
    } else if (list_slots_write(self->store, number, entry) != 0) {
        return -ENOMEM;
    }
    self->next_expiry_known = false;
    self->generation++;
    return number;
}

static void release_entry(ip_list_t *self, enum ntc_list list, uint32_t number)
{
    count_entry(self, list, &self->slots[number].entry.prefix, (uint32_t) -1);
    list_slots_release(self->store, number);
    self->next_expiry_known = false;
    self->generation++;
}

/* ---- what stands around what ---- */

static bool covers(const struct ip_prefix *outer, const struct ip_prefix *inner)
{
    unsigned whole = outer->bits / 8, rest = outer->bits % 8;

    return outer->bits <= inner->bits
        && memcmp(outer->addr.bytes, inner->addr.bytes, whole) == 0
        && (rest == 0
            || ((outer->addr.bytes[whole] ^ inner->addr.bytes[whole]) & 0xff00u >> rest & 0xff)
                == 0);
}

static uint64_t later(uint64_t a_ns, uint64_t b_ns)
{
    if (a_ns == 0 || b_ns == 0)
        return 0;
    return a_ns > b_ns ? a_ns : b_ns;
}

static void add_change(ip_list_t *self, const struct list_slot *slot, bool removed)
{
    bool is_host = ip_prefix_is_host(&slot->entry.prefix);

    self->changes[self->change_count++] = (struct ip_list_change) {
        .item = { .prefix = slot->entry.prefix, .list = (enum ntc_list) slot->list,
                  .expires_ns = is_host ? slot->entry.expires_ns : slot->effective_ns },
        .removed = removed,
    };
}

/* Work out anew, in one pass in order of address, what stands around every entry and what that
 * makes of its expiry.  `around` takes the bits alone: ::/0 stands around ::ffff:0:0/96, so that a
 * search that starts inside it finds its way out, but it has no say about IPv4. */
static void work_out(ip_list_t *self, enum ntc_list list, bool note_changes)
{
    const struct list_order *order = &self->order[list];
    uint32_t stack[MAX_DEPTH], depth = 0;

    for (uint32_t i = 0; i < order->size; i++) {
        struct list_slot *slot = &self->slots[order->numbers[i]];
        const struct ip_prefix *prefix = &slot->entry.prefix;

        while (depth > 0 && !covers(&self->slots[stack[depth - 1]].entry.prefix, prefix))
            depth--;
        slot->around = depth > 0 ? stack[depth - 1] : NO_SLOT;
        if (ip_prefix_is_host(prefix))
            continue;
        uint64_t effective_ns = slot->entry.expires_ns;
        if (depth > 0) {
            const struct list_slot *outer = &self->slots[slot->around];
            if (ip_prefix_contains(&outer->entry.prefix, prefix->addr.bytes))
                effective_ns = later(effective_ns, outer->effective_ns);
        }
        stack[depth++] = order->numbers[i];
        if (effective_ns == slot->effective_ns)
            continue;
        slot->effective_ns = effective_ns;
        if (note_changes)
            add_change(self, slot, false);
    }
}

/* A host changes nothing for others: find only what stands around it. */
static void work_out_host(ip_list_t *self, enum ntc_list list, uint32_t number)
{
    struct list_slot *slot = &self->slots[number];
    uint32_t at = list_order_before(&self->order[list], self->slots, &slot->entry.prefix, false);
    uint32_t around = at > 0 ? self->order[list].numbers[at - 1] : NO_SLOT;

    while (around != NO_SLOT && !covers(&self->slots[around].entry.prefix, &slot->entry.prefix))
        around = self->slots[around].around;
    slot->around = around;
}

/* ---- life ---- */

ip_list_t *ip_list_new(uint32_t hosts, uint32_t prefixes)
{
    assert(hosts >= 1 && prefixes >= 1 && hosts <= 1u << 28 && prefixes <= 1u << 28);

    size_t of_a_list = (size_t) hosts + prefixes, slots = NTC_LISTS * of_a_list;
    ip_list_t *self = calloc(1, sizeof *self);
    if (!self)
        return NULL;
    self->host_capacity = hosts;
    self->prefix_capacity = prefixes;
    self->settled = true;
    /* Room for the worst case, but pages that nobody touches cost nothing. */
    self->store = list_slots_new(slots);
    self->changes = calloc(slots + prefixes, sizeof *self->changes);
    for (int list = 0; list < NTC_LISTS; list++)
        self->order[list].numbers = calloc(of_a_list, sizeof *self->order[list].numbers);
    if (!self->store || !self->changes || !self->order[NTC_BLACK].numbers
        || !self->order[NTC_WHITE].numbers) {
        ip_list_destroy(&self);
        return NULL;
    }
    self->slots = list_slots_at(self->store, 0);
    return self;
}

void ip_list_destroy(ip_list_t **self_p)
{
    assert(self_p);

    ip_list_t *self = *self_p;
    if (!self)
        return;
    for (int list = 0; list < NTC_LISTS; list++)
        free(self->order[list].numbers);
    list_slots_destroy(&self->store);
    free(self->changes);
    free(self);
    *self_p = NULL;
}

/* ---- changing ---- */

int ip_list_load(ip_list_t *self, enum ntc_list list, const struct ip_list_entry *entry)
{
    assert(self && entry && list < NTC_LISTS && entry->expires_ns != NOT_YET);

    bool is_new;
    int64_t number = write_entry(self, list, entry, &is_new);

    if (number < 0)
        return (int) number;
    if (is_new)
        self->order[list].numbers[self->order[list].size++] = (uint32_t) number;
    self->settled = false;
    return 0;
}

void ip_list_settle(ip_list_t *self)
{
    for (int list = 0; list < NTC_LISTS; list++) {
        list_order_sort(&self->order[list], self->slots);
        work_out(self, (enum ntc_list) list, false);
    }
    self->settled = true;
}

int ip_list_put(ip_list_t *self, enum ntc_list list, const struct ip_list_entry *entry)
{
    assert(self && entry && list < NTC_LISTS && self->settled && entry->expires_ns != NOT_YET);

    bool is_new;
    int64_t written = write_entry(self, list, entry, &is_new);

    if (written < 0)
        return (int) written;
    uint32_t number = (uint32_t) written;
    if (is_new)
        list_order_insert(&self->order[list], self->slots, number);
    self->change_count = 0;
    if (ip_prefix_is_host(&entry->prefix)) {
        work_out_host(self, list, number);
        add_change(self, &self->slots[number], false);
    } else {
        work_out(self, list, true);
    }
    return 0;
}

int ip_list_remove(ip_list_t *self, enum ntc_list list, const struct ip_prefix *prefix)
{
    assert(self && prefix && list < NTC_LISTS && self->settled);

    struct list_order *order = &self->order[list];
    uint32_t number = list_slots_find(self->store, list, prefix);
    self->change_count = 0;
    if (number == NO_SLOT)
        return -ENOENT;
    struct list_slot gone = self->slots[number];    /* what is left of it goes last to the kernel */

    list_order_remove(order, list_order_before(order, self->slots, prefix, false));
    release_entry(self, list, number);
    if (!ip_prefix_is_host(&gone.entry.prefix))
        work_out(self, list, true);
    add_change(self, &gone, true);
    return 0;
}

/* Take what has expired, or all, out of one list's order and note its removal. */
static uint32_t drop_entries(ip_list_t *self, enum ntc_list list, uint64_t now_ns, bool all)
{
    struct list_order *order = &self->order[list];
    uint32_t kept = 0, size = order->size;

    for (uint32_t i = 0; i < size; i++) {
        uint32_t number = order->numbers[i];
        uint64_t expires_ns = self->slots[number].entry.expires_ns;
        if (!all && (expires_ns == 0 || expires_ns > now_ns)) {
            order->numbers[kept++] = number;
            continue;
        }
        add_change(self, &self->slots[number], true);
        release_entry(self, list, number);
    }
    order->size = kept;
    return size - kept;
}

/* What stays inside an expired prefix outlives it by its own expiry or by that of something around
 * both, so the effective expiries stay as they are. */
uint32_t ip_list_expire(ip_list_t *self, uint64_t now_ns)
{
    assert(self && self->settled);

    uint32_t expired = 0;

    self->change_count = 0;
    for (int list = 0; list < NTC_LISTS; list++) {
        uint32_t gone = drop_entries(self, (enum ntc_list) list, now_ns, false);
        if (gone > 0)
            work_out(self, (enum ntc_list) list, true);
        expired += gone;
    }
    return expired;
}

void ip_list_clear(ip_list_t *self)
{
    assert(self && self->settled);

    self->change_count = 0;
    for (int list = 0; list < NTC_LISTS; list++)
        drop_entries(self, (enum ntc_list) list, 0, true);
}

const struct ip_list_change *ip_list_changes(const ip_list_t *self, size_t *ret_count)
{
    *ret_count = self->change_count;
    return self->changes;
}

/* ---- reading ---- */

const struct ip_list_entry *ip_list_find(const ip_list_t *self, enum ntc_list list,
                                         const struct ip_prefix *prefix)
{
    uint32_t number = list_slots_find(self->store, list, prefix);

    return number == NO_SLOT ? NULL : &self->slots[number].entry;
}

uint32_t ip_list_size(const ip_list_t *self, enum ntc_list list)
{
    return self->order[list].size;
}

uint32_t ip_list_hosts(const ip_list_t *self, enum ntc_list list)
{
    return self->order[list].size - self->prefixes[list];
}

uint32_t ip_list_prefixes(const ip_list_t *self, enum ntc_list list)
{
    return self->prefixes[list];
}

const struct ip_list_entry *ip_list_at(const ip_list_t *self, enum ntc_list list, uint32_t position)
{
    assert(self->settled && position < self->order[list].size);

    return &self->slots[self->order[list].numbers[position]].entry;
}

uint32_t ip_list_position_after(const ip_list_t *self, enum ntc_list list,
                                const struct ip_prefix *prefix)
{
    assert(self->settled);

    return list_order_before(&self->order[list], self->slots, prefix, true);
}

size_t ip_list_items(const ip_list_t *self, struct kernel_list_item *items)
{
    assert(self->settled);

    size_t count = 0;

    for (int list = 0; list < NTC_LISTS; list++)
        for (uint32_t i = 0; i < self->order[list].size; i++) {
            const struct list_slot *slot = &self->slots[self->order[list].numbers[i]];
            bool is_host = ip_prefix_is_host(&slot->entry.prefix);
            items[count++] = (struct kernel_list_item) {
                .prefix = slot->entry.prefix,
                .list = (enum ntc_list) list,
                .expires_ns = is_host ? slot->entry.expires_ns : slot->effective_ns,
            };
        }
    return count;
}

uint64_t ip_list_next_expiry(ip_list_t *self)
{
    if (self->next_expiry_known)
        return self->next_expiry_ns;
    self->next_expiry_ns = 0;
    self->next_expiry_known = true;
    for (int list = 0; list < NTC_LISTS; list++)
        for (uint32_t i = 0; i < self->order[list].size; i++) {
            uint64_t expires_ns = self->slots[self->order[list].numbers[i]].entry.expires_ns;
            if (expires_ns != 0
                && (self->next_expiry_ns == 0 || expires_ns < self->next_expiry_ns))
                self->next_expiry_ns = expires_ns;
        }
    return self->next_expiry_ns;
}

uint64_t ip_list_generation(const ip_list_t *self)
{
    return self->generation;
}

/* ---- verdicts ---- */

static uint32_t if_live(uint32_t number, uint64_t expires_ns, uint64_t now_ns)
{
    return expires_ns == 0 || expires_ns > now_ns ? number : NO_SLOT;
}

static uint32_t match_host(const ip_list_t *self, enum ntc_list list, const uint8_t addr[16],
                           uint64_t now_ns)
{
    struct ip_prefix host = { .bits = 128 };

    if (self->order[list].size == self->prefixes[list])
        return NO_SLOT;
    memcpy(host.addr.bytes, addr, 16);
    uint32_t number = list_slots_find(self->store, list, &host);
    if (number == NO_SLOT)
        return NO_SLOT;
    return if_live(number, self->slots[number].entry.expires_ns, now_ns);
}

/* The longest prefix with the address in it stands around what sorts just before the address. */
static uint32_t match_prefix(const ip_list_t *self, enum ntc_list list, const uint8_t addr[16],
                             uint64_t now_ns)
{
    struct ip_prefix host = { .bits = 128 };

    if (self->prefixes[list] == 0)
        return NO_SLOT;
    memcpy(host.addr.bytes, addr, 16);
    uint32_t at = list_order_before(&self->order[list], self->slots, &host, true);
    uint32_t number = at > 0 ? self->order[list].numbers[at - 1] : NO_SLOT;
    while (number != NO_SLOT
           && (ip_prefix_is_host(&self->slots[number].entry.prefix)
               || !ip_prefix_contains(&self->slots[number].entry.prefix, addr)))
        number = self->slots[number].around;
    if (number == NO_SLOT)
        return NO_SLOT;
    return if_live(number, self->slots[number].effective_ns, now_ns);
}

static uint32_t match_list(const ip_list_t *self, enum ntc_list list, const uint8_t src_addr[16],
                           const uint8_t dst_addr[16], uint64_t now_ns)
{
    uint32_t match = match_host(self, list, src_addr, now_ns);

    if (match == NO_SLOT)
        match = match_host(self, list, dst_addr, now_ns);
    if (match == NO_SLOT)
        match = match_prefix(self, list, src_addr, now_ns);
    if (match == NO_SLOT)
        match = match_prefix(self, list, dst_addr, now_ns);
    return match;
}

enum packet_action ip_list_verdict(const ip_list_t *self, const uint8_t src_addr[16],
                                   const uint8_t dst_addr[16], uint64_t now_ns, uint32_t *ret_match)
{
    assert(self->settled);

    *ret_match = match_list(self, NTC_WHITE, src_addr, dst_addr, now_ns);
    if (*ret_match != NO_SLOT)
        return PACKET_SKIP;
    *ret_match = match_list(self, NTC_BLACK, src_addr, dst_addr, now_ns);
    return *ret_match != NO_SLOT ? PACKET_DROP : PACKET_PASS;
}

void ip_list_count_hits(ip_list_t *self, uint32_t match, uint64_t packets, uint64_t bytes,
                        uint64_t last_ns)
{
    assert(match != IP_LIST_NO_MATCH);

    struct kernel_list_hits *hits = list_slots_hits(self->store, match);
    hits->packets += packets;
    hits->bytes += bytes;
    hits->last_ns = last_ns;
}

struct kernel_list_hits ip_list_hits(const ip_list_t *self, enum ntc_list list,
                                     const struct ip_prefix *prefix)
{
    uint32_t number = list_slots_find(self->store, list, prefix);

    if (number == NO_SLOT)
        return (struct kernel_list_hits) { 0 };
    return *list_slots_hits(self->store, number);
}
