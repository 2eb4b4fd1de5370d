#include "packet_batch.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ntc.pb-c.h"
#include "wire_message.h"

#define MAX_VLAN 4095
#define MAX_KIND 15

struct packet_batch {
    uint32_t size;
    uint32_t capacity;
    uint64_t sum_packets;
    uint64_t sum_bytes;
    uint32_t any_duration, any_port, any_ifindex, any_vlan; /* OR of the column: 0 = leave it out */
    uint8_t any_tcp_flags, any_kind;
    uint64_t *first_ns;             /* the columns, in one block with `self` */
    uint32_t *duration_ns, *ports, *packets, *bytes, *ifindex, *vlan;
    uint8_t (*src_addr)[16], (*dst_addr)[16];
    uint8_t *protocol, *tcp_flags, *kind;
};

/* Stands for a column that was left out. */
static const uint64_t ZEROS[PACKET_BATCH_MAX * 16 / sizeof(uint64_t)];

/* ---- building ---- */

packet_batch_t *packet_batch_new(uint32_t capacity)
{
    assert(capacity >= 1 && capacity <= PACKET_BATCH_MAX);

    enum { RECORD_SIZE = sizeof(uint64_t) + 6 * sizeof(uint32_t) + 2 * 16 + 3 };
    packet_batch_t *self = calloc(1, sizeof *self + (size_t) capacity * RECORD_SIZE);

    if (!self)
        return NULL;
    self->capacity = capacity;
    self->first_ns = (uint64_t *) (self + 1);
    self->duration_ns = (uint32_t *) (self->first_ns + capacity);
    self->ports = self->duration_ns + capacity;
    self->packets = self->ports + capacity;
    self->bytes = self->packets + capacity;
    self->ifindex = self->bytes + capacity;
    self->vlan = self->ifindex + capacity;
    self->src_addr = (uint8_t (*)[16]) (self->vlan + capacity);
    self->dst_addr = self->src_addr + capacity;
    self->protocol = (uint8_t *) (self->dst_addr + capacity);
    self->tcp_flags = self->protocol + capacity;
    self->kind = self->tcp_flags + capacity;
    return self;
}

void packet_batch_destroy(packet_batch_t **self_p)
{
    assert(self_p);
    free(*self_p);
    *self_p = NULL;
}

static uint32_t saturate(uint64_t value)
{
    return value < UINT32_MAX ? (uint32_t) value : UINT32_MAX;
}

void packet_batch_add(packet_batch_t *self, const struct packet_record *record)
{
    assert(self && record && record->packets >= 1 && self->size < self->capacity);

    uint32_t i = self->size++;
    uint32_t ports = (uint32_t) record->src_port << 16 | record->dst_port;
    uint32_t bytes = saturate(record->bytes);
    uint32_t duration_ns = record->last_ns > record->first_ns
        ? saturate(record->last_ns - record->first_ns) : 0;
    uint8_t kind = (uint8_t) ((record->action & 3) | (record->direction & 1) << 2
                              | (record->ip_version == 6) << 3);

    self->first_ns[i] = record->first_ns;
    self->duration_ns[i] = duration_ns;
    memcpy(self->src_addr[i], record->src_addr, 16);
    memcpy(self->dst_addr[i], record->dst_addr, 16);
    self->ports[i] = ports;
    self->packets[i] = record->packets;
    self->bytes[i] = bytes;
    self->ifindex[i] = record->ifindex;
    self->vlan[i] = record->vlan & MAX_VLAN;
    self->protocol[i] = record->protocol;
    self->tcp_flags[i] = record->tcp_flags;
    self->kind[i] = kind;

    self->sum_packets += record->packets;
    self->sum_bytes += bytes;
    self->any_duration |= duration_ns;
    self->any_port |= ports;
    self->any_ifindex |= record->ifindex;
    self->any_vlan |= record->vlan & MAX_VLAN;
    self->any_tcp_flags |= record->tcp_flags;
    self->any_kind |= kind;
}

