#include "flow_table.h"

#include <assert.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "keyed_hash.h"
#include "second_lists.h"
#include "slot_ranking.h"
#include "table_memory.h"


enum { LIST_CLOSED, LIST_EXTRAS };

/* The lowest bits of a hash, which the index does not place by: all four flows of a conversation
 * (both ways, seen coming in and going out) stand side by side there. */
enum { VARIANT_EGRESS = 1, VARIANT_SWAPPED = 2 };

struct books {
    struct flow_sums ended, live;
    uint64_t audited;           /* packets of its flows in the slots before audit_next */
    int64_t astray;             /* found by the last audit */
    uint32_t size;              /* live flows */
};

struct flow_table {
    struct flow *flows;
    struct slot_index index;
    struct second_lists seconds;
    struct hash_secret secret;
    struct flow_limits limits;
    uint64_t idle_ns, flush_ns;
    uint32_t size;
    uint32_t closed;
    uint64_t evicted;
    struct books *books;        /* per collector */
    uint32_t audit_next;        /* the slot that the audit comes to next */
    struct slot_bits changed;   /* since by_bytes was brought up to date */
    struct slot_ranking by_bytes;
    flow_ended_fn *on_ended;
    void *arg;
};

static int order_by_key(uint32_t a, uint32_t b, const void *arg)
{
    const flow_table_t *self = arg;

    return memcmp(&self->flows[a].key, &self->flows[b].key, sizeof self->flows[a].key);
}

flow_table_t *flow_table_new(const struct flow_limits *limits, uint64_t seed,
                             flow_ended_fn *on_ended, void *arg)
{
    assert(limits && on_ended && limits->flows >= 1 && limits->collectors >= 1);

    flow_table_t *self = calloc(1, sizeof *self);
    if (!self)
        return NULL;
    self->limits = *limits;
    self->idle_ns = limits->idle_s * NS_PER_S;
    self->flush_ns = limits->flush_s * NS_PER_S;
    self->secret = hash_secret_of(seed);
    self->on_ended = on_ended;
    self->arg = arg;
    self->flows = table_memory_new(limits->flows, sizeof *self->flows);
    self->books = calloc(limits->collectors, sizeof *self->books);
    if (!self->flows || !self->books || slot_index_init(&self->index, limits->flows) != 0
        || second_lists_init(&self->seconds, limits->flows, limits->idle_s + 1, LIST_EXTRAS) != 0
        || slot_bits_init(&self->changed, limits->flows) != 0
        || slot_ranking_init(&self->by_bytes, limits->flows, order_by_key, self) != 0)
        flow_table_destroy(&self);
    return self;
}

void flow_table_destroy(flow_table_t **self_p)
{
    assert(self_p);
    flow_table_t *self = *self_p;

    if (!self)
        return;
    slot_index_clear(&self->index);
    second_lists_clear(&self->seconds);
    slot_bits_clear(&self->changed);
    slot_ranking_clear(&self->by_bytes);
    table_memory_free(self->flows, self->limits.flows, sizeof *self->flows);
    free(self->books);
    free(self);
    *self_p = NULL;
}

static uint64_t hash_endpoint(const flow_table_t *self, const uint8_t addr[16], uint16_t port)
{
    return hash_with(&self->secret, hash_address(&self->secret, addr), port);
}

static uint32_t hash_of(const flow_table_t *self, const struct flow_key *key)
{
    uint64_t src = hash_endpoint(self, key->src_addr, key->src_port);
    uint64_t dst = hash_endpoint(self, key->dst_addr, key->dst_port);
    uint32_t rest = key->protocol | (uint32_t) key->collector << 8;
    uint32_t hash = (uint32_t) hash_with(&self->secret, src + dst, rest) << 2;

    return hash | (src > dst ? VARIANT_SWAPPED : 0) | (key->direction ? VARIANT_EGRESS : 0);
}

