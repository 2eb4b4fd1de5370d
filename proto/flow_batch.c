#include "flow_batch.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ntc.pb-c.h"
#include "wire_message.h"

#define MAX_KIND 15

/* The columns of a message under construction, in one block. */
struct columns {
    uint64_t *first_ns, *last_ns, *packets, *bytes;
    uint32_t *ports, *ifindex;
    uint8_t (*src_addr)[16], (*dst_addr)[16];
    uint8_t *protocol, *tcp_flags, *kind, *reason;
};

/* Returns the block, which the caller frees, or NULL. */
static void *new_columns(struct columns *columns, size_t count)
{
    enum { ROW_SIZE = 4 * sizeof(uint64_t) + 2 * sizeof(uint32_t) + 2 * 16 + 4 };
    uint64_t *block = malloc(count * ROW_SIZE);

    if (!block)
        return NULL;
    columns->first_ns = block;
    columns->last_ns = columns->first_ns + count;
    columns->packets = columns->last_ns + count;
    columns->bytes = columns->packets + count;
    columns->ports = (uint32_t *) (columns->bytes + count);
    columns->ifindex = columns->ports + count;
    columns->src_addr = (uint8_t (*)[16]) (columns->ifindex + count);
    columns->dst_addr = columns->src_addr + count;
    columns->protocol = (uint8_t *) (columns->dst_addr + count);
    columns->tcp_flags = columns->protocol + count;
    columns->kind = columns->tcp_flags + count;
    columns->reason = columns->kind + count;
    return block;
}

static void fill_row(struct columns *columns, size_t i, const struct ended_flow *flow)
{
    columns->first_ns[i] = flow->first_ns;
    columns->last_ns[i] = flow->last_ns;
    columns->packets[i] = flow->packets;
    columns->bytes[i] = flow->bytes;
    columns->ports[i] = (uint32_t) flow->key.src_port << 16 | flow->key.dst_port;
    columns->ifindex[i] = flow->ifindex;
    memcpy(columns->src_addr[i], flow->key.src_addr, 16);
    memcpy(columns->dst_addr[i], flow->key.dst_addr, 16);
    columns->protocol[i] = flow->key.protocol;
    columns->tcp_flags[i] = flow->tcp_flags;
    columns->kind[i] = (uint8_t) ((flow->action & 3) | (flow->key.direction & 1) << 2
                                  | (flow->ip_version == 6) << 3);
    columns->reason[i] = flow->reason;
}

int flow_batch_encode(const char *collector_id, int64_t wall_offset_ns,
                      const struct ended_flow *flows, uint32_t count,
                      uint8_t **ret_bytes, size_t *ret_size)
{
    assert(collector_id && flows && count >= 1 && count <= FLOW_BATCH_MAX);

    Ntc__FlowBatch message = NTC__FLOW_BATCH__INIT;
    struct columns columns;
    void *block = new_columns(&columns, count);
    if (!block)
        return -ENOMEM;

    for (uint32_t i = 0; i < count; i++)
        fill_row(&columns, i, &flows[i]);
    message.collector_id = (char *) collector_id;
    message.wall_offset_ns = wall_offset_ns;
    message.n_first_ns = message.n_last_ns = message.n_packets = message.n_bytes = count;
    message.n_ports = message.n_ifindex = count;
    message.first_ns = columns.first_ns;
    message.last_ns = columns.last_ns;
    message.packets = columns.packets;
    message.bytes = columns.bytes;
    message.ports = columns.ports;
    message.ifindex = columns.ifindex;
    message.src_addr = (ProtobufCBinaryData) { 16 * (size_t) count, (uint8_t *) columns.src_addr };
    message.dst_addr = (ProtobufCBinaryData) { 16 * (size_t) count, (uint8_t *) columns.dst_addr };
    message.protocol = (ProtobufCBinaryData) { count, columns.protocol };
    message.tcp_flags = (ProtobufCBinaryData) { count, columns.tcp_flags };
    message.kind = (ProtobufCBinaryData) { count, columns.kind };
    message.reason = (ProtobufCBinaryData) { count, columns.reason };
    int rc = wire_message_pack(&message.base, ret_bytes, ret_size);
    free(block);
    return rc;
}