void packet_batch_clear(packet_batch_t *self)
{
    self->size = 0;
    self->sum_packets = self->sum_bytes = 0;
    self->any_duration = self->any_port = self->any_ifindex = self->any_vlan = 0;
    self->any_tcp_flags = self->any_kind = 0;
}

uint32_t packet_batch_size(const packet_batch_t *self) { return self->size; }

bool packet_batch_is_full(const packet_batch_t *self) { return self->size == self->capacity; }

uint32_t packet_batch_room(const packet_batch_t *self) { return self->capacity - self->size; }

uint64_t packet_batch_packets(const packet_batch_t *self) { return self->sum_packets; }

uint64_t packet_batch_bytes(const packet_batch_t *self) { return self->sum_bytes; }

int packet_batch_encode(const packet_batch_t *self, const struct batch_header *header,
                        uint8_t **ret_bytes, size_t *ret_size)
{
    assert(self && header && self->size > 0);

    Ntc__PacketBatch message = NTC__PACKET_BATCH__INIT;
    size_t size = self->size;

    message.collector_id = (char *) header->collector_id;
    message.boot_id = header->boot_id;
    message.first_seq = header->first_seq;
    message.packets_before = header->packets_before;
    message.bytes_before = header->bytes_before;
    message.wall_offset_ns = header->wall_offset_ns;
    message.n_first_ns = message.n_packets = message.n_bytes = size;
    message.first_ns = self->first_ns;
    message.packets = self->packets;
    message.bytes = self->bytes;
    message.src_addr = (ProtobufCBinaryData) { 16 * size, (uint8_t *) self->src_addr };
    message.dst_addr = (ProtobufCBinaryData) { 16 * size, (uint8_t *) self->dst_addr };
    message.protocol = (ProtobufCBinaryData) { size, self->protocol };

    message.n_duration_ns = self->any_duration ? size : 0;
    message.duration_ns = self->duration_ns;
    message.n_ports = self->any_port ? size : 0;
    message.ports = self->ports;
    message.n_ifindex = self->any_ifindex ? size : 0;
    message.ifindex = self->ifindex;
    message.n_vlan = self->any_vlan ? size : 0;
    message.vlan = self->vlan;
    message.tcp_flags = (ProtobufCBinaryData) { self->any_tcp_flags ? size : 0, self->tcp_flags };
    message.kind = (ProtobufCBinaryData) { self->any_kind ? size : 0, self->kind };
    return wire_message_pack(&message.base, ret_bytes, ret_size);
}

/* ---- reading ---- */

static const void *column(const void *values, size_t length)
{
    return length > 0 ? values : ZEROS;
}

static bool fits(size_t length, size_t size) { return length == 0 || length == size; }

static bool columns_fit(const Ntc__PacketBatch *message)
{
    size_t size = message->n_packets;   /* never left out: no record has 0 packets */

    return size >= 1 && size <= PACKET_BATCH_MAX
        && fits(message->n_first_ns, size) && fits(message->n_duration_ns, size)
        && fits(message->src_addr.len, 16 * size) && fits(message->dst_addr.len, 16 * size)
        && fits(message->n_ports, size) && fits(message->n_bytes, size)
        && fits(message->n_ifindex, size) && fits(message->n_vlan, size)
        && fits(message->protocol.len, size) && fits(message->tcp_flags.len, size)
        && fits(message->kind.len, size);
}

static bool read_header(struct batch_header *header, const Ntc__PacketBatch *message)
{
    header->boot_id = message->boot_id;
    header->first_seq = message->first_seq;
    header->packets_before = message->packets_before;
    header->bytes_before = message->bytes_before;
    header->wall_offset_ns = message->wall_offset_ns;
    return wire_message_ascii(header->collector_id, sizeof header->collector_id,
                              message->collector_id)
        && header->collector_id[0] != '\0'
        && header->first_seq >= 1 && header->first_seq <= UINT64_MAX - message->n_packets;
}

