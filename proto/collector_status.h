/* collector_status - codec of CollectorStatus: counters, ledger, interfaces, lists of a collector.
 */
#ifndef COLLECTOR_STATUS_H
#define COLLECTOR_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "packet_batch.h"
#include "process_cost.h"

#define STATUS_COUNTERS (PACKET_GROUPS * PACKET_DIRECTIONS * PACKET_ACTIONS)
#define STATUS_MAX_INTERFACES 64
#define STATUS_MAX_LOSSES 8

/* Where a counter stands in packets[] and bytes[]. */
static inline unsigned status_counter_index(unsigned group, unsigned direction, unsigned action)
{
    return group * PACKET_DIRECTIONS * PACKET_ACTIONS + direction * PACKET_ACTIONS + action;
}

struct loss {
    char stage[16];             /* "ring", "unsubscribed", "bus", "crash" */
    uint64_t records;
    uint64_t packets;
    uint64_t bytes;
};

struct interface_state {
    char name[16];              /* IFNAMSIZ */
    uint32_t ifindex;           /* 0 while away */
    bool attached;
    char error[96];             /* why not attached, "" = attached or away */
};

struct list_state {
    uint32_t hosts;
    uint32_t prefixes;
};

/* Meaning, unit and order of each field: ntc.proto, message CollectorStatus. */
struct collector_status {
    char collector_id[COLLECTOR_ID_SIZE];
    uint64_t boot_id;
    char version[16];
    char source[16];
    uint64_t next_seq;
    uint64_t clock_ns;
    int64_t wall_offset_ns;
    uint64_t started_ns;
    uint64_t packets[STATUS_COUNTERS];
    uint64_t bytes[STATUS_COUNTERS];
    uint64_t not_ip_packets, not_ip_bytes;
    uint64_t unparsed_packets, unparsed_bytes;
    uint64_t due_low, due_high;
    uint64_t published_packets, published_bytes;
    uint32_t loss_count;
    struct loss losses[STATUS_MAX_LOSSES];
    uint32_t interface_count;
    struct interface_state interfaces[STATUS_MAX_INTERFACES];
    struct list_state blacklist, whitelist;
    uint64_t list_version;
    struct process_cost cost;
};

/* Encode; the caller frees *ret_bytes.  Returns 0 or -ENOMEM. */
int collector_status_encode(const struct collector_status *status,
                            uint8_t **ret_bytes, size_t *ret_size);

/* Decode and check a message that may come from anybody.
 * Returns 0, -EBADMSG when it is no valid status (too many items, strings too long or not
 * printable, counters of the wrong number), or -ENOMEM. */
int collector_status_decode(struct collector_status *ret_status, const uint8_t *bytes, size_t size);

#endif