static uint32_t find(const flow_table_t *self, const struct flow_key *key, uint32_t hash)
{
    uint32_t cursor = slot_index_place(&self->index, hash), slot;

    while ((slot = slot_index_next(&self->index, hash, SLOT_MATCH_ALL, &cursor)) != SLOT_NONE)
        if (flow_key_equal(&self->flows[slot].key, key))
            break;
    return slot;
}

/* Whether the other end of `key` is known to have spoken, whichever way its packets were going.  An
 * endpoint that speaks to itself has no other end: the order of the two does not differ. */
static bool has_opposite(const flow_table_t *self, const struct flow_key *key, uint32_t hash)
{
    struct flow_key opposite = {
        .src_port = key->dst_port, .dst_port = key->src_port,
        .protocol = key->protocol, .collector = key->collector,
    };
    uint32_t cursor = slot_index_place(&self->index, hash), slot;

    memcpy(opposite.src_addr, key->dst_addr, sizeof opposite.src_addr);
    memcpy(opposite.dst_addr, key->src_addr, sizeof opposite.dst_addr);
    while ((slot = slot_index_next(&self->index, hash, SLOT_MATCH_PLACE, &cursor)) != SLOT_NONE) {
        const struct flow *flow = &self->flows[slot];
        opposite.direction = flow->key.direction;
        if (((flow->hash ^ hash) & VARIANT_SWAPPED)
            && flow_key_equal(&flow->key, &opposite))
            return true;
    }
    return false;
}

/* SYN tells by itself who opens a connection, even if another CPU's record overtook it. */
static bool speaks_first(const flow_table_t *self, const struct flow_key *key, uint32_t hash,
                         const struct flow_update *update)
{
    if (update->tcp_flags & PACKET_TCP_SYN)
        return !(update->tcp_flags & PACKET_TCP_ACK);
    return !has_opposite(self, key, hash);
}

/* What `flow` holds changes by `packets`: note it where others keep account of it. */
static void note_change(flow_table_t *self, const struct flow *flow, uint64_t packets)
{
    uint32_t slot = (uint32_t) (flow - self->flows);

    slot_bits_add(&self->changed, slot);
    if (slot < self->audit_next)
        self->books[flow->key.collector].audited += packets;
}

/* Report what `flow` holds and empty it.  The books of live flows are reduced by what it really
 * held, not by what should have been in it: an error of this table shows in the ledger. */
static void report(flow_table_t *self, struct flow *flow, enum flow_end reason)
{
    struct books *books = &self->books[flow->key.collector];
    struct ended_flow ended = {
        .key = flow->key,
        .first_ns = flow->first_ns,
        .last_ns = flow->last_ns,
        .packets = flow->packets,
        .bytes = flow->bytes,
        .ifindex = flow->ifindex,
        .tcp_flags = flow->tcp_flags,
        .action = flow->action,
        .ip_version = flow->ip_version,
        .reason = reason,
    };

    note_change(self, flow, -flow->packets);
    books->ended.packets += flow->packets;
    books->ended.bytes += flow->bytes;
    books->live.packets -= flow->packets;
    books->live.bytes -= flow->bytes;
    flow->last_ns = 0;
    flow->packets = 0;
    flow->bytes = 0;
    flow->tcp_flags = 0;
    self->on_ended(&ended, self->arg);
}

static void count_live(flow_table_t *self, const struct flow_key *key, int change)
{
    self->size += (uint32_t) change;
    self->books[key->collector].size += (uint32_t) change;
}

/* Give the slot back.  Its flow holds nothing any more. */
static void release(flow_table_t *self, uint32_t slot)
{
    slot_index_remove(&self->index, self->flows[slot].hash, slot);
    second_lists_release(&self->seconds, slot);
    self->flows[slot].is_used = false;
}

static void end(flow_table_t *self, uint32_t slot, enum flow_end reason)
{
    report(self, &self->flows[slot], reason);
    count_live(self, &self->flows[slot].key, -1);
    release(self, slot);
}

