/* event_publisher - puts records into batches, and batches and status on the bus.
 *
 * Nobody listens to packets: nothing is encoded, the records are counted as unsubscribed.  While a
 * stream is recorded there is always somebody: then batches are encoded, numbered and counted as
 * published also without subscribers.
 *
 * A slow subscriber loses batches and sees the gap in their numbers; nobody waits for it.  Only a
 * lossless publisher (synthetic and replayed streams) waits instead: one stalled subscriber then
 * stops it for all.
 */
#ifndef EVENT_PUBLISHER_H
#define EVENT_PUBLISHER_H

#include <czmq.h>

#include "collector_status.h"
#include "kernel_contract.h"
#include "packet_batch.h"
#include "stream_recorder.h"

struct publisher_settings {
    const char *collector_id;       /* 1 to 63 printable ASCII characters */
    uint64_t boot_id;               /* 0 = draw a random one */
    uint32_t batch;                 /* records per message, 1 to PACKET_BATCH_MAX */
    uint64_t flush_ns;              /* a batch is sent when its first record is this old */
    bool lossless;
};

typedef struct event_publisher event_publisher_t;

/* Write the id under which we report: `configured`, or the host name when that is "". */
void event_publisher_make_id(const char *configured, char ret_id[COLLECTOR_ID_SIZE]);

/* Bind the socket; records may come after event_publisher_use().
 * Returns 0, -EADDRINUSE when another collector has it, or another -errno. */
int event_publisher_open(event_publisher_t **ret_self, const struct publisher_settings *settings,
                         const char *endpoint, int queue);

/* Count into `ledger` what becomes of the records, and record them if `recorder` is not NULL.  Both
 * must outlive the publisher. */
void event_publisher_use(event_publisher_t *self, struct ntc_ledger *ledger,
                         stream_recorder_t *recorder);

/* Close the socket; what is queued is delivered for at most the linger time. */
void event_publisher_destroy(event_publisher_t **self_p);

void event_publisher_set_linger(event_publisher_t *self, int linger_ms);

/* Readable when somebody has come or gone; call event_publisher_on_subscription() then. */
zsock_t *event_publisher_socket(const event_publisher_t *self);

enum {
    LISTENERS_CHANGED = 1,
    STATUS_JOINED = 2,          /* somebody new listens to status: send one */
    LISTENERS_WAIT = 4,         /* call again, there may be more */
};

/* Take note of who has come or gone, a bounded number.  Returns an OR of the above. */
unsigned event_publisher_on_subscription(event_publisher_t *self);

/* True when somebody listens to packets. */
bool event_publisher_has_listener(const event_publisher_t *self);

/* True when somebody watches packets live and wants them without delay. */
bool event_publisher_is_watched(const event_publisher_t *self);

/* True when records are used: somebody listens, or they are recorded. */
bool event_publisher_is_wanted(const event_publisher_t *self);

/* Make room for a record.  False when a lossless bus is full: try again later. */
bool event_publisher_has_room(event_publisher_t *self);

/* Records that can be added before the batch is sent, 1 or more; there must be room. */
uint32_t event_publisher_room(const event_publisher_t *self);

/* Take one record; there must be room.  Without listeners it is only counted. */
void event_publisher_add(event_publisher_t *self, const struct packet_record *record);

/* True when no record waits in an open batch. */
bool event_publisher_is_empty(const event_publisher_t *self);

/* Send the open batch.  Returns 0, or -EAGAIN when a lossless bus is full. */
int event_publisher_flush(event_publisher_t *self);

/* The same if it was open already `flush_ns` ago, by the calls of this function; `now_ns` is of any
 * steady clock.  Call it after every drain. */
void event_publisher_flush_due(event_publisher_t *self, uint64_t now_ns);

/* Send an encoded batch as it is, and take on its identity and numbers; `view` is of `bytes`, which
 * stay the caller's.  Returns 0, or -EAGAIN when the bus is full. */
int event_publisher_forward(event_publisher_t *self, const struct packet_view *view,
                            const uint8_t *bytes, size_t size);

/* Take on the identity of a batch that is yet to be forwarded. */
void event_publisher_adopt(event_publisher_t *self, const struct batch_header *header);

/* Fill in who we are and what was published, and send.  Flush first: a status covers every record
 * before it.  Returns 0, -EAGAIN when a lossless bus is full, or -ENOMEM. */
int event_publisher_status(event_publisher_t *self, struct collector_status *status);

#endif
