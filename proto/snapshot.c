#include "snapshot.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "row_message.h"
#include "status_message.h"
#include "wire_message.h"

struct collector_message {
    Ntc__CollectorState message;
    struct status_message status;
    struct loss_messages losses;
};

/* What a snapshot's message points at while it is packed. */
struct parts {
    struct collector_message *collectors;
    Ntc__CollectorState **collector_list;
    struct address_messages tops[5];
    struct flow_messages flows;
    Ntc__TableState tables[SNAPSHOT_MAX_TABLES];
    Ntc__TableState *table_list[SNAPSHOT_MAX_TABLES];
    Ntc__ProcessCost cost;
    Ntc__UnheardEndpoint *unheard;
    Ntc__UnheardEndpoint **unheard_list;
};

/* ---- encoding ---- */

static void fill_collector(struct collector_message *self, const struct collector_state *state)
{
    Ntc__CollectorState *message = &self->message;

    *message = (Ntc__CollectorState) NTC__COLLECTOR_STATE__INIT;
    status_message_fill(&self->status, &state->status);
    message->status = &self->status.message;
    message->away = state->away;
    message->age_s = state->age_s;
    message->accounted_packets = state->accounted_packets;
    message->accounted_bytes = state->accounted_bytes;
    message->base_packets = state->base_packets;
    message->base_bytes = state->base_bytes;
    loss_messages_fill(&self->losses, state->losses, state->loss_count);
    message->n_losses = state->loss_count;
    message->losses = self->losses.list;
    message->difference_packets = state->difference_packets;
    message->in_flight_packets = state->in_flight_packets;
    message->packets_per_second = state->packets_per_second;
    message->bytes_per_second = state->bytes_per_second;
    message->packets_per_second_now = state->packets_per_second_now;
    message->bytes_per_second_now = state->bytes_per_second_now;
    message->active_ips = state->active_ips;
    message->active_flows = state->active_flows;
    message->idle_s = state->idle_s;
    message->restarts = state->restarts;
    message->restarted_s = state->restarted_s;
    message->returns = state->returns;
    message->returned_s = state->returned_s;
    message->rival = state->has_rival;
    message->clock_error_ns = state->clock_error_ns;
}

static int fill_collectors(struct parts *self, const struct snapshot *snapshot)
{
    size_t count = snapshot->collector_count;

    if (count == 0)
        return 0;
    self->collectors = malloc(count * sizeof *self->collectors);
    self->collector_list = malloc(count * sizeof *self->collector_list);
    if (!self->collectors || !self->collector_list)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        fill_collector(&self->collectors[i], &snapshot->collectors[i]);
        self->collector_list[i] = &self->collectors[i].message;
    }
    return 0;
}

static int fill_unheard(struct parts *self, const struct snapshot *snapshot)
{
    size_t count = snapshot->unheard_count;

    if (count == 0)
        return 0;
    self->unheard = malloc(count * sizeof *self->unheard);
    self->unheard_list = malloc(count * sizeof *self->unheard_list);
    if (!self->unheard || !self->unheard_list)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        self->unheard[i] = (Ntc__UnheardEndpoint) NTC__UNHEARD_ENDPOINT__INIT;
        self->unheard[i].endpoint = snapshot->unheard[i].endpoint;
        self->unheard[i].problem = snapshot->unheard[i].problem;
        self->unheard_list[i] = &self->unheard[i];
    }
    return 0;
}

static void fill_tables(struct parts *self, const struct snapshot *snapshot)
{
    for (uint32_t i = 0; i < snapshot->table_count; i++) {
        const struct table_state *state = &snapshot->tables[i];
        Ntc__TableState *message = &self->tables[i];
        *message = (Ntc__TableState) NTC__TABLE_STATE__INIT;
        message->name = (char *) state->name;
        message->size = state->size;
        message->capacity = state->capacity;
        message->evicted = state->evicted;
        message->refused = state->refused;
        self->table_list[i] = message;
    }
}

/* Make all parts that take memory.  Returns 0 or -ENOMEM. */
static int fill_parts(struct parts *self, const struct snapshot *snapshot)
{
    const struct top_rows *tops[5] = { &snapshot->top_packets, &snapshot->top_bytes,
                                       &snapshot->top_ports, &snapshot->top_syn,
                                       &snapshot->top_ack };

    for (size_t i = 0; i < 5; i++) {
        assert(tops[i]->size <= SNAPSHOT_TOP);
        if (address_messages_new(&self->tops[i], tops[i]->rows, tops[i]->size) != 0)
            return -ENOMEM;
    }
    fill_tables(self, snapshot);
    cost_message_fill(&self->cost, &snapshot->cost);
    if (flow_messages_new(&self->flows, snapshot->top_flows, snapshot->top_flow_count) != 0)
        return -ENOMEM;
    int rc = fill_unheard(self, snapshot);
    return rc == 0 ? fill_collectors(self, snapshot) : rc;
}

