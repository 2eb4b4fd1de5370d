#include "accounting.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

/* Which note of a flow belongs to which window. */
enum { NOTE_TOGETHER, NOTE_APART };

/* Records looked up together: enough to hide the misses of the first behind the others. */
#define CHUNK 32

struct accounting {
    flow_table_t *flows;
    ip_window_t *window;        /* all are collector 0 there */
    ip_window_t *apart;         /* by collector; NULL = not kept */
    uint32_t addresses;
    uint64_t seed;
    uint32_t second;
};

/* A part of a batch, with what is found out about it ahead. */
struct chunk {
    const struct packet_view *view;
    uint32_t first;             /* number of its first record in the view */
    uint32_t size;
    int64_t offset_s;
    struct flow_key keys[CHUNK];
    struct flow_place places[CHUNK];
    uint32_t seconds[CHUNK];    /* of the last packet */
};

accounting_t *accounting_new(const struct flow_limits *limits, uint32_t addresses, uint64_t seed,
                             flow_ended_fn *on_ended, void *arg)
{
    accounting_t *self = calloc(1, sizeof *self);

    if (!self)
        return NULL;
    self->flows = flow_table_new(limits, seed, on_ended, arg);
    self->addresses = addresses;
    self->seed = seed;
    self->window = ip_window_new(addresses, addresses * PORTS_PER_ADDRESS, 1, seed + 1);
    if (!self->flows || !self->window)
        accounting_destroy(&self);
    return self;
}

void accounting_destroy(accounting_t **self_p)
{
    assert(self_p);
    accounting_t *self = *self_p;

    if (!self)
        return;
    flow_table_destroy(&self->flows);
    ip_window_destroy(&self->window);
    ip_window_destroy(&self->apart);
    free(self);
    *self_p = NULL;
}

int accounting_tell_apart(accounting_t *self, uint32_t collectors)
{
    if (self->apart)
        return 0;
    self->apart = ip_window_new(self->addresses, self->addresses * PORTS_PER_ADDRESS, collectors,
                                self->seed + 2);
    if (!self->apart)
        return -ENOMEM;
    ip_window_step(self->apart, self->second);
    return 0;
}

void accounting_advance(accounting_t *self, uint32_t second)
{
    while (self->second < second) {
        bool is_empty = flow_table_is_empty(self->flows) && ip_window_is_empty(self->window)
            && (!self->apart || ip_window_is_empty(self->apart));
        self->second = is_empty ? second : self->second + 1;
        flow_table_step(self->flows, self->second);
        ip_window_step(self->window, self->second);
        if (self->apart)
            ip_window_step(self->apart, self->second);
    }
}

static uint64_t last_ns_of(const struct packet_view *view, uint32_t i)
{
    return view->first_ns[i] + view->duration_ns[i];
}

static void prepare(const accounting_t *self, struct chunk *chunk, uint32_t collector)
{
    const struct packet_view *view = chunk->view;

    for (uint32_t n = 0; n < chunk->size; n++) {
        uint32_t i = chunk->first + n;
        struct flow_key *key = &chunk->keys[n];
        memcpy(key->src_addr, view->src_addr[i], sizeof key->src_addr);
        memcpy(key->dst_addr, view->dst_addr[i], sizeof key->dst_addr);
        key->src_port = (uint16_t) (view->ports[i] >> 16);
        key->dst_port = (uint16_t) view->ports[i];
        key->protocol = view->protocol[i];
        key->direction = packet_kind_direction(view->kind[i]);
        key->collector = (uint16_t) collector;
        chunk->seconds[n] = timeline_second(last_ns_of(view, i), chunk->offset_s);
    }
    flow_table_prepare(self->flows, chunk->keys, chunk->size, chunk->places);
    for (uint32_t n = 0; n < chunk->size; n++) {
        const struct flow *flow = flow_table_peek(self->flows, chunk->places[n]);
        if (!flow)
            continue;
        ip_window_prefetch(self->window, flow->notes[NOTE_TOGETHER].address, chunk->seconds[n]);
        if (self->apart)
            ip_window_prefetch(self->apart, flow->notes[NOTE_APART].address, chunk->seconds[n]);
    }
}

