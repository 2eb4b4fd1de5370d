#include "snapshot_maker.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector_view.h"
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

static int fill_collectors(const aggregate_t *aggregate, uint64_t local_ns, uint64_t wall_ns,
                           struct snapshot *snapshot)
{
    uint32_t size = collector_table_size(aggregate_collectors(aggregate));

    snapshot->collectors = calloc(size + 1, sizeof *snapshot->collectors);
    if (!snapshot->collectors)
        return -ENOMEM;
    snapshot->collector_count = size;
    for (uint32_t i = 0; i < size; i++)
        collector_view_fill(aggregate, i, local_ns, wall_ns, &snapshot->collectors[i]);
    return 0;
}

static void fill_totals(const aggregate_t *aggregate, struct snapshot *snapshot)
{
    const accounting_t *accounting = aggregate_accounting(aggregate);
    const traffic_history_t *history = aggregate_history(aggregate);
    const ip_window_t *window = accounting_window(accounting);
    const ip_window_t *apart = accounting_window_apart(accounting);
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
    if (!apart)
        return;
    snapshot->table_count = 5;
    snapshot->tables[3] = ip_window_addresses(apart);
    snapshot->tables[4] = ip_window_ports(apart);
    strcpy(snapshot->tables[3].name, "addresses_each");
    strcpy(snapshot->tables[4].name, "ports_each");
}

int snapshot_maker_fill(const aggregate_t *aggregate, uint64_t local_ns, uint64_t wall_ns,
                        struct snapshot *ret_snapshot)
{
    assert(aggregate && ret_snapshot);

    memset(ret_snapshot, 0, sizeof *ret_snapshot);
    fill_totals(aggregate, ret_snapshot);
    fill_flows(aggregate, ret_snapshot);
    fill_addresses(aggregate_accounting(aggregate), ret_snapshot);
    return fill_collectors(aggregate, local_ns, wall_ns, ret_snapshot);
}
