#include "snapshot_maker.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "table_pages.h"

static void fill_top(const accounting_t *accounting, enum window_ranking by,
                     struct top_rows *ret_rows)
{
    uint32_t slots[SNAPSHOT_TOP];

    ret_rows->size = accounting_best_addresses(accounting, by, SNAPSHOT_TOP, slots);
    for (uint32_t i = 0; i < ret_rows->size; i++)
        ip_window_row(accounting_window(accounting), slots[i], false, &ret_rows->rows[i]);
}

static void fill_addresses(const accounting_t *accounting, struct snapshot *snapshot)
{
    fill_top(accounting, WINDOW_BY_PACKETS, &snapshot->top_packets);
    fill_top(accounting, WINDOW_BY_BYTES, &snapshot->top_bytes);
    fill_top(accounting, WINDOW_BY_PORTS, &snapshot->top_ports);
    fill_top(accounting, WINDOW_BY_SYN, &snapshot->top_syn);
    fill_top(accounting, WINDOW_BY_ACK, &snapshot->top_ack);
}

static void fill_flows(const aggregate_t *aggregate, struct snapshot *snapshot)
{
    const accounting_t *accounting = aggregate_accounting(aggregate);
    const flow_table_t *flows = accounting_flows(accounting);
    uint32_t slots[SNAPSHOT_TOP];

    snapshot->top_flow_count = accounting_best_flows(accounting, SNAPSHOT_TOP, slots);
    for (uint32_t i = 0; i < snapshot->top_flow_count; i++)
        table_pages_flow_row(aggregate, flow_table_at(flows, slots[i]), &snapshot->top_flows[i]);
}

static void fill_collector(const aggregate_t *aggregate, const struct collector *collector,
                           uint64_t local_ns, struct collector_state *ret_state)
{
    const struct loss_ledger *ledger = &collector->ledger;
    const flow_table_t *flows = accounting_flows(aggregate_accounting(aggregate));
    int64_t astray = flow_table_astray(flows, collector->index);

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

static int fill_collectors(const aggregate_t *aggregate, uint64_t local_ns,
                           struct snapshot *snapshot)
{
    const collector_table_t *collectors = aggregate_collectors(aggregate);
    uint32_t size = collector_table_size(collectors);

    snapshot->collectors = calloc(size + 1, sizeof *snapshot->collectors);
    if (!snapshot->collectors)
        return -ENOMEM;
    snapshot->collector_count = size;
    for (uint32_t i = 0; i < size; i++)
        fill_collector(aggregate, collector_table_at(collectors, i), local_ns,
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

    memset(ret_snapshot, 0, sizeof *ret_snapshot);
    fill_totals(aggregate, ret_snapshot);
    fill_flows(aggregate, ret_snapshot);
    fill_addresses(aggregate_accounting(aggregate), ret_snapshot);
    return fill_collectors(aggregate, local_ns, ret_snapshot);
}
