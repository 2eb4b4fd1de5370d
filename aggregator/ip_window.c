#include "ip_window.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "keyed_hash.h"
#include "port_set.h"
#include "second_lists.h"
#include "slot_ranking.h"
#include "table_memory.h"

/* One line of cache: all that a pass over the addresses reads. */
struct head {
    uint8_t addr[16];
    uint64_t filled;            /* bit second % WINDOW_S: that bucket is in use; 0 = no address */
    uint64_t packets, bytes;    /* sums over the buckets */
    uint64_t last_unix_ns;
    uint32_t syn, ack;
    uint32_t last_second;
    uint16_t is_touched;        /* active since it was filed under a second */
    uint16_t collector;
};

_Static_assert(sizeof(struct head) == 64, "a head is one cache line");

/* One address in one second.  Values saturate where no link can bring them: at 2.2 Tbit/s, 4
 * billion packets, 67 million SYNs or ACKs. */
struct bucket {
    uint64_t bytes : 38;
    uint64_t ack : 26;
    uint64_t packets : 32;
    uint64_t syn : 26;
};

_Static_assert(sizeof(struct bucket) == 16, "four buckets are one cache line");

#define BUCKET_BYTES_MAX ((UINT64_C(1) << 38) - 1)
#define BUCKET_PACKETS_MAX UINT32_MAX
#define BUCKET_FLAGS_MAX ((UINT32_C(1) << 26) - 1)

_Static_assert(BUCKET_FLAGS_MAX <= UINT32_MAX / WINDOW_S, "the sum of all buckets fits 32 bits");

struct total {
    uint64_t packets, bytes;
};

struct ip_window {
    struct head *heads;
    struct bucket (*buckets)[WINDOW_S];
    struct slot_index index;
    struct second_lists seconds;
    struct hash_secret secret;
    port_set_t *ports;
    struct slot_bits in_use;    /* for each bucket, the addresses that use it, or did */
    struct slot_bits changed;   /* since the rankings were brought up to date */
    struct slot_ranking rankings[WINDOW_RANKINGS];
    struct total totals[WINDOW_S], total;
    uint32_t capacity;
    uint32_t collectors;
    uint32_t size;
    uint32_t *sizes;            /* by collector */
    uint64_t evicted, refused;
};

static int order_by_address(uint32_t a, uint32_t b, const void *arg)
{
    const ip_window_t *self = arg;

    return memcmp(self->heads[a].addr, self->heads[b].addr, sizeof self->heads[a].addr);
}

static int make_rankings(ip_window_t *self)
{
    int rc = slot_bits_init(&self->changed, self->capacity);

    for (unsigned i = 0; rc == 0 && i < WINDOW_RANKINGS; i++)
        rc = slot_ranking_init(&self->rankings[i], self->capacity, order_by_address, self);
    return rc;
}

/* The first group of bucket `i` in in_use. */
static uint32_t group_of_bucket(const ip_window_t *self, unsigned i)
{
    return i * slot_bits_groups_of(self->capacity);
}

ip_window_t *ip_window_new(uint32_t addresses, uint32_t ports, uint32_t collectors, uint64_t seed)
{
    assert(addresses >= 1 && ports >= 1 && collectors >= 1 && collectors <= UINT16_MAX);

    ip_window_t *self = calloc(1, sizeof *self);
    if (!self)
        return NULL;
    self->capacity = addresses;
    self->collectors = collectors;
    self->secret = hash_secret_of(seed);
    self->sizes = calloc(collectors, sizeof *self->sizes);
    self->heads = table_memory_new(addresses, sizeof *self->heads);
    self->buckets = table_memory_new(addresses, sizeof *self->buckets);
    self->ports = port_set_new(ports, addresses, ~seed, &self->changed);
    if (!self->sizes || !self->heads || !self->buckets || !self->ports
        || make_rankings(self) != 0
        || slot_bits_init(&self->in_use, group_of_bucket(self, WINDOW_S) * SLOT_BITS_GROUP) != 0
        || slot_index_init(&self->index, addresses) != 0
        || second_lists_init(&self->seconds, addresses, WINDOW_S, 0) != 0)
        ip_window_destroy(&self);
    return self;
}

