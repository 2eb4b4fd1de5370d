/* random_rows - table rows for round trips; seed them with srandom() and zero them first. */
#ifndef RANDOM_ROWS_H
#define RANDOM_ROWS_H

#include "random_values.h"
#include "snapshot.h"

static inline void random_address(struct address_row *row)
{
    random_bytes(row->addr, 16);
    row->packets_per_second = random_amount();
    row->bytes_per_second = random_amount();
    row->unique_dst_ports = random_u32();
    row->syn = random_u64();
    row->ack = random_u64();
    row->packets = random_u64();
    row->bytes = random_u64();
    row->last_unix_ns = random_u64();
    row->has_seconds = random() & 1;
    for (int i = 0; row->has_seconds && i < WINDOW_S; i++) {
        row->packets_by_second[i] = random_u32();
        row->bytes_by_second[i] = random_u64();
    }
}

static inline void random_flow(struct flow_row *row)
{
    random_bytes(row->src_addr, 16);
    random_bytes(row->dst_addr, 16);
    row->src_port = (uint16_t) random();
    row->dst_port = (uint16_t) random();
    row->protocol = (uint8_t) random();
    row->direction = random() & 1;
    row->action = random() & 3;
    row->ip_version = random() & 1 ? 4 : 6;
    row->tcp_flags = (uint8_t) random();
    row->ifindex = random_u32();
    random_text(row->collector_id, sizeof row->collector_id, 1);
    row->first_unix_ns = random_u64();
    row->last_unix_ns = random_u64();
    row->packets = random_u64();
    row->bytes = random_u64();
}

#endif
