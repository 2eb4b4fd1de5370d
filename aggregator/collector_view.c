#include "collector_view.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "table_pages.h"
#include "top_list.h"

enum ranking { BY_PACKETS, BY_BYTES, BY_PORTS, BY_SYN, BY_ACK, RANKINGS };

/* ---- state ---- */

static double seconds_since(uint64_t then_ns, uint64_t local_ns)
{
    return local_ns > then_ns ? (double) (local_ns - then_ns) / NS_PER_S : 0;
}

/* How far its wall clock was from ours, the way here included.  A replay tells the time of its
 * recording. */
static int64_t clock_error_ns(const struct collector *collector, uint64_t local_ns,
                              uint64_t wall_ns)
{
    const struct collector_status *status = &collector->status;
    uint64_t own_offset_ns = wall_ns - local_ns;

    if (!collector->has_status || strcmp(status->source, "replay") == 0)
        return 0;
    return (int64_t) (status->clock_ns + (uint64_t) status->wall_offset_ns
                      - (collector->status_ns + own_offset_ns));
}

/* Its rates by the counters of its kernel. */
static void fill_rates(const aggregate_t *aggregate, uint32_t collector,
                       struct collector_state *state)
{
    const traffic_history_t *history = aggregate_history_of(aggregate, collector);
    struct flow_sums minute = { 0 };

    if (!history)
        return;
    uint32_t last = traffic_history_last(history,
                                         accounting_second(aggregate_accounting(aggregate)));
    struct flow_sums now = traffic_history_of(history, last);
    for (uint32_t i = 0; i < WINDOW_S && i <= last; i++) {
        struct flow_sums second = traffic_history_of(history, last - i);
        minute.packets += second.packets;
        minute.bytes += second.bytes;
    }
    state->packets_per_second_now = (double) now.packets;
    state->bytes_per_second_now = (double) now.bytes;
    state->packets_per_second = (double) minute.packets / WINDOW_S;
    state->bytes_per_second = (double) minute.bytes / WINDOW_S;
}

static void fill_history_of_process(const struct collector *collector, uint64_t local_ns,
                                    struct collector_state *state)
{
    state->away = collector->is_away;
    state->age_s = seconds_since(collector->heard_ns, local_ns);
    state->idle_s = collector->has_status ? seconds_since(collector->moved_ns, local_ns) : 0;
    state->restarts = collector->restarts;
    state->returns = collector->returns;
    if (collector->restarts > 0)
        state->restarted_s = seconds_since(collector->restarted_ns, local_ns);
    if (collector->returns > 0)
        state->returned_s = seconds_since(collector->returned_ns, local_ns);
    state->has_rival = aggregate_has_rival(collector, local_ns);
}

void collector_view_fill(const aggregate_t *aggregate, uint32_t index, uint64_t local_ns,
                         uint64_t wall_ns, struct collector_state *ret_state)
{
    const struct collector *collector = collector_table_at(aggregate_collectors(aggregate), index);
    const struct loss_ledger *ledger = &collector->ledger;
    const flow_table_t *flows = accounting_flows(aggregate_accounting(aggregate));
    uint32_t number = index;
    const ip_window_t *window = aggregate_window_of(aggregate, &number);

    *ret_state = (struct collector_state) {
        .status = collector->status,
        .accounted_packets = ledger->accounted.packets,
        .accounted_bytes = ledger->accounted.bytes,
        .base_packets = ledger->base.packets,
        .base_bytes = ledger->base.bytes,
        .loss_count = 1,
        .losses[0] = ledger->bus_then,
        .difference_packets = ledger->difference_packets + flow_table_astray(flows, index),
        .in_flight_packets = ledger->in_flight_packets,
        .active_ips = window ? ip_window_size_of(window, number) : 0,
        .active_flows = flow_table_size_of(flows, index),
        .clock_error_ns = clock_error_ns(collector, local_ns, wall_ns),
    };
    fill_rates(aggregate, index, ret_state);
    fill_history_of_process(collector, local_ns, ret_state);
    if (!collector->has_status) {
        snprintf(ret_state->status.collector_id, sizeof ret_state->status.collector_id, "%s",
                 collector->id);
        ret_state->status.boot_id = ledger->boot_id;
        ret_state->status.next_seq = ledger->next_seq;
    }
}

/* ---- summary ---- */

struct short_list {
    struct top_entry entries[SNAPSHOT_TOP];
    struct top_list top;
};