void ip_window_destroy(ip_window_t **self_p)
{
    assert(self_p);
    ip_window_t *self = *self_p;

    if (!self)
        return;
    port_set_destroy(&self->ports);
    slot_index_clear(&self->index);
    second_lists_clear(&self->seconds);
    slot_bits_clear(&self->in_use);
    slot_bits_clear(&self->changed);
    for (unsigned i = 0; i < WINDOW_RANKINGS; i++)
        slot_ranking_clear(&self->rankings[i]);
    table_memory_free(self->heads, self->capacity, sizeof *self->heads);
    table_memory_free(self->buckets, self->capacity, sizeof *self->buckets);
    free(self->sizes);
    free(self);
    *self_p = NULL;
}

static uint32_t hash_of(const ip_window_t *self, const uint8_t addr[16], uint16_t collector)
{
    return (uint32_t) hash_with(&self->secret, hash_address(&self->secret, addr), collector);
}

static bool is_of(const struct head *head, const uint8_t addr[16], uint16_t collector)
{
    return head->collector == collector && memcmp(head->addr, addr, 16) == 0;
}

static uint32_t find(const ip_window_t *self, const uint8_t addr[16], uint16_t collector,
                     uint32_t hash)
{
    uint32_t cursor = slot_index_place(&self->index, hash), slot;

    while ((slot = slot_index_next(&self->index, hash, SLOT_MATCH_ALL, &cursor)) != SLOT_NONE)
        if (is_of(&self->heads[slot], addr, collector))
            break;
    return slot;
}

static void release(ip_window_t *self, uint32_t slot)
{
    const struct head *head = &self->heads[slot];

    slot_index_remove(&self->index, hash_of(self, head->addr, head->collector), slot);
    port_set_forget(self->ports, slot);
    second_lists_release(&self->seconds, slot);
    slot_bits_add(&self->changed, slot);
    self->heads[slot].filled = 0;
    self->sizes[head->collector]--;
    self->size--;
}

/* Give up the idlest address.  Whoever was active since it was filed goes behind the others, each
 * time paid for by a record: O(1) per record. */
static void make_room(ip_window_t *self)
{
    uint32_t slot, second;

    while ((slot = second_lists_oldest(&self->seconds, &second)) != SLOT_NONE) {
        struct head *head = &self->heads[slot];
        if (head->last_second == second && !(head->is_touched && second == self->seconds.now))
            break;
        head->is_touched = false;
        second_lists_refile(&self->seconds, slot, head->last_second);
    }
    self->evicted++;
    release(self, slot);
}

static uint32_t take_slot(ip_window_t *self)
{
    uint32_t slot = second_lists_take(&self->seconds);

    if (slot != SLOT_NONE)
        return slot;
    make_room(self);
    return second_lists_take(&self->seconds);
}

static uint32_t open_address(ip_window_t *self, const struct window_update *update, uint32_t hash)
{
    uint32_t slot = take_slot(self);

    self->heads[slot] = (struct head) { .last_second = update->second,
                                        .collector = update->collector };
    memcpy(self->heads[slot].addr, update->addr, 16);
    slot_index_insert(&self->index, hash, slot);
    second_lists_file(&self->seconds, slot, update->second);
    self->sizes[update->collector]++;
    self->size++;
    return slot;
}

static uint32_t find_or_open(ip_window_t *self, uint32_t hint, const struct window_update *update)
{
    uint32_t slot = hint;

    if (hint >= self->seconds.used || self->heads[hint].filled == 0
        || !is_of(&self->heads[hint], update->addr, update->collector)) {
        uint32_t hash = hash_of(self, update->addr, update->collector);
        slot = find(self, update->addr, update->collector, hash);
        if (slot == SLOT_NONE)
            return open_address(self, update, hash);
    }
    self->heads[slot].is_touched = true;
    return slot;
}

/* How much of `more` can be added to `value`.  Sums grow by the same: they never hold more than
 * their buckets. */
static uint32_t bounded(uint64_t value, uint32_t more, uint64_t limit)
{
    return more < limit - value ? more : (uint32_t) (limit - value);
}

/* The records of a second come in any order.  Those that are apart by more tell of a wall clock
 * that was set back: what came later is later. */
static bool is_latest(const struct head *head, const struct window_update *update)
{
    if (update->second != head->last_second)
        return update->second > head->last_second;
    return update->last_unix_ns > head->last_unix_ns
        || head->last_unix_ns - update->last_unix_ns > NS_PER_S;
}

