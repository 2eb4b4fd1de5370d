#include "event_publisher.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "bus_message.h"
#include "clock.h"
#include "topic_interest.h"
#include "zsock_setup.h"

#define SUBSCRIPTIONS_AT_ONCE 256

struct event_publisher {
    struct bound_socket bound;
    struct topic_interest packets, status, live;
    packet_batch_t *batch;
    struct batch_header header; /* of the open batch */
    bool header_is_final;       /* an attempt was made to send it: it must not change any more */
    uint64_t open_since_ns;     /* 0 = no record when _flush_due() was last called */
    uint64_t flush_ns;
    bool lossless;
    struct ntc_ledger *ledger;
    stream_recorder_t *recorder;
};

/* ---- life ---- */

void event_publisher_make_id(const char *configured, char ret_id[COLLECTOR_ID_SIZE])
{
    char host[256] = "";

    if (configured[0] == '\0') {
        gethostname(host, sizeof host - 1);
        configured = host;
    }
    snprintf(ret_id, COLLECTOR_ID_SIZE, "%s", configured);
    for (char *c = ret_id; *c != '\0'; c++)
        if (*c <= ' ' || *c > '~')
            *c = '-';
    if (ret_id[0] == '\0')
        snprintf(ret_id, COLLECTOR_ID_SIZE, "collector");
}

static int draw_boot_id(uint64_t *ret_boot_id)
{
    do {
        if (getrandom(ret_boot_id, sizeof *ret_boot_id, 0) != sizeof *ret_boot_id)
            return -errno;
    } while (*ret_boot_id == 0);
    return 0;
}

int event_publisher_open(event_publisher_t **ret_self, const struct publisher_settings *settings,
                         const char *endpoint, int queue)
{
    assert(ret_self && settings && endpoint);

    event_publisher_t *self = calloc(1, sizeof *self);
    int rc = self ? 0 : -ENOMEM;

    if (rc != 0)
        return rc;
    self->packets.topic = TOPIC_PACKETS;
    self->status.topic = TOPIC_STATUS;
    self->live.topic = TOPIC_LIVE;
    snprintf(self->header.collector_id, sizeof self->header.collector_id, "%s",
             settings->collector_id);
    self->header.boot_id = settings->boot_id;
    self->header.first_seq = 1;
    self->flush_ns = settings->flush_ns;
    self->lossless = settings->lossless;
    self->batch = packet_batch_new(settings->batch);
    if (!self->batch)
        rc = -ENOMEM;
    if (rc == 0 && self->header.boot_id == 0)
        rc = draw_boot_id(&self->header.boot_id);
    if (rc == 0)
        rc = zsock_setup_bind(&self->bound, ZMQ_XPUB, endpoint, queue);
    if (rc != 0) {
        event_publisher_destroy(&self);
        return rc;
    }
    /* Every joining is told, so that a late listener to status can be served at once. */
    zsock_set_xpub_verbose(self->bound.socket, 1);
    zsock_set_xpub_nodrop(self->bound.socket, self->lossless);
    *ret_self = self;
    return 0;
}

void event_publisher_destroy(event_publisher_t **self_p)
{
    assert(self_p);

    event_publisher_t *self = *self_p;
    if (!self)
        return;
    zsock_setup_unbind(&self->bound);
    packet_batch_destroy(&self->batch);
    free(self);
    *self_p = NULL;
}

void event_publisher_use(event_publisher_t *self, struct ntc_ledger *ledger,
                         stream_recorder_t *recorder)
{
    self->ledger = ledger;
    self->recorder = recorder;
}

void event_publisher_set_linger(event_publisher_t *self, int linger_ms)
{
    zsock_set_linger(self->bound.socket, linger_ms);
}

zsock_t *event_publisher_socket(const event_publisher_t *self)
{
    return self->bound.socket;
}

/* ---- listeners ---- */

unsigned event_publisher_on_subscription(event_publisher_t *self)
{
    void *handle = zsock_resolve(self->bound.socket);
    unsigned news = LISTENERS_WAIT;
    zmq_msg_t message;

    zmq_msg_init(&message);
    for (int i = 0; i < SUBSCRIPTIONS_AT_ONCE; i++) {
        if (zmq_msg_recv(&message, handle, ZMQ_DONTWAIT) < 0) {
            news &= ~(unsigned) LISTENERS_WAIT;
            break;
        }
        news |= LISTENERS_CHANGED;
        const uint8_t *bytes = zmq_msg_data(&message);
        size_t size = zmq_msg_size(&message);
        topic_interest_take(&self->packets, bytes, size);
        if (size > 1)           /* who wants everything does not ask for haste */
            topic_interest_take(&self->live, bytes, size);
        if (topic_interest_take(&self->status, bytes, size))
            news |= STATUS_JOINED;
    }
    zmq_msg_close(&message);
    return news;
}

bool event_publisher_has_listener(const event_publisher_t *self)
{
    return topic_interest_exists(&self->packets);
}

bool event_publisher_is_watched(const event_publisher_t *self)
{
    return topic_interest_exists(&self->live);
}

bool event_publisher_is_wanted(const event_publisher_t *self)
{
    return topic_interest_exists(&self->packets)
        || (self->recorder && stream_recorder_error(self->recorder) == 0);
}

/* ---- batches ---- */

bool event_publisher_is_empty(const event_publisher_t *self)
{
    return packet_batch_size(self->batch) == 0;
}

