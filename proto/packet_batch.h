/* packet_batch - codec of PacketBatch: records become columns, columns become a message.
 *
 * A batch is built in fixed arrays; a view reads the columns where protobuf-c unpacked them.  A
 * view is handed out only after every length and every value has been checked.
 */
#ifndef PACKET_BATCH_H
#define PACKET_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "packet_record.h"

#define PACKET_BATCH_MAX 4096       /* records per batch */
#define COLLECTOR_ID_SIZE 64        /* longest collector id and its NUL */

struct batch_header {
    char collector_id[COLLECTOR_ID_SIZE];
    uint64_t boot_id;               /* random at each start of the collector */
    uint64_t first_seq;             /* number of the first record, from 1 */
    uint64_t packets_before;        /* in all records of this boot_id before this batch */
    uint64_t bytes_before;
    int64_t wall_offset_ns;         /* unix time - CLOCK_BOOTTIME */
};

/* ---- building ---- */

typedef struct packet_batch packet_batch_t;

/* A batch for up to `capacity` records, 1 to PACKET_BATCH_MAX.
 * Returns a batch the caller destroys, or NULL when memory is short. */
packet_batch_t *packet_batch_new(uint32_t capacity);

/* Free the batch and set *self_p to NULL.  Does nothing when *self_p is NULL. */
void packet_batch_destroy(packet_batch_t **self_p);

/* Append one record of 1 packet or more; the batch must not be full.  Bytes and duration (ns)
 * saturate at 2^32-1. */
void packet_batch_add(packet_batch_t *self, const struct packet_record *record);

void packet_batch_clear(packet_batch_t *self);

uint32_t packet_batch_size(const packet_batch_t *self);     /* records held */
bool packet_batch_is_full(const packet_batch_t *self);
uint32_t packet_batch_room(const packet_batch_t *self);     /* records until it is full */
uint64_t packet_batch_packets(const packet_batch_t *self);  /* sum over the records */
uint64_t packet_batch_bytes(const packet_batch_t *self);

/* Encode a batch that is not empty.  The caller frees *ret_bytes.
 * Returns 0 or -ENOMEM. */
int packet_batch_encode(const packet_batch_t *self, const struct batch_header *header,
                        uint8_t **ret_bytes, size_t *ret_size);

/* ---- reading ---- */

/* Columns of `size` values each; never NULL.  Valid until packet_view_close(). */
struct packet_view {
    struct batch_header header;
    uint32_t size;                  /* records, 1 to PACKET_BATCH_MAX */
    uint64_t sum_packets;           /* over all records */
    uint64_t sum_bytes;
    const uint64_t *first_ns;
    const uint32_t *duration_ns;
    const uint8_t (*src_addr)[16];
    const uint8_t (*dst_addr)[16];
    const uint32_t *ports;          /* source << 16 | destination */
    const uint32_t *packets;
    const uint32_t *bytes;
    const uint32_t *ifindex;
    const uint32_t *vlan;
    const uint8_t *protocol;
    const uint8_t *tcp_flags;
    const uint8_t *kind;            /* packet_kind_*() below */
    void *memory;                   /* the codec's own */
};

static inline uint8_t packet_kind_action(uint8_t kind) { return kind & 3; }
static inline uint8_t packet_kind_direction(uint8_t kind) { return kind >> 2 & 1; }
static inline uint8_t packet_kind_ip_version(uint8_t kind) { return kind & 8 ? 6 : 4; }

/* Decode and check a message of `size` bytes, which may come from anybody.
 * Returns 0, -EBADMSG when it is no valid batch, or -ENOMEM. */
int packet_view_open(struct packet_view *ret_view, const uint8_t *bytes, size_t size);

/* Release the columns.  Does nothing on a zeroed or closed view. */
void packet_view_close(struct packet_view *view);

/* Put record `i` of the view back together. */
void packet_view_record(const struct packet_view *view, uint32_t i,
                        struct packet_record *ret_record);

#endif
