/* numbered_batch - batches whose records say by their source port which number they have. */
#ifndef NUMBERED_BATCH_H
#define NUMBERED_BATCH_H

#include "record_stream.h"
#include "suite.h"

/* TCP from 192.0.2.`host` port `port` to 198.51.100.1 port 443. */
static inline struct packet_record numbered_record(uint8_t host, uint16_t port)
{
    return record_tcp(PACKET_TCP_ACK, 0xc0000200u + host, port, 0xc6336401, 443, 1000000000);
}

/* Cut a batch of `count` records of `host`, numbered from `seq`, the number as the port. */
static inline const struct packet_view *numbered_batch(struct record_stream *stream, uint64_t seq,
                                                       uint32_t count, uint8_t host)
{
    stream->header.first_seq = seq;
    for (uint32_t i = 0; i < count; i++) {
        struct packet_record record = numbered_record(host, (uint16_t) (seq + i));
        packet_batch_add(stream->batch, &record);
    }
    return record_stream_cut(stream);
}

#endif