static void add_to(struct head *head, struct bucket *bucket, const struct window_update *update)
{
    uint32_t packets = bounded(bucket->packets, update->packets, BUCKET_PACKETS_MAX);
    uint32_t bytes = bounded(bucket->bytes, update->bytes, BUCKET_BYTES_MAX);

    bucket->packets += packets;
    head->packets += packets;
    bucket->bytes += bytes;
    head->bytes += bytes;
    if (update->tcp_flags & PACKET_TCP_ACK) {
        uint32_t ack = bounded(bucket->ack, update->packets, BUCKET_FLAGS_MAX);
        bucket->ack += ack;
        head->ack += ack;
    } else if (update->tcp_flags & PACKET_TCP_SYN) {
        uint32_t syn = bounded(bucket->syn, update->packets, BUCKET_FLAGS_MAX);
        bucket->syn += syn;
        head->syn += syn;
    }
    if (is_latest(head, update)) {
        head->last_unix_ns = update->last_unix_ns;
        head->last_second = update->second;
    }
}

uint32_t ip_window_add(ip_window_t *self, uint32_t hint, const struct window_update *update)
{
    assert(update->second <= self->seconds.now && update->collector < self->collectors);

    if (self->seconds.now - update->second >= WINDOW_S) {
        self->refused++;
        return IP_WINDOW_NONE;
    }
    uint32_t slot = find_or_open(self, hint, update);
    struct head *head = &self->heads[slot];
    unsigned i = update->second % WINDOW_S;

    if (!(head->filled >> i & 1)) {
        head->filled |= UINT64_C(1) << i;
        slot_bits_add(&self->in_use, group_of_bucket(self, i) * SLOT_BITS_GROUP + slot);
        self->buckets[slot][i] = (struct bucket) { 0 };
    }
    slot_bits_add(&self->changed, slot);
    add_to(head, &self->buckets[slot][i], update);
    self->totals[i].packets += update->packets;
    self->totals[i].bytes += update->bytes;
    self->total.packets += update->packets;
    self->total.bytes += update->bytes;
    return slot;
}

uint32_t ip_window_use_port(ip_window_t *self, uint32_t address_hint, uint16_t port,
                            uint32_t second, uint32_t port_hint)
{
    assert(address_hint < self->seconds.used);
    return port_set_touch(self->ports, address_hint, port, second, port_hint);
}

void ip_window_prefetch(const ip_window_t *self, uint32_t hint, uint32_t second)
{
    if (hint >= self->seconds.used)
        return;
    __builtin_prefetch(&self->heads[hint], 1);
    __builtin_prefetch(&self->buckets[hint][second % WINDOW_S], 1);
}

/* Take bucket `i` of an address out of its sums. */
static void drop_bucket_of(ip_window_t *self, uint32_t slot, unsigned i)
{
    struct head *head = &self->heads[slot];
    const struct bucket *bucket = &self->buckets[slot][i];

    if (!(head->filled >> i & 1))
        return;                 /* it was given up since */
    head->filled &= ~(UINT64_C(1) << i);
    head->packets -= bucket->packets;
    head->bytes -= bucket->bytes;
    head->syn -= bucket->syn;
    head->ack -= bucket->ack;
    slot_bits_add(&self->changed, slot);
    if (head->filled == 0)
        release(self, slot);
}

static void drop_bucket(ip_window_t *self, unsigned i)
{
    uint32_t first = group_of_bucket(self, i);

    for (uint32_t group = 0; group < slot_bits_groups_of(self->capacity); group++) {
        uint64_t word = slot_bits_take(&self->in_use, first + group);
        while (word)
            drop_bucket_of(self, slot_bits_next(group, &word), i);
    }
    self->total.packets -= self->totals[i].packets;
    self->total.bytes -= self->totals[i].bytes;
    self->totals[i] = (struct total) { 0 };
}

void ip_window_step(ip_window_t *self, uint32_t second)
{
    uint32_t slot;

    port_set_step(self->ports, second);
    second_lists_step(&self->seconds, second);
    drop_bucket(self, second % WINDOW_S);
    while ((slot = second_lists_due(&self->seconds)) != SLOT_NONE) {
        self->heads[slot].is_touched = false;
        second_lists_refile(&self->seconds, slot, self->heads[slot].last_second);
    }
}