static bool has_ports(const struct flow_key *key)
{
    return key->dst_port != 0
        && (key->protocol == IPPROTO_TCP || key->protocol == IPPROTO_UDP
            || key->protocol == IPPROTO_SCTP);
}

/* Add to the window of the source.  A flow touches its port once a second, not once a record. */
static void add_to_window(ip_window_t *window, const struct flow *flow, struct flow_note *note,
                          const struct window_update *update)
{
    uint32_t address = ip_window_add(window, note->address, update);

    if (address == IP_WINDOW_NONE)
        return;
    if (flow->is_initiator && has_ports(&flow->key)
        && (address != note->address || update->second > note->port_second)) {
        note->port = ip_window_use_port(window, address, flow->key.dst_port, update->second,
                                        note->port);
        note->port_second = update->second;
    }
    note->address = address;
}

static void add_record(accounting_t *self, const struct chunk *chunk, uint32_t n)
{
    const struct packet_view *view = chunk->view;
    uint32_t i = chunk->first + n;
    uint8_t tcp_flags = view->protocol[i] == IPPROTO_TCP ? view->tcp_flags[i] : 0;
    struct flow_update to_flow = {
        .first_ns = view->first_ns[i],
        .last_ns = last_ns_of(view, i),
        .second = chunk->seconds[n],
        .packets = view->packets[i],
        .bytes = view->bytes[i],
        .ifindex = view->ifindex[i],
        .tcp_flags = tcp_flags,
        .action = packet_kind_action(view->kind[i]),
        .ip_version = packet_kind_ip_version(view->kind[i]),
    };
    struct window_update to_window = {
        .addr = view->src_addr[i],
        .second = to_flow.second,
        .packets = to_flow.packets,
        .bytes = to_flow.bytes,
        .tcp_flags = tcp_flags,
        .last_unix_ns = to_flow.last_ns + (uint64_t) view->header.wall_offset_ns,
    };

    accounting_advance(self, to_flow.second);
    struct flow *flow = flow_table_add(self->flows, &chunk->keys[n], chunk->places[n], &to_flow);
    add_to_window(self->window, flow, &flow->notes[NOTE_TOGETHER], &to_window);
    if (self->apart) {
        to_window.collector = chunk->keys[n].collector;
        add_to_window(self->apart, flow, &flow->notes[NOTE_APART], &to_window);
    }
}

void accounting_add(accounting_t *self, uint32_t collector, int64_t offset_s,
                    const struct packet_view *view)
{
    assert(self && view);

    struct chunk chunk = { .view = view, .offset_s = offset_s };

    for (; chunk.first < view->size; chunk.first += chunk.size) {
        chunk.size = view->size - chunk.first < CHUNK ? view->size - chunk.first : CHUNK;
        prepare(self, &chunk, collector);
        for (uint32_t n = 0; n < chunk.size; n++)
            add_record(self, &chunk, n);
    }
}

void accounting_end_collector(accounting_t *self, uint32_t collector)
{
    flow_table_end_collector(self->flows, collector);
}

uint32_t accounting_best_flows(const accounting_t *self, uint32_t most, uint32_t *ret_slots)
{
    return flow_table_best(self->flows, most, ret_slots);
}

uint32_t accounting_best_addresses(const accounting_t *self, enum window_ranking by, uint32_t most,
                                   uint32_t *ret_slots)
{
    return ip_window_best(self->window, by, most, ret_slots);
}

uint32_t accounting_second(const accounting_t *self) { return self->second; }
const flow_table_t *accounting_flows(const accounting_t *self) { return self->flows; }
const ip_window_t *accounting_window(const accounting_t *self) { return self->window; }
const ip_window_t *accounting_window_apart(const accounting_t *self) { return self->apart; }
