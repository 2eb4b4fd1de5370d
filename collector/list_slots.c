#include "list_slots.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct list_slots {
    struct list_slot *slots;    /* `around` of a free one is the next free one */
    struct kernel_list_hits *hits;  /* apart, so that they take no memory where the kernel counts */
    uint32_t *buckets;          /* hash table: slot number + 1, 0 = empty */
    uint32_t mask;
    uint32_t used;              /* slots taken so far; those above were never touched */
    uint32_t free_slot;         /* first free one below, or NO_SLOT */
    size_t capacity;
};

static uint32_t hash(enum ntc_list list, const struct ip_prefix *prefix)
{
    uint64_t high, low;

    memcpy(&high, prefix->addr.bytes, 8);
    memcpy(&low, prefix->addr.bytes + 8, 8);
    uint64_t mixed = (high ^ (low << 32 | low >> 32)) * 0x9e3779b97f4a7c15u;
    mixed = (mixed ^ low ^ mixed >> 29 ^ (uint64_t) prefix->bits << 8 ^ list) * 0xbf58476d1ce4e5b9u;
    return (uint32_t) (mixed >> 32);
}

static bool is_same(const struct list_slot *slot, enum ntc_list list,
                    const struct ip_prefix *prefix)
{
    return slot->list == (uint32_t) list && slot->entry.prefix.bits == prefix->bits
        && memcmp(&slot->entry.prefix.addr, &prefix->addr, sizeof prefix->addr) == 0;
}

/* The bucket that holds the prefix, or the empty one where it belongs.  Ends always: at most half
 * of the buckets are ever taken. */
static uint32_t find_bucket(const list_slots_t *self, enum ntc_list list,
                            const struct ip_prefix *prefix)
{
    uint32_t i = hash(list, prefix) & self->mask;

    while (self->buckets[i] != 0 && !is_same(&self->slots[self->buckets[i] - 1], list, prefix))
        i = (i + 1) & self->mask;
    return i;
}

/* Empty the bucket and close the gap, so that no probe sequence is cut. */
static void empty_bucket(list_slots_t *self, uint32_t gap)
{
    for (uint32_t i = (gap + 1) & self->mask; self->buckets[i] != 0; i = (i + 1) & self->mask) {
        const struct list_slot *slot = &self->slots[self->buckets[i] - 1];
        uint32_t home = hash((enum ntc_list) slot->list, &slot->entry.prefix) & self->mask;
        if (((i - home) & self->mask) >= ((i - gap) & self->mask)) {
            self->buckets[gap] = self->buckets[i];
            gap = i;
        }
    }
    self->buckets[gap] = 0;
}

/* Copy first, so that `reason` may be the one that goes. */
static int set_reason(struct ip_list_entry *entry, const char *reason)
{
    char *copy = NULL;

    if (reason && reason[0] != '\0' && !(copy = strdup(reason)))
        return -ENOMEM;
    if (entry->reason && entry->reason[0] != '\0')
        free((char *) entry->reason);
    entry->reason = copy ? copy : "";
    return 0;
}

list_slots_t *list_slots_new(size_t capacity)
{
    assert(capacity >= 1 && capacity <= (size_t) 1 << 30);

    size_t buckets = 2;
    while (buckets < 2 * capacity)
        buckets *= 2;
    list_slots_t *self = calloc(1, sizeof *self);
    if (!self)
        return NULL;
    self->capacity = capacity;
    self->mask = (uint32_t) (buckets - 1);
    self->free_slot = NO_SLOT;
    self->slots = calloc(capacity, sizeof *self->slots);
    self->hits = calloc(capacity, sizeof *self->hits);
    self->buckets = calloc(buckets, sizeof *self->buckets);
    if (!self->slots || !self->hits || !self->buckets)
        list_slots_destroy(&self);
    return self;
}

void list_slots_destroy(list_slots_t **self_p)
{
    assert(self_p);

    list_slots_t *self = *self_p;
    if (!self)
        return;
    for (uint32_t i = 0; i < self->used; i++)   /* released ones have "" */
        set_reason(&self->slots[i].entry, NULL);
    free(self->slots);
    free(self->hits);
    free(self->buckets);
    free(self);
    *self_p = NULL;
}

uint32_t list_slots_find(const list_slots_t *self, enum ntc_list list,
                         const struct ip_prefix *prefix)
{
    return self->buckets[find_bucket(self, list, prefix)] - 1;  /* 0 - 1 is NO_SLOT */
}

uint32_t list_slots_take(list_slots_t *self, enum ntc_list list, const struct ip_list_entry *entry)
{
    uint32_t bucket = find_bucket(self, list, &entry->prefix);
    uint32_t number = self->free_slot != NO_SLOT ? self->free_slot : self->used;

    assert(number < self->capacity && self->buckets[bucket] == 0);
    struct list_slot *slot = &self->slots[number];
    if (list_slots_write(self, number, entry) != 0)
        return NO_SLOT;
    if (number == self->used)
        self->used++;
    else
        self->free_slot = slot->around;
    slot->entry.prefix = entry->prefix;
    slot->effective_ns = 0;
    slot->around = NO_SLOT;
    slot->list = (uint32_t) list;
    self->hits[number] = (struct kernel_list_hits) { 0 };
    self->buckets[bucket] = number + 1;
    return number;
}

int list_slots_write(list_slots_t *self, uint32_t number, const struct ip_list_entry *entry)
{
    struct list_slot *slot = &self->slots[number];
    int rc = set_reason(&slot->entry, entry->reason);

    if (rc == 0) {
        slot->entry.expires_ns = entry->expires_ns;
        slot->entry.added_unix_ns = entry->added_unix_ns;
    }
    return rc;
}

void list_slots_release(list_slots_t *self, uint32_t number)
{
    struct list_slot *slot = &self->slots[number];

    empty_bucket(self, find_bucket(self, (enum ntc_list) slot->list, &slot->entry.prefix));
    set_reason(&slot->entry, NULL);
    slot->around = self->free_slot;
    self->free_slot = number;
}

struct list_slot *list_slots_at(const list_slots_t *self, uint32_t number)
{
    return &self->slots[number];
}

struct kernel_list_hits *list_slots_hits(const list_slots_t *self, uint32_t number)
{
    return &self->hits[number];
}