static void short_list_init(struct short_list *self, top_order_fn *order, const void *arg)
{
    self->top = (struct top_list) {
        .entries = self->entries, .capacity = SNAPSHOT_TOP, .order = order, .arg = arg,
    };
}

static void offer(struct short_list *list, uint64_t value, uint32_t row)
{
    if (value > 0)
        top_list_offer(&list->top, value, row);
}

static int order_addresses(uint32_t a, uint32_t b, const void *arg)
{
    struct window_sums left, right;

    ip_window_at(arg, a, &left);
    ip_window_at(arg, b, &right);
    return memcmp(left.addr, right.addr, 16);
}

static int order_flows(uint32_t a, uint32_t b, const void *arg)
{
    return memcmp(&flow_table_at(arg, a)->key, &flow_table_at(arg, b)->key,
                  sizeof(struct flow_key));
}

static void take_rows(struct short_list *list, const ip_window_t *window, struct top_rows *ret_rows)
{
    top_list_sort(&list->top);
    ret_rows->size = list->top.size;
    for (uint32_t i = 0; i < list->top.size; i++)
        ip_window_row(window, list->entries[i].row, false, &ret_rows->rows[i]);
}

static void fill_addresses(const ip_window_t *window, uint32_t number, struct snapshot *snapshot)
{
    struct short_list lists[RANKINGS];
    struct top_rows *rows[RANKINGS] = { &snapshot->top_packets, &snapshot->top_bytes,
                                        &snapshot->top_ports, &snapshot->top_syn,
                                        &snapshot->top_ack };

    for (unsigned i = 0; i < RANKINGS; i++)
        short_list_init(&lists[i], order_addresses, window);
    for (uint32_t slot = 0; slot < ip_window_slots(window); slot++) {
        struct window_sums sums;
        if (!ip_window_at(window, slot, &sums) || sums.collector != number)
            continue;
        offer(&lists[BY_PACKETS], sums.packets, slot);
        offer(&lists[BY_BYTES], sums.bytes, slot);
        offer(&lists[BY_PORTS], sums.ports, slot);
        offer(&lists[BY_SYN], sums.syn, slot);
        offer(&lists[BY_ACK], sums.ack, slot);
    }
    for (unsigned i = 0; i < RANKINGS; i++)
        take_rows(&lists[i], window, rows[i]);
}

static void fill_flows(const aggregate_t *aggregate, uint32_t collector, struct snapshot *snapshot)
{
    const flow_table_t *flows = accounting_flows(aggregate_accounting(aggregate));
    struct short_list list;

    short_list_init(&list, order_flows, flows);
    for (uint32_t slot = 0; slot < flow_table_slots(flows); slot++) {
        const struct flow *flow = flow_table_at(flows, slot);
        if (flow && flow->key.collector == collector)
            offer(&list, flow->bytes, slot);
    }
    top_list_sort(&list.top);
    snapshot->top_flow_count = list.top.size;
    for (uint32_t i = 0; i < list.top.size; i++)
        table_pages_flow_row(aggregate, flow_table_at(flows, list.entries[i].row),
                             &snapshot->top_flows[i]);
}

int collector_view_snapshot(const aggregate_t *aggregate, uint32_t collector, uint64_t local_ns,
                            uint64_t wall_ns, struct snapshot *ret_snapshot)
{
    assert(aggregate && ret_snapshot);

    uint32_t number = collector;
    const ip_window_t *window = aggregate_window_of(aggregate, &number);
    struct collector_state *state = calloc(1, sizeof *state);

    memset(ret_snapshot, 0, sizeof *ret_snapshot);
    if (!state || !window) {
        free(state);
        return -ENOMEM;
    }
    collector_view_fill(aggregate, collector, local_ns, wall_ns, state);
    ret_snapshot->unix_ns = wall_ns;
    ret_snapshot->collectors = state;
    ret_snapshot->collector_count = 1;
    ret_snapshot->packets_per_second = state->packets_per_second;
    ret_snapshot->bytes_per_second = state->bytes_per_second;
    ret_snapshot->packets_per_second_now = state->packets_per_second_now;
    ret_snapshot->bytes_per_second_now = state->bytes_per_second_now;
    ret_snapshot->active_ips = state->active_ips;
    ret_snapshot->active_flows = state->active_flows;
    fill_addresses(window, number, ret_snapshot);
    fill_flows(aggregate, collector, ret_snapshot);
    return 0;
}
