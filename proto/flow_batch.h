/* flow_batch - codec of FlowBatch: flows that ended, as columns.
 */
#ifndef FLOW_BATCH_H
#define FLOW_BATCH_H

#include <stdbool.h>

#include "flow_key.h"
#include "packet_batch.h"

#define FLOW_BATCH_MAX 4096

enum flow_end {
    FLOW_END_IDLE = 1,
    FLOW_END_FLUSHED = 2,       /* reported at flush_s; the flow goes on with new totals */
    FLOW_END_FIN = 3,
    FLOW_END_RST = 4,
    FLOW_END_EVICTED = 5,       /* pushed out by a newer one */
};

struct ended_flow {
    struct flow_key key;        /* key.collector is not sent: a batch is of one collector */
    uint64_t first_ns;          /* CLOCK_BOOTTIME of the collector */
    uint64_t last_ns;
    uint64_t packets;
    uint64_t bytes;
    uint32_t ifindex;
    uint8_t tcp_flags;          /* OR of all */
    uint8_t action;             /* enum packet_action, the last one */
    uint8_t ip_version;
    uint8_t reason;             /* enum flow_end */
};

/* Encode `count` flows, 1 to FLOW_BATCH_MAX; the caller frees *ret_bytes.  Returns 0 or -ENOMEM. */
int flow_batch_encode(const char *collector_id, int64_t wall_offset_ns,
                      const struct ended_flow *flows, uint32_t count,
                      uint8_t **ret_bytes, size_t *ret_size);

struct flow_batch {
    char collector_id[COLLECTOR_ID_SIZE];
    int64_t wall_offset_ns;
    uint32_t size;
    struct ended_flow *flows;   /* from malloc, flow_batch_clear() frees it */
};

/* Decode and check a message that may come from anybody.
 * Returns 0, -EBADMSG or -ENOMEM; *ret_batch is zeroed on failure. */
int flow_batch_decode(struct flow_batch *ret_batch, const uint8_t *bytes, size_t size);

void flow_batch_clear(struct flow_batch *batch);

#endif