static void free_parts(struct parts *self)
{
    for (size_t i = 0; i < 5; i++)
        free(self->tops[i].list);
    free(self->flows.list);
    free(self->collectors);
    free(self->collector_list);
    free(self->unheard);
    free(self->unheard_list);
}

static void fill_message(Ntc__Snapshot *message, const struct snapshot *snapshot,
                         struct parts *parts)
{
    message->version = (char *) snapshot->version;
    message->boot_id = snapshot->boot_id;
    message->seq = snapshot->seq;
    message->unix_ns = snapshot->unix_ns;
    message->packets_per_second = snapshot->packets_per_second;
    message->bytes_per_second = snapshot->bytes_per_second;
    message->packets_per_second_now = snapshot->packets_per_second_now;
    message->bytes_per_second_now = snapshot->bytes_per_second_now;
    message->active_ips = snapshot->active_ips;
    message->active_flows = snapshot->active_flows;
    message->bad_messages = snapshot->bad_messages;
    message->n_collectors = snapshot->collector_count;
    message->collectors = parts->collector_list;
    message->n_top_packets = snapshot->top_packets.size;
    message->top_packets = parts->tops[0].list;
    message->n_top_bytes = snapshot->top_bytes.size;
    message->top_bytes = parts->tops[1].list;
    message->n_top_ports = snapshot->top_ports.size;
    message->top_ports = parts->tops[2].list;
    message->n_top_syn = snapshot->top_syn.size;
    message->top_syn = parts->tops[3].list;
    message->n_top_ack = snapshot->top_ack.size;
    message->top_ack = parts->tops[4].list;
    message->n_top_flows = snapshot->top_flow_count;
    message->top_flows = parts->flows.list;
    message->n_tables = snapshot->table_count;
    message->tables = parts->table_list;
    message->cost = &parts->cost;
    message->n_unheard = snapshot->unheard_count;
    message->unheard = parts->unheard_list;
}

int snapshot_encode(const struct snapshot *snapshot, uint8_t **ret_bytes, size_t *ret_size)
{
    assert(snapshot && snapshot->collector_count <= SNAPSHOT_MAX_COLLECTORS);
    assert(snapshot->unheard_count <= SNAPSHOT_MAX_COLLECTORS);
    assert(snapshot->table_count <= SNAPSHOT_MAX_TABLES);
    assert(snapshot->top_flow_count <= SNAPSHOT_TOP);

    Ntc__Snapshot message = NTC__SNAPSHOT__INIT;
    struct parts parts = { 0 };
    int rc = fill_parts(&parts, snapshot);

    if (rc == 0) {
        fill_message(&message, snapshot, &parts);
        rc = wire_message_pack(&message.base, ret_bytes, ret_size);
    }
    free_parts(&parts);
    return rc;
}

/* ---- decoding ---- */

static bool read_top(Ntc__AddressRow *const *list, size_t count, struct top_rows *top)
{
    if (count > SNAPSHOT_TOP)
        return false;
    top->size = (uint32_t) count;
    return address_messages_read(list, count, top->rows);
}

static bool read_tops(const Ntc__Snapshot *message, struct snapshot *snapshot)
{
    if (message->n_top_flows > SNAPSHOT_TOP)
        return false;
    snapshot->top_flow_count = (uint32_t) message->n_top_flows;
    return read_top(message->top_packets, message->n_top_packets, &snapshot->top_packets)
        && read_top(message->top_bytes, message->n_top_bytes, &snapshot->top_bytes)
        && read_top(message->top_ports, message->n_top_ports, &snapshot->top_ports)
        && read_top(message->top_syn, message->n_top_syn, &snapshot->top_syn)
        && read_top(message->top_ack, message->n_top_ack, &snapshot->top_ack)
        && flow_messages_read(message->top_flows, message->n_top_flows, snapshot->top_flows);
}

static bool read_tables(const Ntc__Snapshot *message, struct snapshot *snapshot)
{
    if (message->n_tables > SNAPSHOT_MAX_TABLES)
        return false;
    for (size_t i = 0; i < message->n_tables; i++) {
        const Ntc__TableState *from = message->tables[i];
        struct table_state *state = &snapshot->tables[i];
        if (!wire_message_ascii(state->name, sizeof state->name, from->name)
            || state->name[0] == '\0')
            return false;
        state->size = from->size;
        state->capacity = from->capacity;
        state->evicted = from->evicted;
        state->refused = from->refused;
    }
    snapshot->table_count = (uint32_t) message->n_tables;
    return true;
}

static bool has_amounts(const struct collector_state *state)
{
    const double values[] = { state->age_s, state->packets_per_second, state->bytes_per_second,
                              state->packets_per_second_now, state->bytes_per_second_now,
                              state->idle_s, state->restarted_s, state->returned_s };

    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        if (!wire_message_is_amount(values[i]))
            return false;
    return true;
}

