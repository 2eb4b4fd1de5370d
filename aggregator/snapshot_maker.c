#include "snapshot_maker.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "table_pages.h"
#include "top_list.h"

enum ranking { BY_PACKETS, BY_BYTES, BY_PORTS, BY_SYN, BY_ACK, RANKINGS };

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

static void take_rows(struct short_list *list, const ip_window_t *window, struct top_rows *ret_rows)
{
    top_list_sort(&list->top);
    ret_rows->size = list->top.size;
    for (uint32_t i = 0; i < list->top.size; i++)
        ip_window_row(window, list->entries[i].row, false, &ret_rows->rows[i]);
}

static void fill_addresses(const ip_window_t *window, struct snapshot *snapshot)
{
    struct short_list lists[RANKINGS];

    for (unsigned i = 0; i < RANKINGS; i++)
        short_list_init(&lists[i], table_pages_order_addresses, window);
    for (uint32_t slot = 0; slot < ip_window_slots(window); slot++) {
        struct window_sums sums;
        if (!ip_window_at(window, slot, &sums))
            continue;
        offer(&lists[BY_PACKETS], sums.packets, slot);
        offer(&lists[BY_BYTES], sums.bytes, slot);
        offer(&lists[BY_PORTS], sums.ports, slot);
        offer(&lists[BY_SYN], sums.syn, slot);
        offer(&lists[BY_ACK], sums.ack, slot);
    }
    take_rows(&lists[BY_PACKETS], window, &snapshot->top_packets);
    take_rows(&lists[BY_BYTES], window, &snapshot->top_bytes);
    take_rows(&lists[BY_PORTS], window, &snapshot->top_ports);
    take_rows(&lists[BY_SYN], window, &snapshot->top_syn);
    take_rows(&lists[BY_ACK], window, &snapshot->top_ack);
}

/* Find the top flows, and on the way what the live flows of each collector really hold. */
static void fill_flows(const aggregate_t *aggregate, struct snapshot *snapshot, uint64_t *held)
{
    const flow_table_t *flows = accounting_flows(aggregate_accounting(aggregate));
    struct short_list list;

    short_list_init(&list, table_pages_order_flows, flows);
    for (uint32_t slot = 0; slot < flow_table_slots(flows); slot++) {
        const struct flow *flow = flow_table_at(flows, slot);
        if (!flow)
            continue;
        held[flow->key.collector] += flow->packets;
        offer(&list, flow->bytes, slot);
    }
    top_list_sort(&list.top);
    snapshot->top_flow_count = list.top.size;
    for (uint32_t i = 0; i < list.top.size; i++)
        table_pages_flow_row(aggregate, flow_table_at(flows, list.entries[i].row),
                             &snapshot->top_flows[i]);
}

/* `held` is what the live flows hold by counting them; the books must say the same. */
static void fill_collector(const aggregate_t *aggregate, const struct collector *collector,
                           uint64_t held, uint64_t local_ns, struct collector_state *ret_state)
{
    const struct loss_ledger *ledger = &collector->ledger;
    const flow_table_t *flows = accounting_flows(aggregate_accounting(aggregate));
    int64_t astray = (int64_t) (flow_table_live(flows, collector->index).packets - held);

    *ret_state = (struct collector_state) {
        .status = collector->status,
        .away = collector->is_away,
        .age_s = local_ns > collector->heard_ns
            ? (double) (local_ns - collector->heard_ns) / NS_PER_S : 0,
        .accounted_packets = ledger->accounted.packets,
        .accounted_bytes = ledger->accounted.bytes,
        .base_packets = ledger->base.packets,
        .base_bytes = ledger->base.bytes,
        .loss_count = 1,
        .losses[0] = ledger->bus_then,
        .difference_packets = ledger->difference_packets + astray,
        .in_flight_packets = ledger->in_flight_packets,
    };
    if (!collector->has_status) {
        snprintf(ret_state->status.collector_id, sizeof ret_state->status.collector_id, "%s",
                 collector->id);
        ret_state->status.boot_id = ledger->boot_id;
        ret_state->status.next_seq = ledger->next_seq;
    }
}

static int fill_collectors(const aggregate_t *aggregate, const uint64_t *held, uint64_t local_ns,
                           struct snapshot *snapshot)
{
    const collector_table_t *collectors = aggregate_collectors(aggregate);
    uint32_t size = collector_table_size(collectors);

    snapshot->collectors = calloc(size + 1, sizeof *snapshot->collectors);
    if (!snapshot->collectors)
        return -ENOMEM;
    snapshot->collector_count = size;
    for (uint32_t i = 0; i < size; i++)
        fill_collector(aggregate, collector_table_at(collectors, i), held[i], local_ns,
                       &snapshot->collectors[i]);
    return 0;
}

static void fill_totals(const aggregate_t *aggregate, struct snapshot *snapshot)
{
    const accounting_t *accounting = aggregate_accounting(aggregate);
    const traffic_history_t *history = aggregate_history(aggregate);
    const ip_window_t *window = accounting_window(accounting);
    const flow_table_t *flows = accounting_flows(accounting);
    uint32_t last = traffic_history_last(history, accounting_second(accounting));
    struct flow_sums now = traffic_history_of(history, last);

    snapshot->packets_per_second = (double) ip_window_packets(window) / WINDOW_S;
    snapshot->bytes_per_second = (double) ip_window_bytes(window) / WINDOW_S;
    snapshot->packets_per_second_now = (double) now.packets;
    snapshot->bytes_per_second_now = (double) now.bytes;
    snapshot->active_ips = ip_window_size(window);
    snapshot->active_flows = flow_table_size(flows);
    snapshot->table_count = 3;
    snapshot->tables[0] = (struct table_state) {
        .name = "flows",
        .size = flow_table_size(flows),
        .capacity = flow_table_capacity(flows),
        .evicted = flow_table_evicted(flows),
    };
    snapshot->tables[1] = ip_window_addresses(window);
    snapshot->tables[2] = ip_window_ports(window);
}

int snapshot_maker_fill(const aggregate_t *aggregate, uint64_t local_ns,
                        struct snapshot *ret_snapshot)
{
    assert(aggregate && ret_snapshot);

    uint64_t held[SNAPSHOT_MAX_COLLECTORS] = { 0 };

    memset(ret_snapshot, 0, sizeof *ret_snapshot);
    fill_totals(aggregate, ret_snapshot);
    fill_flows(aggregate, ret_snapshot, held);
    fill_addresses(accounting_window(aggregate_accounting(aggregate)), ret_snapshot);
    return fill_collectors(aggregate, held, local_ns, ret_snapshot);
}
