/* record_stream - what a collector would publish, built record by record. */
#ifndef RECORD_STREAM_H
#define RECORD_STREAM_H

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "packet_batch.h"

struct record_stream {
    struct batch_header header; /* of the next batch */
    packet_batch_t *batch;
    uint8_t *bytes;             /* the last batch as a message */
    size_t size;
    struct packet_view view;    /* the same, decoded */
};

static inline struct record_stream record_stream_open(const char *id, uint64_t boot_id)
{
    struct record_stream self = {
        .header = { .boot_id = boot_id, .first_seq = 1 },
        .batch = packet_batch_new(PACKET_BATCH_MAX),
    };

    ck_assert_ptr_nonnull(self.batch);
    snprintf(self.header.collector_id, sizeof self.header.collector_id, "%s", id);
    return self;
}

static inline void record_stream_close(struct record_stream *self)
{
    packet_batch_destroy(&self->batch);
    packet_view_close(&self->view);
    free(self->bytes);
    self->bytes = NULL;
}

/* Finish the batch: its message and its view are valid until the next one. */
static inline const struct packet_view *record_stream_cut(struct record_stream *self)
{
    packet_view_close(&self->view);
    free(self->bytes);
    ck_assert_int_eq(packet_batch_encode(self->batch, &self->header, &self->bytes, &self->size), 0);
    ck_assert_int_eq(packet_view_open(&self->view, self->bytes, self->size), 0);
    self->header.first_seq += packet_batch_size(self->batch);
    self->header.packets_before += packet_batch_packets(self->batch);
    self->header.bytes_before += packet_batch_bytes(self->batch);
    packet_batch_clear(self->batch);
    return &self->view;
}

static inline void record_addr(uint8_t addr[16], uint32_t ipv4)
{
    memset(addr, 0, 10);
    addr[10] = addr[11] = 0xff;
    for (int i = 0; i < 4; i++)
        addr[12 + i] = (uint8_t) (ipv4 >> (24 - 8 * i));
}

/* One packet of 100 bytes at `at_ns`; `src` and `dst` are IPv4 addresses in host order. */
static inline struct packet_record record_of(uint8_t protocol, uint32_t src, uint16_t src_port,
                                             uint32_t dst, uint16_t dst_port, uint64_t at_ns)
{
    struct packet_record record = {
        .first_ns = at_ns, .last_ns = at_ns, .packets = 1, .bytes = 100, .ifindex = 2,
        .src_port = src_port, .dst_port = dst_port, .protocol = protocol, .ip_version = 4,
    };

    record_addr(record.src_addr, src);
    record_addr(record.dst_addr, dst);
    return record;
}

static inline struct packet_record record_tcp(uint8_t flags, uint32_t src, uint16_t src_port,
                                              uint32_t dst, uint16_t dst_port, uint64_t at_ns)
{
    struct packet_record record = record_of(IPPROTO_TCP, src, src_port, dst, dst_port, at_ns);

    record.tcp_flags = flags;
    return record;
}

/* The same packet the other way round. */
static inline struct packet_record record_answer(const struct packet_record *record, uint8_t flags)
{
    struct packet_record answer = *record;

    memcpy(answer.src_addr, record->dst_addr, 16);
    memcpy(answer.dst_addr, record->src_addr, 16);
    answer.src_port = record->dst_port;
    answer.dst_port = record->src_port;
    answer.direction = !record->direction;
    answer.tcp_flags = flags;
    return answer;
}

#endif
