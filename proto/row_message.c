#include "row_message.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "wire_message.h"

static void fill_address(Ntc__AddressRow *message, const struct address_row *row)
{
    *message = (Ntc__AddressRow) NTC__ADDRESS_ROW__INIT;
    message->addr = (ProtobufCBinaryData) { 16, (uint8_t *) row->addr };
    message->packets_per_second = row->packets_per_second;
    message->bytes_per_second = row->bytes_per_second;
    message->unique_dst_ports = row->unique_dst_ports;
    message->syn = row->syn;
    message->ack = row->ack;
    message->packets = row->packets;
    message->bytes = row->bytes;
    message->last_unix_ns = row->last_unix_ns;
    if (row->has_seconds) {
        message->n_packets_by_second = message->n_bytes_by_second = WINDOW_S;
        message->packets_by_second = (uint32_t *) row->packets_by_second;
        message->bytes_by_second = (uint64_t *) row->bytes_by_second;
    }
}

static void fill_flow(Ntc__FlowRow *message, const struct flow_row *row)
{
    *message = (Ntc__FlowRow) NTC__FLOW_ROW__INIT;
    message->src_addr = (ProtobufCBinaryData) { 16, (uint8_t *) row->src_addr };
    message->dst_addr = (ProtobufCBinaryData) { 16, (uint8_t *) row->dst_addr };
    message->src_port = row->src_port;
    message->dst_port = row->dst_port;
    message->protocol = row->protocol;
    message->direction = row->direction;
    message->action = row->action;
    message->ip_version = row->ip_version;
    message->tcp_flags = row->tcp_flags;
    message->ifindex = row->ifindex;
    message->collector_id = (char *) row->collector_id;
    message->first_unix_ns = row->first_unix_ns;
    message->last_unix_ns = row->last_unix_ns;
    message->packets = row->packets;
    message->bytes = row->bytes;
}

int address_messages_new(struct address_messages *ret_self, const struct address_row *rows,
                         size_t count)
{
    *ret_self = (struct address_messages) { 0 };
    if (count == 0)
        return 0;
    ret_self->list = malloc(count * (sizeof(Ntc__AddressRow *) + sizeof(Ntc__AddressRow)));
    if (!ret_self->list)
        return -ENOMEM;
    ret_self->messages = (Ntc__AddressRow *) (ret_self->list + count);
    for (size_t i = 0; i < count; i++) {
        fill_address(&ret_self->messages[i], &rows[i]);
        ret_self->list[i] = &ret_self->messages[i];
    }
    return 0;
}

int flow_messages_new(struct flow_messages *ret_self, const struct flow_row *rows, size_t count)
{
    *ret_self = (struct flow_messages) { 0 };
    if (count == 0)
        return 0;
    ret_self->list = malloc(count * (sizeof(Ntc__FlowRow *) + sizeof(Ntc__FlowRow)));
    if (!ret_self->list)
        return -ENOMEM;
    ret_self->messages = (Ntc__FlowRow *) (ret_self->list + count);
    for (size_t i = 0; i < count; i++) {
        fill_flow(&ret_self->messages[i], &rows[i]);
        ret_self->list[i] = &ret_self->messages[i];
    }
    return 0;
}

static bool read_address_bytes(uint8_t ret_addr[16], const ProtobufCBinaryData *bytes)
{
    if (bytes->len != 16)
        return false;
    memcpy(ret_addr, bytes->data, 16);
    return true;
}

/* Both columns of seconds are there, or none. */
static bool read_seconds(const Ntc__AddressRow *message, struct address_row *row)
{
    size_t count = message->n_packets_by_second;

    if (message->n_bytes_by_second != count || (count != 0 && count != WINDOW_S))
        return false;
    row->has_seconds = count == WINDOW_S;
    if (row->has_seconds) {
        memcpy(row->packets_by_second, message->packets_by_second, sizeof row->packets_by_second);
        memcpy(row->bytes_by_second, message->bytes_by_second, sizeof row->bytes_by_second);
    }
    return true;
}

static bool read_address(const Ntc__AddressRow *message, struct address_row *row)
{
    row->packets_per_second = message->packets_per_second;
    row->bytes_per_second = message->bytes_per_second;
    row->unique_dst_ports = message->unique_dst_ports;
    row->syn = message->syn;
    row->ack = message->ack;
    row->packets = message->packets;
    row->bytes = message->bytes;
    row->last_unix_ns = message->last_unix_ns;
    return read_address_bytes(row->addr, &message->addr)
        && wire_message_is_amount(row->packets_per_second)
        && wire_message_is_amount(row->bytes_per_second)
        && read_seconds(message, row);
}

static bool read_flow(const Ntc__FlowRow *message, struct flow_row *row)
{
    row->src_port = (uint16_t) message->src_port;
    row->dst_port = (uint16_t) message->dst_port;
    row->protocol = (uint8_t) message->protocol;
    row->direction = (uint8_t) message->direction;
    row->action = (uint8_t) message->action;
    row->ip_version = (uint8_t) message->ip_version;
    row->tcp_flags = (uint8_t) message->tcp_flags;
    row->ifindex = message->ifindex;
    row->first_unix_ns = message->first_unix_ns;
    row->last_unix_ns = message->last_unix_ns;
    row->packets = message->packets;
    row->bytes = message->bytes;
    return read_address_bytes(row->src_addr, &message->src_addr)
        && read_address_bytes(row->dst_addr, &message->dst_addr)
        && message->src_port <= UINT16_MAX && message->dst_port <= UINT16_MAX
        && message->protocol <= UINT8_MAX && message->tcp_flags <= UINT8_MAX
        && message->direction < PACKET_DIRECTIONS && message->action < PACKET_ACTIONS
        && (message->ip_version == 4 || message->ip_version == 6)
        && wire_message_ascii(row->collector_id, sizeof row->collector_id, message->collector_id);
}

bool address_messages_read(Ntc__AddressRow *const *list, size_t count,
                           struct address_row *ret_rows)
{
    for (size_t i = 0; i < count; i++)
        if (!read_address(list[i], &ret_rows[i]))
            return false;
    return true;
}

bool flow_messages_read(Ntc__FlowRow *const *list, size_t count, struct flow_row *ret_rows)
{
    for (size_t i = 0; i < count; i++)
        if (!read_flow(list[i], &ret_rows[i]))
            return false;
    return true;
}