static void count_unsubscribed(struct ntc_ledger *ledger, uint64_t records, uint64_t packets,
                               uint64_t bytes)
{
    ledger->unsubscribed_records += records;
    ledger->unsubscribed_packets += packets;
    ledger->unsubscribed_bytes += bytes;
}

static void count_published(struct ntc_ledger *ledger, uint64_t records, uint64_t packets,
                            uint64_t bytes)
{
    ledger->published_records += records;
    ledger->published_packets += packets;
    ledger->published_bytes += bytes;
}

/* Forget the open batch, which is `used` up: its numbers are taken. */
static void start_batch(event_publisher_t *self, bool used)
{
    if (used) {
        self->header.first_seq += packet_batch_size(self->batch);
        self->header.packets_before += packet_batch_packets(self->batch);
        self->header.bytes_before += packet_batch_bytes(self->batch);
    }
    packet_batch_clear(self->batch);
    self->header_is_final = false;
    self->open_since_ns = 0;
}

/* Encode the open batch, write it to the recording and hand it to the bus.
 * Returns 0, -EAGAIN or -ENOMEM.  What is tried again has the same bytes, and is recorded once. */
static int send_batch(event_publisher_t *self)
{
    bool is_first_try = !self->header_is_final;
    uint8_t *bytes;
    size_t size;

    if (is_first_try)
        self->header.wall_offset_ns = clock_wall_offset_ns();
    int rc = packet_batch_encode(self->batch, &self->header, &bytes, &size);
    if (rc != 0)
        return rc;
    self->header_is_final = true;
    if (is_first_try && self->recorder)
        stream_recorder_write(self->recorder, bytes, size);     /* keeps its error for main */
    return bus_message_send(self->bound.socket, TOPIC_PACKETS, bytes, size);
}

int event_publisher_flush(event_publisher_t *self)
{
    uint32_t records = packet_batch_size(self->batch);
    uint64_t packets = packet_batch_packets(self->batch);
    uint64_t bytes = packet_batch_bytes(self->batch);

    if (records == 0)
        return 0;
    if (!event_publisher_is_wanted(self)) {     /* the last listener has left meanwhile */
        count_unsubscribed(self->ledger, records, packets, bytes);
        start_batch(self, false);
        return 0;
    }
    if (send_batch(self) != 0 && self->lossless)
        return -EAGAIN;
    /* Without memory for it the batch is lost like one that found a queue full: its numbers are
     * taken, and whoever listens sees the gap. */
    count_published(self->ledger, records, packets, bytes);
    start_batch(self, true);
    return 0;
}

bool event_publisher_has_room(event_publisher_t *self)
{
    if (packet_batch_is_full(self->batch) || self->header_is_final)
        return event_publisher_flush(self) == 0;
    return true;
}

uint32_t event_publisher_room(const event_publisher_t *self)
{
    return packet_batch_room(self->batch);
}

void event_publisher_add(event_publisher_t *self, const struct packet_record *record)
{
    if (!event_publisher_is_wanted(self)) {
        count_unsubscribed(self->ledger, 1, record->packets, record->bytes);
        return;
    }
    assert(!self->header_is_final);
    packet_batch_add(self->batch, record);
    if (packet_batch_is_full(self->batch))
        event_publisher_flush(self);
}

/* An eighth early: the callers' timers are coarse, and one more round would be worse. */
void event_publisher_flush_due(event_publisher_t *self, uint64_t now_ns)
{
    if (event_publisher_is_empty(self))
        self->open_since_ns = 0;
    else if (self->open_since_ns == 0)
        self->open_since_ns = now_ns;
    else if (now_ns - self->open_since_ns >= self->flush_ns - self->flush_ns / 8)
        event_publisher_flush(self);
}

void event_publisher_adopt(event_publisher_t *self, const struct batch_header *header)
{
    assert(event_publisher_is_empty(self));

    self->header = *header;
}

int event_publisher_forward(event_publisher_t *self, const struct packet_view *view,
                            const uint8_t *bytes, size_t size)
{
    assert(event_publisher_is_empty(self));

    uint8_t *copy = malloc(size);

    if (!copy)
        return -EAGAIN;
    memcpy(copy, bytes, size);
    if (bus_message_send(self->bound.socket, TOPIC_PACKETS, copy, size) != 0)
        return -EAGAIN;
    if (self->recorder)
        stream_recorder_write(self->recorder, bytes, size);
    event_publisher_adopt(self, &view->header);
    self->header.first_seq += view->size;
    self->header.packets_before += view->sum_packets;
    self->header.bytes_before += view->sum_bytes;
    count_published(self->ledger, view->size, view->sum_packets, view->sum_bytes);
    return 0;
}

int event_publisher_status(event_publisher_t *self, struct collector_status *status)
{
    uint8_t *bytes;
    size_t size;

    snprintf(status->collector_id, sizeof status->collector_id, "%s", self->header.collector_id);
    status->boot_id = self->header.boot_id;
    status->next_seq = self->header.first_seq;
    status->published_packets = self->ledger->published_packets;
    status->published_bytes = self->ledger->published_bytes;
    int rc = collector_status_encode(status, &bytes, &size);
    if (rc != 0)
        return rc;
    return bus_message_send(self->bound.socket, TOPIC_STATUS, bytes, size);
}