static void take_columns(struct packet_view *view, const Ntc__PacketBatch *message)
{
    view->size = (uint32_t) message->n_packets;
    view->packets = message->packets;
    view->first_ns = column(message->first_ns, message->n_first_ns);
    view->duration_ns = column(message->duration_ns, message->n_duration_ns);
    view->src_addr = column(message->src_addr.data, message->src_addr.len);
    view->dst_addr = column(message->dst_addr.data, message->dst_addr.len);
    view->ports = column(message->ports, message->n_ports);
    view->bytes = column(message->bytes, message->n_bytes);
    view->ifindex = column(message->ifindex, message->n_ifindex);
    view->vlan = column(message->vlan, message->n_vlan);
    view->protocol = column(message->protocol.data, message->protocol.len);
    view->tcp_flags = column(message->tcp_flags.data, message->tcp_flags.len);
    view->kind = column(message->kind.data, message->kind.len);
}

/* Sum up, and find the largest value of each column that has a limit.  Loops over one column each:
 * the compiler makes vectors of them. */
static bool values_fit(struct packet_view *view)
{
    uint32_t zero_packets = 0, any_vlan = 0;
    uint64_t latest_ns = 0;
    uint8_t any_kind = 0;

    for (uint32_t i = 0; i < view->size; i++) {
        view->sum_packets += view->packets[i];
        zero_packets |= view->packets[i] == 0;
    }
    for (uint32_t i = 0; i < view->size; i++)
        view->sum_bytes += view->bytes[i];
    for (uint32_t i = 0; i < view->size; i++)
        latest_ns = view->first_ns[i] > latest_ns ? view->first_ns[i] : latest_ns;
    for (uint32_t i = 0; i < view->size; i++)
        any_vlan |= view->vlan[i];
    for (uint32_t i = 0; i < view->size; i++)
        any_kind |= view->kind[i];
    return !zero_packets && any_vlan <= MAX_VLAN && any_kind <= MAX_KIND
        && latest_ns <= UINT64_MAX - UINT32_MAX
        && view->sum_packets <= UINT64_MAX - view->header.packets_before
        && view->sum_bytes <= UINT64_MAX - view->header.bytes_before;
}

int packet_view_open(struct packet_view *ret_view, const uint8_t *bytes, size_t size)
{
    assert(ret_view);

    struct packet_view view = { 0 };
    ProtobufCMessage *base;
    int rc = wire_message_unpack(&ntc__packet_batch__descriptor, bytes, size, &base);
    if (rc != 0)
        return rc;

    const Ntc__PacketBatch *message = (const Ntc__PacketBatch *) base;
    view.memory = base;
    if (columns_fit(message) && read_header(&view.header, message)) {
        take_columns(&view, message);
        if (values_fit(&view)) {
            *ret_view = view;
            return 0;
        }
    }
    wire_message_free(base);
    return -EBADMSG;
}

void packet_view_close(struct packet_view *view)
{
    assert(view);
    wire_message_free(view->memory);
    memset(view, 0, sizeof *view);
}

void packet_view_record(const struct packet_view *view, uint32_t i,
                        struct packet_record *ret_record)
{
    assert(view && i < view->size && ret_record);

    uint8_t kind = view->kind[i];

    *ret_record = (struct packet_record) {
        .first_ns = view->first_ns[i],
        .last_ns = view->first_ns[i] + view->duration_ns[i],
        .bytes = view->bytes[i],
        .packets = view->packets[i],
        .ifindex = view->ifindex[i],
        .src_port = (uint16_t) (view->ports[i] >> 16),
        .dst_port = (uint16_t) view->ports[i],
        .vlan = (uint16_t) view->vlan[i],
        .protocol = view->protocol[i],
        .ip_version = packet_kind_ip_version(kind),
        .tcp_flags = view->tcp_flags[i],
        .direction = packet_kind_direction(kind),
        .action = packet_kind_action(kind),
    };
    memcpy(ret_record->src_addr, view->src_addr[i], 16);
    memcpy(ret_record->dst_addr, view->dst_addr[i], 16);
}