static bool read_collector(const Ntc__CollectorState *message, struct collector_state *state)
{
    state->away = message->away;
    state->age_s = message->age_s;
    state->accounted_packets = message->accounted_packets;
    state->accounted_bytes = message->accounted_bytes;
    state->base_packets = message->base_packets;
    state->base_bytes = message->base_bytes;
    state->difference_packets = message->difference_packets;
    state->in_flight_packets = message->in_flight_packets;
    state->packets_per_second = message->packets_per_second;
    state->bytes_per_second = message->bytes_per_second;
    state->packets_per_second_now = message->packets_per_second_now;
    state->bytes_per_second_now = message->bytes_per_second_now;
    state->active_ips = message->active_ips;
    state->active_flows = message->active_flows;
    state->idle_s = message->idle_s;
    state->restarts = message->restarts;
    state->restarted_s = message->restarted_s;
    state->returns = message->returns;
    state->returned_s = message->returned_s;
    state->has_rival = message->rival;
    state->clock_error_ns = message->clock_error_ns;
    return has_amounts(state)
        && message->status && status_message_read(message->status, &state->status)
        && loss_messages_read(message->losses, message->n_losses, state->losses,
                              &state->loss_count);
}

static int read_collectors(const Ntc__Snapshot *message, struct snapshot *snapshot)
{
    if (message->n_collectors == 0)
        return 0;
    if (message->n_collectors > SNAPSHOT_MAX_COLLECTORS)
        return -EBADMSG;
    snapshot->collectors = calloc(message->n_collectors, sizeof *snapshot->collectors);
    if (!snapshot->collectors)
        return -ENOMEM;
    snapshot->collector_count = (uint32_t) message->n_collectors;
    for (size_t i = 0; i < message->n_collectors; i++)
        if (!read_collector(message->collectors[i], &snapshot->collectors[i]))
            return -EBADMSG;
    return 0;
}

static int read_unheard(const Ntc__Snapshot *message, struct snapshot *snapshot)
{
    if (message->n_unheard == 0)
        return 0;
    if (message->n_unheard > SNAPSHOT_MAX_COLLECTORS)
        return -EBADMSG;
    snapshot->unheard = calloc(message->n_unheard, sizeof *snapshot->unheard);
    if (!snapshot->unheard)
        return -ENOMEM;
    snapshot->unheard_count = (uint32_t) message->n_unheard;
    for (size_t i = 0; i < message->n_unheard; i++) {
        struct unheard_endpoint *to = &snapshot->unheard[i];
        if (!wire_message_ascii(to->endpoint, sizeof to->endpoint, message->unheard[i]->endpoint)
            || !wire_message_utf8(to->problem, sizeof to->problem, message->unheard[i]->problem))
            return -EBADMSG;
    }
    return 0;
}

static int read_snapshot(const Ntc__Snapshot *message, struct snapshot *snapshot)
{
    snapshot->boot_id = message->boot_id;
    snapshot->seq = message->seq;
    snapshot->unix_ns = message->unix_ns;
    snapshot->packets_per_second = message->packets_per_second;
    snapshot->bytes_per_second = message->bytes_per_second;
    snapshot->packets_per_second_now = message->packets_per_second_now;
    snapshot->bytes_per_second_now = message->bytes_per_second_now;
    snapshot->active_ips = message->active_ips;
    snapshot->active_flows = message->active_flows;
    snapshot->bad_messages = message->bad_messages;
    if (!wire_message_ascii(snapshot->version, sizeof snapshot->version, message->version)
        || !wire_message_is_amount(snapshot->packets_per_second)
        || !wire_message_is_amount(snapshot->bytes_per_second)
        || !wire_message_is_amount(snapshot->packets_per_second_now)
        || !wire_message_is_amount(snapshot->bytes_per_second_now)
        || !cost_message_read(message->cost, &snapshot->cost)
        || !read_tops(message, snapshot) || !read_tables(message, snapshot))
        return -EBADMSG;
    int rc = read_unheard(message, snapshot);
    return rc == 0 ? read_collectors(message, snapshot) : rc;
}

int snapshot_decode(struct snapshot *ret_snapshot, const uint8_t *bytes, size_t size)
{
    assert(ret_snapshot);

    ProtobufCMessage *base;

    memset(ret_snapshot, 0, sizeof *ret_snapshot);
    int rc = wire_message_unpack(&ntc__snapshot__descriptor, bytes, size, &base);
    if (rc != 0)
        return rc;
    rc = read_snapshot((const Ntc__Snapshot *) base, ret_snapshot);
    wire_message_free(base);
    if (rc != 0)
        snapshot_clear(ret_snapshot);
    return rc;
}

void snapshot_clear(struct snapshot *snapshot)
{
    assert(snapshot);
    free(snapshot->collectors);
    free(snapshot->unheard);
    memset(snapshot, 0, sizeof *snapshot);
}
