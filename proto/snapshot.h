/* snapshot - codec of Snapshot: what the aggregator knows, once a second.
 */
#ifndef SNAPSHOT_H
#define SNAPSHOT_H

#include "collector_status.h"

#define SNAPSHOT_TOP 10             /* rows of each top list */
#define SNAPSHOT_MAX_COLLECTORS 256
#define SNAPSHOT_MAX_TABLES 8
#define WINDOW_S 60                 /* seconds of every window and rate */

/* One source address over the last WINDOW_S seconds.  Fields: ntc.proto, message AddressRow. */
struct address_row {
    uint8_t addr[16];
    double packets_per_second;
    double bytes_per_second;
    uint32_t unique_dst_ports;
    uint64_t syn;
    uint64_t ack;
    uint64_t packets;
    uint64_t bytes;
    uint64_t last_unix_ns;
    bool has_seconds;               /* the two columns below are filled (address pages only) */
    uint32_t packets_by_second[WINDOW_S];   /* oldest first */
    uint64_t bytes_by_second[WINDOW_S];
};

/* One flow.  Fields: ntc.proto, message FlowRow. */
struct flow_row {
    uint8_t src_addr[16];
    uint8_t dst_addr[16];
    uint16_t src_port, dst_port;
    uint8_t protocol, direction, action, ip_version, tcp_flags;
    uint32_t ifindex;
    char collector_id[COLLECTOR_ID_SIZE];
    uint64_t first_unix_ns, last_unix_ns;
    uint64_t packets, bytes;
};

struct collector_state {
    struct collector_status status;
    bool away;
    double age_s;
    uint64_t accounted_packets, accounted_bytes;
    uint64_t base_packets, base_bytes;
    uint32_t loss_count;
    struct loss losses[STATUS_MAX_LOSSES];  /* behind the collector: stage "bus" */
    int64_t difference_packets;
    uint64_t in_flight_packets;
    double packets_per_second, bytes_per_second;            /* by its kernel counters */
    double packets_per_second_now, bytes_per_second_now;
    uint32_t active_ips, active_flows;
    double idle_s;                  /* since it counted a packet */
    uint32_t restarts, returns;
    double restarted_s, returned_s; /* since the last one; 0 = never */
    bool has_rival;
    int64_t clock_error_ns;         /* its wall clock - the aggregator's; 0 = not known */
};

/* An endpoint at which nothing is heard.  Fields: ntc.proto, message UnheardEndpoint. */
struct unheard_endpoint {
    char endpoint[128];
    char problem[256];              /* UTF-8 */
};

struct table_state {
    char name[16];
    uint32_t size;
    uint32_t capacity;
    uint64_t evicted;
    uint64_t refused;
};

struct top_rows {
    uint32_t size;
    struct address_row rows[SNAPSHOT_TOP];
};

struct snapshot {
    char version[16];
    uint64_t boot_id;
    uint64_t seq;
    uint64_t unix_ns;
    double packets_per_second, bytes_per_second;
    double packets_per_second_now, bytes_per_second_now;
    uint32_t active_ips, active_flows;
    uint32_t collector_count;
    struct collector_state *collectors;     /* collector_count of them, from malloc */
    struct top_rows top_packets, top_bytes, top_ports, top_syn, top_ack;
    uint32_t top_flow_count;
    struct flow_row top_flows[SNAPSHOT_TOP];
    uint32_t table_count;
    struct table_state tables[SNAPSHOT_MAX_TABLES];
    struct process_cost cost;
    uint64_t bad_messages;
    uint32_t unheard_count;
    struct unheard_endpoint *unheard;       /* unheard_count of them, from malloc */
};

/* Encode; the caller frees *ret_bytes.  Returns 0 or -ENOMEM. */
int snapshot_encode(const struct snapshot *snapshot, uint8_t **ret_bytes, size_t *ret_size);

/* Decode and check a message that may come from anybody.  The caller calls snapshot_clear().
 * Returns 0, -EBADMSG or -ENOMEM; *ret_snapshot is zeroed on failure. */
int snapshot_decode(struct snapshot *ret_snapshot, const uint8_t *bytes, size_t size);

/* Free what a snapshot points at and zero it. */
void snapshot_clear(struct snapshot *snapshot);

#endif
