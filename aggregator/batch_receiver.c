#include "batch_receiver.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bus_message.h"
#include "clock.h"
#include "config.h"
#include "log.h"
#include "zsock_setup.h"

#define BITE 64                 /* messages per turn: others want to be served, too */

struct batch_receiver {
    aggregate_t *aggregate;
    flow_publisher_t *flows;
    uint64_t bad_messages;
    uint32_t size;
    zsock_t *sockets[CONFIG_MAX_ITEMS];
};

batch_receiver_t *batch_receiver_new(aggregate_t *aggregate, flow_publisher_t *flows)
{
    assert(aggregate && flows);

    batch_receiver_t *self = calloc(1, sizeof *self);
    if (!self)
        return NULL;
    self->aggregate = aggregate;
    self->flows = flows;
    return self;
}

void batch_receiver_destroy(batch_receiver_t **self_p)
{
    assert(self_p);
    batch_receiver_t *self = *self_p;

    if (!self)
        return;
    for (uint32_t i = 0; i < self->size; i++)
        zsock_destroy(&self->sockets[i]);
    free(self);
    *self_p = NULL;
}

static void log_hearing(enum hearing hearing, const char *id)
{
    switch (hearing) {
    case HEARING_FIRST:
        log_info("collector \"%s\" is heard", id);
        break;
    case HEARING_BACK:
        log_info("collector \"%s\" is back", id);
        break;
    case HEARING_RESTARTED:
        log_info("collector \"%s\" was started again", id);
        break;
    case HEARING_REPEATED:
        log_info("collector \"%s\" plays its records again", id);
        break;
    case HEARING_RIVAL:
        log_error("two collectors call themselves \"%s\": give one another bus.collector_id", id);
        break;
    case HEARING_GOES_ON:
    case HEARING_REFUSED:
        break;
    }
}

static enum hearing take_packets(batch_receiver_t *self, const uint8_t *bytes, size_t size)
{
    struct packet_view view;

    if (packet_view_open(&view, bytes, size) != 0)
        return HEARING_REFUSED;
    enum hearing hearing = aggregate_take_batch(self->aggregate, &view, clock_boot_ns());
    log_hearing(hearing, view.header.collector_id);
    packet_view_close(&view);
    return hearing;
}

static enum hearing take_status(batch_receiver_t *self, const uint8_t *bytes, size_t size)
{
    struct collector_status status;

    if (collector_status_decode(&status, bytes, size) != 0)
        return HEARING_REFUSED;
    enum hearing hearing = aggregate_take_status(self->aggregate, &status, clock_boot_ns());
    log_hearing(hearing, status.collector_id);
    return hearing;
}

static void take(batch_receiver_t *self, struct bus_message *message)
{
    const uint8_t *bytes = zmq_msg_data(&message->body);
    size_t size = zmq_msg_size(&message->body);
    enum hearing hearing = HEARING_GOES_ON;

    if (strcmp(message->topic, TOPIC_PACKETS) == 0)
        hearing = take_packets(self, bytes, size);
    else if (strcmp(message->topic, TOPIC_STATUS) == 0)
        hearing = take_status(self, bytes, size);
    if (hearing == HEARING_REFUSED || hearing == HEARING_RIVAL)
        self->bad_messages++;
}

static int on_events(zloop_t *loop, zsock_t *socket, void *arg)
{
    batch_receiver_t *self = arg;
    struct bus_message message;
    int rc = 0;

    (void) loop;
    for (int i = 0; i < BITE && rc != -EAGAIN; i++) {
        rc = bus_message_receive(socket, &message);
        if (rc == -EBADMSG)
            self->bad_messages++;
        if (rc != 0)
            continue;
        take(self, &message);
        bus_message_release(&message);
    }
    flow_publisher_flush(self->flows);
    return 0;
}

int batch_receiver_connect(batch_receiver_t *self, zloop_t *loop, const char *endpoint, int queue)
{
    assert(self && loop && self->size < CONFIG_MAX_ITEMS);

    zsock_t *socket = zsock_setup_connect(ZMQ_SUB, endpoint, queue);
    if (!socket)
        return -errno;

    /* In this order: whoever gets a status gets the batches that it covers. */
    zsock_set_subscribe(socket, TOPIC_PACKETS);
    zsock_set_subscribe(socket, TOPIC_STATUS);
    self->sockets[self->size++] = socket;
    return zsock_setup_watch(loop, socket, on_events, self);
}

static void log_away(const struct collector *collector, void *arg)
{
    (void) arg;
    log_warning("collector \"%s\" is away: nothing heard for %d s", collector->id,
                COLLECTOR_AWAY_S);
}

void batch_receiver_on_second(batch_receiver_t *self)
{
    aggregate_tick(self->aggregate, clock_boot_ns(), log_away, self);
    flow_publisher_flush(self->flows);
}

uint64_t batch_receiver_bad_messages(const batch_receiver_t *self) { return self->bad_messages; }
