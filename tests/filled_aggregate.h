/* filled_aggregate - an aggregator's knowledge after some made-up traffic. */
#ifndef FILLED_AGGREGATE_H
#define FILLED_AGGREGATE_H

#include "aggregate.h"
#include "record_stream.h"

#define FILLED_LOCAL_NS (50000 * NS_PER_S)      /* CLOCK_BOOTTIME of all */
#define FILLED_WALL_NS (1700000000 * NS_PER_S)

static inline void filled_ignore(const struct ended_flow *flow, void *arg)
{
    (void) flow;
    (void) arg;
}

static inline aggregate_t *filled_new(void)
{
    struct flow_limits limits = { .flows = 20000, .idle_s = 30, .flush_s = 60 };
    aggregate_t *aggregate = aggregate_new(&limits, 4096, 42, filled_ignore, NULL);

    ck_assert_ptr_nonnull(aggregate);
    return aggregate;
}

/* A status that covers all batches so far, at FILLED_LOCAL_NS + `after_s`. */
static inline void filled_status(aggregate_t *aggregate, const struct record_stream *stream,
                                 uint32_t after_s, uint64_t counter)
{
    struct collector_status status = {
        .boot_id = stream->header.boot_id,
        .version = "0.1.0",
        .source = "mock",
        .next_seq = stream->header.first_seq,
        .clock_ns = FILLED_LOCAL_NS + after_s * NS_PER_S,
        .wall_offset_ns = (int64_t) (FILLED_WALL_NS - FILLED_LOCAL_NS),
        .published_packets = stream->header.packets_before,
        .published_bytes = stream->header.bytes_before,
        .due_low = stream->header.packets_before,
        .due_high = stream->header.packets_before,
        .packets[0] = counter,
        .bytes[0] = 100 * counter,
    };

    snprintf(status.collector_id, sizeof status.collector_id, "%s", stream->header.collector_id);
    aggregate_take_status(aggregate, &status, status.clock_ns);
}

/* Flow i of `count` comes from 10.0.0.0 + i, ports 1000 + i to 80 + i % 3 (UDP when i is odd), has
 * i + 1 packets of 100 bytes, and lasts i microseconds. */
static inline void filled_flows(aggregate_t *aggregate, struct record_stream *stream,
                                uint32_t count)
{
    stream->header.wall_offset_ns = (int64_t) (FILLED_WALL_NS - FILLED_LOCAL_NS);
    for (uint32_t i = 0; i < count; i++) {
        struct packet_record record = record_of(i % 2 ? IPPROTO_UDP : IPPROTO_TCP, 0x0a000000 + i,
                                                (uint16_t) (1000 + i), 0xc0a80001,
                                                (uint16_t) (80 + i % 3), FILLED_LOCAL_NS);
        record.last_ns += i * 1000;
        record.packets = i + 1;
        record.bytes = 100 * (i + 1);
        record.tcp_flags = i % 2 ? 0 : PACKET_TCP_SYN;
        record.direction = i % 5 == 0;
        record.action = i % 4;
        packet_batch_add(stream->batch, &record);
        if (packet_batch_is_full(stream->batch) || i + 1 == count)
            aggregate_take_batch(aggregate, record_stream_cut(stream), FILLED_LOCAL_NS);
    }
}

#endif
