#include "port_set.h"

#include <assert.h>
#include <stdlib.h>

#include "keyed_hash.h"
#include "second_lists.h"
#include "slot_bits.h"
#include "snapshot.h"
#include "table_memory.h"

struct entry {
    uint32_t owner;
    uint32_t last_second;
    uint32_t prev, next;        /* of the same owner; SLOT_NONE at the ends */
    uint16_t port;
    uint16_t is_used;
};

struct owner {
    uint32_t first;             /* entry number + 1, 0 = none */
    uint32_t count;
};

struct port_set {
    struct entry *entries;
    struct owner *owners;
    struct slot_index index;
    struct second_lists seconds;
    struct hash_secret secret;
    struct slot_bits *changed;
    uint32_t capacity, owner_count;
    uint32_t size;
    uint64_t refused;
};

port_set_t *port_set_new(uint32_t capacity, uint32_t owners, uint64_t seed,
                         struct slot_bits *changed)
{
    assert(capacity >= 1 && owners >= 1 && changed);

    port_set_t *self = calloc(1, sizeof *self);
    if (!self)
        return NULL;
    self->capacity = capacity;
    self->owner_count = owners;
    self->changed = changed;
    self->secret = hash_secret_of(seed);
    self->entries = table_memory_new(capacity, sizeof *self->entries);
    self->owners = table_memory_new(owners, sizeof *self->owners);
    if (!self->entries || !self->owners || slot_index_init(&self->index, capacity) != 0
        || second_lists_init(&self->seconds, capacity, WINDOW_S, 0) != 0)
        port_set_destroy(&self);
    return self;
}

void port_set_destroy(port_set_t **self_p)
{
    assert(self_p);
    port_set_t *self = *self_p;

    if (!self)
        return;
    slot_index_clear(&self->index);
    second_lists_clear(&self->seconds);
    table_memory_free(self->entries, self->capacity, sizeof *self->entries);
    table_memory_free(self->owners, self->owner_count, sizeof *self->owners);
    free(self);
    *self_p = NULL;
}

static uint32_t hash_of(const port_set_t *self, uint32_t owner, uint16_t port)
{
    uint64_t pair = (uint64_t) owner << 16 | port;

    return (uint32_t) hash_with(&self->secret, self->secret.words[0], pair);
}

static bool is_pair(const struct entry *entry, uint32_t owner, uint16_t port)
{
    return entry->is_used && entry->owner == owner && entry->port == port;
}

static uint32_t find(const port_set_t *self, uint32_t owner, uint16_t port, uint32_t hash)
{
    uint32_t cursor = slot_index_place(&self->index, hash), slot;

    while ((slot = slot_index_next(&self->index, hash, SLOT_MATCH_ALL, &cursor)) != SLOT_NONE)
        if (is_pair(&self->entries[slot], owner, port))
            break;
    return slot;
}

static void link_to_owner(port_set_t *self, uint32_t slot, uint32_t owner)
{
    uint32_t first = self->owners[owner].first;

    self->entries[slot].prev = SLOT_NONE;
    self->entries[slot].next = first ? first - 1 : SLOT_NONE;
    if (first)
        self->entries[first - 1].prev = slot;
    self->owners[owner].first = slot + 1;
    self->owners[owner].count++;
    slot_bits_add(self->changed, owner);
}

static void unlink_from_owner(port_set_t *self, const struct entry *entry)
{
    struct owner *owner = &self->owners[entry->owner];

    if (entry->prev != SLOT_NONE)
        self->entries[entry->prev].next = entry->next;
    else
        owner->first = entry->next != SLOT_NONE ? entry->next + 1 : 0;
    if (entry->next != SLOT_NONE)
        self->entries[entry->next].prev = entry->prev;
    owner->count--;
    slot_bits_add(self->changed, entry->owner);
}

static uint32_t insert(port_set_t *self, uint32_t owner, uint16_t port, uint32_t second,
                       uint32_t hash)
{
    uint32_t slot = second_lists_take(&self->seconds);

    if (slot == SLOT_NONE) {
        self->refused++;
        return PORT_SET_NONE;
    }
    self->entries[slot] = (struct entry) {
        .owner = owner, .port = port, .last_second = second, .is_used = true,
    };
    link_to_owner(self, slot, owner);
    slot_index_insert(&self->index, hash, slot);
    second_lists_file(&self->seconds, slot, second);
    self->size++;
    return slot;
}

uint32_t port_set_touch(port_set_t *self, uint32_t owner, uint16_t port, uint32_t second,
                        uint32_t hint)
{
    assert(owner < self->owner_count && second <= self->seconds.now
           && second + WINDOW_S > self->seconds.now);

    uint32_t slot = hint;

    if (hint >= self->seconds.used || !is_pair(&self->entries[hint], owner, port)) {
        uint32_t hash = hash_of(self, owner, port);
        slot = find(self, owner, port, hash);
        if (slot == SLOT_NONE)
            return insert(self, owner, port, second, hash);
    }
    if (self->entries[slot].last_second < second)
        self->entries[slot].last_second = second;
    return slot;
}

static void release(port_set_t *self, uint32_t slot)
{
    struct entry *entry = &self->entries[slot];

    slot_index_remove(&self->index, hash_of(self, entry->owner, entry->port), slot);
    unlink_from_owner(self, entry);
    second_lists_release(&self->seconds, slot);
    entry->is_used = false;
    self->size--;
}

void port_set_forget(port_set_t *self, uint32_t owner)
{
    assert(owner < self->owner_count);

    while (self->owners[owner].first)
        release(self, self->owners[owner].first - 1);
}

void port_set_step(port_set_t *self, uint32_t second)
{
    uint32_t slot;

    second_lists_step(&self->seconds, second);
    while ((slot = second_lists_due(&self->seconds)) != SLOT_NONE) {
        uint32_t last_second = self->entries[slot].last_second;
        if (last_second + WINDOW_S <= second)
            release(self, slot);
        else
            second_lists_refile(&self->seconds, slot, last_second);
    }
}

uint32_t port_set_count(const port_set_t *self, uint32_t owner)
{
    return self->owners[owner].count;
}

uint32_t port_set_size(const port_set_t *self) { return self->size; }
uint32_t port_set_capacity(const port_set_t *self) { return self->capacity; }
uint64_t port_set_refused(const port_set_t *self) { return self->refused; }