static uint32_t first_closed(const flow_table_t *self)
{
    return slot_lists_first(&self->seconds.lists, second_lists_extra(&self->seconds, LIST_CLOSED));
}

static void forget_closed(flow_table_t *self, uint32_t slot)
{
    self->closed--;
    release(self, slot);
}

/* Make room: by a closed flow, else by the idlest.  Whoever was active since it was filed
 * goes behind the others, each time paid for by a record: O(1) per record. */
static void make_room(flow_table_t *self)
{
    uint32_t slot = first_closed(self), second;

    if (slot != SLOT_NONE) {
        forget_closed(self, slot);
        return;
    }
    while ((slot = second_lists_oldest(&self->seconds, &second)) != SLOT_NONE) {
        struct flow *flow = &self->flows[slot];
        if (flow->last_second == second && !(flow->is_touched && second == self->seconds.now))
            break;
        flow->is_touched = false;
        second_lists_refile(&self->seconds, slot, flow->last_second);
    }
    self->evicted++;
    end(self, slot, FLOW_END_EVICTED);
}

static uint32_t take_slot(flow_table_t *self)
{
    uint32_t slot = second_lists_take(&self->seconds);

    if (slot != SLOT_NONE)
        return slot;
    make_room(self);
    return second_lists_take(&self->seconds);
}

/* The oldest second that a flow can still be filed under counts for what came even later. */
static uint32_t open_second(const flow_table_t *self, uint32_t second)
{
    uint32_t oldest = self->seconds.now - self->limits.idle_s;

    return second > oldest ? second : oldest;
}

static struct flow *open_flow(flow_table_t *self, const struct flow_key *key, uint32_t hash,
                              const struct flow_update *update)
{
    bool is_initiator = speaks_first(self, key, hash, update);
    uint32_t slot = take_slot(self);

    self->flows[slot] = (struct flow) {
        .key = *key,
        .first_ns = update->first_ns,
        .last_second = open_second(self, update->second),
        .hash = hash,
        .is_used = true,
        .is_initiator = is_initiator,
        .notes = { { FLOW_NO_NOTE, FLOW_NO_NOTE, 0 }, { FLOW_NO_NOTE, FLOW_NO_NOTE, 0 } },
    };
    slot_index_insert(&self->index, hash, slot);
    second_lists_file(&self->seconds, slot, self->flows[slot].last_second);
    count_live(self, key, 1);
    return &self->flows[slot];
}

/* Let a closed flow begin again. */
static void reopen(flow_table_t *self, struct flow *flow, const struct flow_update *update)
{
    flow->first_ns = update->first_ns;
    flow->last_second = open_second(self, update->second);
    if (update->tcp_flags & PACKET_TCP_SYN)
        flow->is_initiator = !(update->tcp_flags & PACKET_TCP_ACK);
    second_lists_refile(&self->seconds, (uint32_t) (flow - self->flows), flow->last_second);
    self->closed--;
    count_live(self, &flow->key, 1);
}

/* Report a flow whose time is up when the next record arrives, and let it begin again. */
static void split(flow_table_t *self, struct flow *flow, const struct flow_update *update)
{
    bool is_idle = (int64_t) (update->first_ns - flow->last_ns) >= (int64_t) self->idle_ns;

    if (!is_idle && (int64_t) (update->first_ns - flow->first_ns) < (int64_t) self->flush_ns)
        return;
    report(self, flow, is_idle ? FLOW_END_IDLE : FLOW_END_FLUSHED);
    flow->first_ns = update->first_ns;
    if (is_idle)
        flow->is_initiator = speaks_first(self, &flow->key, flow->hash, update);
}