static bool fits(size_t length, size_t size) { return length == 0 || length == size; }

static bool columns_fit(const Ntc__FlowBatch *message)
{
    size_t size = message->n_packets;   /* never left out: no flow has 0 packets */

    return size >= 1 && size <= FLOW_BATCH_MAX && message->reason.len == size
        && fits(message->n_first_ns, size) && fits(message->n_last_ns, size)
        && fits(message->n_bytes, size) && fits(message->n_ports, size)
        && fits(message->n_ifindex, size)
        && fits(message->src_addr.len, 16 * size) && fits(message->dst_addr.len, 16 * size)
        && fits(message->protocol.len, size) && fits(message->tcp_flags.len, size)
        && fits(message->kind.len, size);
}

static uint64_t u64_of(const uint64_t *values, size_t length, size_t i)
{
    return length > 0 ? values[i] : 0;
}

static uint32_t u32_of(const uint32_t *values, size_t length, size_t i)
{
    return length > 0 ? values[i] : 0;
}

static uint8_t byte_of(const ProtobufCBinaryData *column, size_t i)
{
    return column->len > 0 ? column->data[i] : 0;
}

static bool read_row(const Ntc__FlowBatch *message, size_t i, struct ended_flow *flow)
{
    uint32_t ports = u32_of(message->ports, message->n_ports, i);
    uint8_t kind = byte_of(&message->kind, i);

    flow->first_ns = u64_of(message->first_ns, message->n_first_ns, i);
    flow->last_ns = u64_of(message->last_ns, message->n_last_ns, i);
    flow->packets = message->packets[i];
    flow->bytes = u64_of(message->bytes, message->n_bytes, i);
    flow->ifindex = u32_of(message->ifindex, message->n_ifindex, i);
    flow->tcp_flags = byte_of(&message->tcp_flags, i);
    flow->action = packet_kind_action(kind);
    flow->ip_version = packet_kind_ip_version(kind);
    flow->reason = message->reason.data[i];
    flow->key.src_port = (uint16_t) (ports >> 16);
    flow->key.dst_port = (uint16_t) ports;
    flow->key.protocol = byte_of(&message->protocol, i);
    flow->key.direction = packet_kind_direction(kind);
    if (message->src_addr.len > 0)
        memcpy(flow->key.src_addr, message->src_addr.data + 16 * i, 16);
    if (message->dst_addr.len > 0)
        memcpy(flow->key.dst_addr, message->dst_addr.data + 16 * i, 16);
    return kind <= MAX_KIND && flow->packets >= 1 && flow->last_ns >= flow->first_ns
        && flow->reason >= FLOW_END_IDLE && flow->reason <= FLOW_END_EVICTED;
}

static int read_batch(const Ntc__FlowBatch *message, struct flow_batch *batch)
{
    if (!columns_fit(message)
        || !wire_message_ascii(batch->collector_id, sizeof batch->collector_id,
                               message->collector_id)
        || batch->collector_id[0] == '\0')
        return -EBADMSG;
    batch->wall_offset_ns = message->wall_offset_ns;
    batch->size = (uint32_t) message->n_packets;
    batch->flows = calloc(batch->size, sizeof *batch->flows);
    if (!batch->flows)
        return -ENOMEM;
    for (uint32_t i = 0; i < batch->size; i++)
        if (!read_row(message, i, &batch->flows[i]))
            return -EBADMSG;
    return 0;
}

int flow_batch_decode(struct flow_batch *ret_batch, const uint8_t *bytes, size_t size)
{
    assert(ret_batch);

    ProtobufCMessage *base;

    memset(ret_batch, 0, sizeof *ret_batch);
    int rc = wire_message_unpack(&ntc__flow_batch__descriptor, bytes, size, &base);
    if (rc != 0)
        return rc;
    rc = read_batch((const Ntc__FlowBatch *) base, ret_batch);
    wire_message_free(base);
    if (rc != 0)
        flow_batch_clear(ret_batch);
    return rc;
}

void flow_batch_clear(struct flow_batch *batch)
{
    assert(batch);
    free(batch->flows);
    memset(batch, 0, sizeof *batch);
}