bool ip_window_is_empty(const ip_window_t *self)
{
    return self->size == 0 && self->total.packets == 0;
}

uint32_t ip_window_size(const ip_window_t *self) { return self->size; }

uint32_t ip_window_size_of(const ip_window_t *self, uint32_t collector)
{
    assert(collector < self->collectors);
    return self->sizes[collector];
}

uint64_t ip_window_packets(const ip_window_t *self) { return self->total.packets; }
uint64_t ip_window_bytes(const ip_window_t *self) { return self->total.bytes; }
uint32_t ip_window_slots(const ip_window_t *self) { return self->seconds.used; }

struct table_state ip_window_addresses(const ip_window_t *self)
{
    return (struct table_state) {
        .name = "addresses", .size = self->size, .capacity = self->capacity,
        .evicted = self->evicted, .refused = self->refused,
    };
}

struct table_state ip_window_ports(const ip_window_t *self)
{
    return (struct table_state) {
        .name = "ports",
        .size = port_set_size(self->ports),
        .capacity = port_set_capacity(self->ports),
        .refused = port_set_refused(self->ports),
    };
}

bool ip_window_at(const ip_window_t *self, uint32_t slot, struct window_sums *ret_sums)
{
    const struct head *head = &self->heads[slot];

    if (head->filled == 0)
        return false;
    *ret_sums = (struct window_sums) {
        .addr = head->addr,
        .collector = head->collector,
        .packets = head->packets,
        .bytes = head->bytes,
        .syn = head->syn,
        .ack = head->ack,
        .ports = port_set_count(self->ports, slot),
        .last_unix_ns = head->last_unix_ns,
    };
    return true;
}

static void rank(ip_window_t *self, uint32_t slot)
{
    struct window_sums sums = { 0 };    /* of nobody, if there is none */

    ip_window_at(self, slot, &sums);
    slot_ranking_set(&self->rankings[WINDOW_BY_PACKETS], slot, sums.packets);
    slot_ranking_set(&self->rankings[WINDOW_BY_BYTES], slot, sums.bytes);
    slot_ranking_set(&self->rankings[WINDOW_BY_PORTS], slot, sums.ports);
    slot_ranking_set(&self->rankings[WINDOW_BY_SYN], slot, sums.syn);
    slot_ranking_set(&self->rankings[WINDOW_BY_ACK], slot, sums.ack);
}

uint32_t ip_window_best(ip_window_t *self, enum window_ranking by, uint32_t most,
                        uint32_t *ret_slots)
{
    for (uint32_t group = 0; group < self->changed.groups; group++) {
        uint64_t word = slot_bits_take(&self->changed, group);
        while (word)
            rank(self, slot_bits_next(group, &word));
    }
    return slot_ranking_best(&self->rankings[by], most, ret_slots);
}

void ip_window_row(const ip_window_t *self, uint32_t slot, bool with_seconds,
                   struct address_row *ret_row)
{
    struct window_sums sums;
    bool is_used = ip_window_at(self, slot, &sums);

    assert(is_used);
    memset(ret_row, 0, sizeof *ret_row);
    memcpy(ret_row->addr, sums.addr, sizeof ret_row->addr);
    ret_row->packets_per_second = (double) sums.packets / WINDOW_S;
    ret_row->bytes_per_second = (double) sums.bytes / WINDOW_S;
    ret_row->unique_dst_ports = sums.ports;
    ret_row->syn = sums.syn;
    ret_row->ack = sums.ack;
    ret_row->packets = sums.packets;
    ret_row->bytes = sums.bytes;
    ret_row->last_unix_ns = sums.last_unix_ns;
    ret_row->has_seconds = with_seconds;
    for (uint32_t i = 0; with_seconds && i < WINDOW_S; i++) {
        unsigned oldest_first = (self->seconds.now + 1 + i) % WINDOW_S;
        if (!(self->heads[slot].filled >> oldest_first & 1))
            continue;
        ret_row->packets_by_second[i] = self->buckets[slot][oldest_first].packets;
        ret_row->bytes_by_second[i] = self->buckets[slot][oldest_first].bytes;
    }
}