static void close_flow(flow_table_t *self, struct flow *flow, uint8_t tcp_flags)
{
    report(self, flow, tcp_flags & PACKET_TCP_RST ? FLOW_END_RST : FLOW_END_FIN);
    flow->last_second = self->seconds.now;
    slot_lists_move(&self->seconds.lists, second_lists_extra(&self->seconds, LIST_CLOSED),
                    (uint32_t) (flow - self->flows));
    count_live(self, &flow->key, -1);
    self->closed++;
}

static void add_totals(flow_table_t *self, struct flow *flow, const struct flow_update *update)
{
    struct books *books = &self->books[flow->key.collector];

    note_change(self, flow, update->packets);
    flow->packets += update->packets;
    flow->bytes += update->bytes;
    books->live.packets += update->packets;
    books->live.bytes += update->bytes;
    flow->tcp_flags |= update->tcp_flags;
    if (update->first_ns < flow->first_ns)
        flow->first_ns = update->first_ns;
    if (update->last_ns >= flow->last_ns) {
        flow->last_ns = update->last_ns;
        flow->action = update->action;
        flow->ifindex = update->ifindex;
        flow->ip_version = update->ip_version;
    }
    if (update->second > flow->last_second)
        flow->last_second = update->second;
}

/* The flow itself, if nothing has happened since it was looked up ahead; else it is looked up. */
static struct flow *flow_at(flow_table_t *self, const struct flow_key *key, struct flow_place place)
{
    if (place.slot != SLOT_NONE && self->flows[place.slot].is_used
        && flow_key_equal(&self->flows[place.slot].key, key))
        return &self->flows[place.slot];

    uint32_t slot = find(self, key, place.hash);

    return slot == SLOT_NONE ? NULL : &self->flows[slot];
}

struct flow *flow_table_add(flow_table_t *self, const struct flow_key *key,
                            struct flow_place place, const struct flow_update *update)
{
    assert(update->second <= self->seconds.now && key->collector < self->limits.collectors);

    struct flow *flow = flow_at(self, key, place);

    if (!flow) {
        flow = open_flow(self, key, place.hash, update);
    } else {
        flow->is_touched = true;
        if (flow->packets == 0)
            reopen(self, flow, update);
        else
            split(self, flow, update);
    }
    add_totals(self, flow, update);
    if (key->protocol == IPPROTO_TCP && update->tcp_flags & (PACKET_TCP_FIN | PACKET_TCP_RST))
        close_flow(self, flow, update->tcp_flags);
    return flow;
}

void flow_table_prepare(const flow_table_t *self, const struct flow_key *keys, uint32_t count,
                        struct flow_place *ret_places)
{
    for (uint32_t i = 0; i < count; i++) {
        ret_places[i].hash = hash_of(self, &keys[i]);
        slot_index_prefetch(&self->index, ret_places[i].hash);
    }
    for (uint32_t i = 0; i < count; i++) {
        struct flow_place *place = &ret_places[i];
        uint32_t cursor = slot_index_place(&self->index, place->hash);
        place->slot = slot_index_next(&self->index, place->hash, SLOT_MATCH_ALL, &cursor);
        if (place->slot != SLOT_NONE) {
            __builtin_prefetch(&self->flows[place->slot], 1);
            __builtin_prefetch((const char *) &self->flows[place->slot] + 64, 1);
        }
    }
}

const struct flow *flow_table_peek(const flow_table_t *self, struct flow_place place)
{
    return place.slot == SLOT_NONE ? NULL : &self->flows[place.slot];
}

/* Go on with counting what the live flows hold, and compare it with the books at the end.  Records
 * that come meanwhile are added to what was counted, if their slot has been. */
static void audit(flow_table_t *self)
{
    uint32_t end = self->audit_next + FLOW_AUDIT;

    for (; self->audit_next < self->seconds.used && self->audit_next < end; self->audit_next++) {
        const struct flow *flow = &self->flows[self->audit_next];
        if (flow->is_used)
            self->books[flow->key.collector].audited += flow->packets;
    }
    if (self->audit_next < self->seconds.used)
        return;
    for (uint32_t i = 0; i < self->limits.collectors; i++) {
        struct books *books = &self->books[i];
        books->astray = (int64_t) (books->live.packets - books->audited);
        books->audited = 0;
    }
    self->audit_next = 0;
}

