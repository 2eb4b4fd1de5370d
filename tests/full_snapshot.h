/* full_snapshot - a snapshot in which everything has a value, for tests of what is made from it. */
#ifndef FULL_SNAPSHOT_H
#define FULL_SNAPSHOT_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "record_stream.h"
#include "snapshot.h"

static inline void full_collector(struct collector_state *state, const char *id)
{
    struct collector_status *status = &state->status;

    strcpy(status->collector_id, id);
    status->boot_id = 0xabc;
    strcpy(status->version, "0.1.0");
    strcpy(status->source, "tc");
    status->next_seq = 1001;
    status->clock_ns = 100000000000;
    status->started_ns = 40000000000;
    for (unsigned i = 0; i < STATUS_COUNTERS; i++) {
        status->packets[i] = 100 + i;
        status->bytes[i] = 1000 + i;
    }
    status->not_ip_packets = 3;
    status->unparsed_packets = 4;
    status->loss_count = 2;
    status->losses[0] = (struct loss) { "ring", 1, 2, 3 };
    status->losses[1] = (struct loss) { "bus", 10, 20, 30 };
    status->interface_count = 2;
    status->interfaces[0] = (struct interface_state) { "eth0", 2, true, "" };
    status->interfaces[1] = (struct interface_state) { "wlan0", 0, false, "no such \"device\"" };
    status->blacklist = (struct list_state) { 5, 6 };
    status->whitelist = (struct list_state) { 7, 8 };
    status->list_version = 9;
    status->cost = (struct process_cost) { 1.25, 4096, 11 };
    state->age_s = 0.5;
    state->accounted_packets = 1000;
    state->base_packets = 500;
    state->loss_count = 1;
    state->losses[0] = (struct loss) { "bus", 100, 200, 300 };
    state->difference_packets = -2;
    state->in_flight_packets = 17;
}

/* Ten addresses from 192.0.2.`first` on, the first with the highest values. */
static inline void full_top(struct top_rows *top, unsigned first)
{
    top->size = SNAPSHOT_TOP;
    for (unsigned i = 0; i < SNAPSHOT_TOP; i++) {
        struct address_row *row = &top->rows[i];
        record_addr(row->addr, 0xc0000200 + first + i);
        row->packets_per_second = 33.25 - i;
        row->bytes_per_second = 4000.5 - i;
        row->unique_dst_ports = 50 - i;
        row->syn = 60 - i;
        row->ack = 70 - i;
        row->packets = 1995 - i;
        row->bytes = 240030 - i;
        row->last_unix_ns = 1700000000500000000;
    }
}

/* With `collectors` of them, called "c0", "c1", ...  From malloc; latest_put() or snapshot_clear()
 * and free() end it. */
static inline struct snapshot *full_snapshot(uint32_t collectors)
{
    struct snapshot *snapshot = calloc(1, sizeof *snapshot);
    char id[24];

    strcpy(snapshot->version, "0.1.0");
    snapshot->boot_id = 1;
    snapshot->seq = 1;
    snapshot->unix_ns = 1700000000500000000;
    snapshot->packets_per_second = 33.5;
    snapshot->bytes_per_second = 4000;
    snapshot->packets_per_second_now = 12;
    snapshot->bytes_per_second_now = 1200;
    snapshot->active_ips = 10;
    snapshot->active_flows = 20;
    snapshot->collector_count = collectors;
    snapshot->collectors = calloc(collectors + 1, sizeof *snapshot->collectors);
    for (uint32_t i = 0; i < collectors; i++) {
        snprintf(id, sizeof id, "c%u", i);
        full_collector(&snapshot->collectors[i], id);
    }
    full_top(&snapshot->top_packets, 10);
    full_top(&snapshot->top_bytes, 20);
    full_top(&snapshot->top_ports, 30);
    full_top(&snapshot->top_syn, 40);
    full_top(&snapshot->top_ack, 50);
    snapshot->top_flow_count = 1;
    struct flow_row *flow = &snapshot->top_flows[0];
    record_addr(flow->src_addr, 0xc0000201);
    record_addr(flow->dst_addr, 0xc6336401);
    flow->src_port = 40000;
    flow->dst_port = 443;
    flow->protocol = 6;
    flow->ip_version = 4;
    flow->tcp_flags = PACKET_TCP_SYN | PACKET_TCP_ACK;
    flow->ifindex = 2;
    strcpy(flow->collector_id, "c0");
    flow->first_unix_ns = 1700000000000000000;
    flow->last_unix_ns = 1700000000250000000;
    flow->packets = 5;
    flow->bytes = 600;
    snapshot->table_count = 3;
    snapshot->tables[0] = (struct table_state) { "flows", 20, 65536, 1, 0 };
    snapshot->tables[1] = (struct table_state) { "addresses", 10, 16384, 2, 0 };
    snapshot->tables[2] = (struct table_state) { "ports", 30, 1048576, 3, 4 };
    snapshot->cost = (struct process_cost) { 2.5, 8192, 12 };
    return snapshot;
}

#endif