void flow_table_step(flow_table_t *self, uint32_t second)
{
    uint32_t slot;

    audit(self);
    second_lists_step(&self->seconds, second);
    while ((slot = second_lists_due(&self->seconds)) != SLOT_NONE) {
        struct flow *flow = &self->flows[slot];
        if (flow->last_second + self->limits.idle_s < second) {
            end(self, slot, FLOW_END_IDLE);
        } else {
            flow->is_touched = false;
            second_lists_refile(&self->seconds, slot, flow->last_second);
        }
    }
    while ((slot = first_closed(self)) != SLOT_NONE
           && self->flows[slot].last_second + FLOW_CLOSED_S <= second)
        forget_closed(self, slot);
}

/* Walk the lists as the coming seconds would, so that the flows end in the same order. */
void flow_table_end_collector(flow_table_t *self, uint32_t collector)
{
    struct slot_lists *lists = &self->seconds.lists;
    uint32_t now = self->seconds.now, next;

    for (uint32_t second = now - self->limits.idle_s; second <= now; second++) {
        uint32_t slot = slot_lists_first(lists, second_lists_of(&self->seconds, second));
        for (; slot != SLOT_NONE; slot = next) {
            const struct flow *flow = &self->flows[slot];
            next = slot_lists_next(lists, slot);
            if (flow->key.collector != collector)
                continue;
            if (flow->last_second > second)
                second_lists_refile(&self->seconds, slot, flow->last_second);
            else
                end(self, slot, FLOW_END_IDLE);
        }
    }
    for (uint32_t slot = first_closed(self); slot != SLOT_NONE; slot = next) {
        next = slot_lists_next(lists, slot);
        if (self->flows[slot].key.collector == collector)
            forget_closed(self, slot);
    }
}

struct flow_sums flow_table_live(const flow_table_t *self, uint32_t collector)
{
    assert(collector < self->limits.collectors);
    return self->books[collector].live;
}

struct flow_sums flow_table_accounted(const flow_table_t *self, uint32_t collector)
{
    struct flow_sums live = flow_table_live(self, collector);
    struct flow_sums ended = self->books[collector].ended;

    return (struct flow_sums) { .packets = ended.packets + live.packets,
                                .bytes = ended.bytes + live.bytes };
}

int64_t flow_table_astray(const flow_table_t *self, uint32_t collector)
{
    assert(collector < self->limits.collectors);
    return self->books[collector].astray;
}

uint32_t flow_table_best(flow_table_t *self, uint32_t most, uint32_t *ret_slots)
{
    for (uint32_t group = 0; group < self->changed.groups; group++) {
        uint64_t word = slot_bits_take(&self->changed, group);
        while (word) {
            uint32_t slot = slot_bits_next(group, &word);
            slot_ranking_set(&self->by_bytes, slot, self->flows[slot].bytes);
        }
    }
    return slot_ranking_best(&self->by_bytes, most, ret_slots);
}

bool flow_table_is_empty(const flow_table_t *self) { return self->size + self->closed == 0; }
uint32_t flow_table_size(const flow_table_t *self) { return self->size; }
uint32_t flow_table_size_of(const flow_table_t *self, uint32_t collector)
{
    assert(collector < self->limits.collectors);
    return self->books[collector].size;
}

uint32_t flow_table_capacity(const flow_table_t *self) { return self->limits.flows; }
uint64_t flow_table_evicted(const flow_table_t *self) { return self->evicted; }
uint32_t flow_table_slots(const flow_table_t *self) { return self->seconds.used; }

const struct flow *flow_table_at(const flow_table_t *self, uint32_t slot)
{
    const struct flow *flow = &self->flows[slot];

    return flow->is_used && flow->packets > 0 ? flow : NULL;
}
