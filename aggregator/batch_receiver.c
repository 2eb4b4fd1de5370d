#include "batch_receiver.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bus_message.h"
#include "clock.h"
#include "config.h"
#include "log.h"
#include "peer_link.h"
#include "zsock_setup.h"

#define BUSY_NS (200 * NS_PER_MS)

/* A wake-up costs more than the batch that it is for, and polling costs something for each socket
 * that is polled.  So while batches come one after the other, a socket is not polled: one timer
 * empties all that are busy, as rarely as few messages gather in each. */
enum {
    BITE = 64,                  /* messages per socket and turn: others want to be served, too */
    MANY = 32,                  /* ... more than these: rest half as long from now on */
    FEW = 16,                   /* ... fewer than these in every socket: rest longer */
    REST_MAX_MS = 100,
};

/* One endpoint that collectors publish at. */
struct source {
    batch_receiver_t *receiver;
    peer_link_t *link;
    bool is_busy;               /* emptied by the timer, not polled */
};

struct batch_receiver {
    aggregate_t *aggregate;
    flow_publisher_t *flows;
    struct second_timer *seconds;       /* or NULL */
    uint64_t bad_messages;
    zloop_t *loop;
    bool has_timer;             /* somebody is busy */
    unsigned rest_ms;
    uint32_t size;
    struct source sources[CONFIG_MAX_ITEMS];
};

batch_receiver_t *batch_receiver_new(aggregate_t *aggregate, flow_publisher_t *flows,
                                     struct second_timer *seconds)
{
    assert(aggregate && flows);

    batch_receiver_t *self = calloc(1, sizeof *self);
    if (!self)
        return NULL;
    self->aggregate = aggregate;
    self->flows = flows;
    self->seconds = seconds;
    return self;
}

void batch_receiver_destroy(batch_receiver_t **self_p)
{
    assert(self_p);
    batch_receiver_t *self = *self_p;

    if (!self)
        return;
    for (uint32_t i = 0; i < self->size; i++)
        peer_link_destroy(&self->sources[i].link);
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

/* Take the messages that wait, up to a bite.  Returns their number. */
static unsigned take_waiting(batch_receiver_t *self, zsock_t *socket)
{
    struct bus_message message;

    for (unsigned taken = 0; taken < BITE; taken++) {
        int rc = bus_message_receive(socket, &message);
        if (rc == -EAGAIN)
            return taken;
        if (rc != 0) {
            self->bad_messages++;
            continue;
        }
        take(self, &message);
        bus_message_release(&message);
    }
    return BITE;
}

static int on_events(zloop_t *loop, zsock_t *socket, void *arg);
static int on_rested(zloop_t *loop, int timer_id, void *arg);

/* Let the timer come; the others are served meanwhile, also when there is more to take. */
static void rest(batch_receiver_t *self, bool has_more)
{
    unsigned delay_ms = has_more ? 0 : self->rest_ms > 0 ? self->rest_ms : 1;

    self->has_timer = zloop_timer(self->loop, delay_ms, 1, on_rested, self) >= 0;
}

/* Empty a busy socket; one that has been silent is polled again.  Returns the messages taken. */
static unsigned empty(batch_receiver_t *self, struct source *source)
{
    zsock_t *socket = peer_link_socket(source->link);
    unsigned messages = take_waiting(self, socket);

    if (messages > 0)
        peer_link_heard(source->link);
    else if (peer_link_silence(source->link) >= BUSY_NS)
        source->is_busy = zsock_setup_watch(self->loop, socket, on_events, source) != 0;
    return messages;
}

static void end_turn(batch_receiver_t *self)
{
    flow_publisher_flush(self->flows);
    if (self->seconds)
        second_timer_join(self->seconds);
}

static int on_rested(zloop_t *loop, int timer_id, void *arg)
{
    batch_receiver_t *self = arg;
    unsigned most = 0;
    bool is_busy = false;

    (void) loop;
    (void) timer_id;
    for (uint32_t i = 0; i < self->size; i++) {
        struct source *source = &self->sources[i];
        unsigned messages = source->is_busy ? empty(self, source) : 0;
        most = messages > most ? messages : most;
        is_busy |= source->is_busy;
    }
    end_turn(self);
    if (most > MANY)
        self->rest_ms /= 2;
    else if (most < FEW)
        self->rest_ms = self->rest_ms < REST_MAX_MS / 2 ? 2 * self->rest_ms + 1 : REST_MAX_MS;
    self->has_timer = false;
    if (is_busy)
        rest(self, most == BITE);
    return 0;
}

static int on_events(zloop_t *loop, zsock_t *socket, void *arg)
{
    struct source *source = arg;
    batch_receiver_t *self = source->receiver;
    bool is_busy = peer_link_silence(source->link) < BUSY_NS;

    peer_link_heard(source->link);
    bool has_more = take_waiting(self, socket) == BITE;
    end_turn(self);
    if (!is_busy)
        return 0;
    if (!self->has_timer)
        rest(self, has_more);
    source->is_busy = self->has_timer;
    if (source->is_busy)
        zloop_reader_end(loop, socket);
    return 0;
}

int batch_receiver_connect(batch_receiver_t *self, zloop_t *loop, const char *endpoint, int queue,
                           const char *keys)
{
    assert(self && loop && self->size < CONFIG_MAX_ITEMS);

    struct source *source = &self->sources[self->size];
    int rc = peer_link_open(&source->link, ZMQ_SUB, endpoint, queue, keys, true);
    if (rc != 0)
        return rc;

    /* In this order: whoever gets a status gets the batches that it covers. */
    zsock_set_subscribe(peer_link_socket(source->link), TOPIC_PACKETS);
    zsock_set_subscribe(peer_link_socket(source->link), TOPIC_STATUS);
    self->loop = loop;
    source->receiver = self;
    self->size++;
    return zsock_setup_watch(loop, peer_link_socket(source->link), on_events, source);
}

/* A collector says something every second. */
static void look_after(peer_link_t *link)
{
    const char *problem = peer_link_on_second(link);

    if (problem)
        log_warning("%s: %s", peer_link_endpoint(link), problem);
}

static void log_away(const struct collector *collector, void *arg)
{
    (void) arg;
    log_warning("collector \"%s\" is away: nothing heard for %d s", collector->id,
                COLLECTOR_AWAY_S);
}

void batch_receiver_on_second(batch_receiver_t *self)
{
    for (uint32_t i = 0; i < self->size; i++) {
        look_after(self->sources[i].link);
        if (self->sources[i].is_busy && !self->has_timer)   /* there was no memory for one */
            rest(self, false);
    }
    aggregate_tick(self->aggregate, clock_boot_ns(), log_away, self);
    flow_publisher_flush(self->flows);
}

int batch_receiver_fill_unheard(const batch_receiver_t *self, struct snapshot *snapshot)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < self->size; i++)
        count += !peer_link_is_heard(self->sources[i].link);
    if (count == 0)
        return 0;
    snapshot->unheard = calloc(count, sizeof *snapshot->unheard);
    if (!snapshot->unheard)
        return -ENOMEM;
    for (uint32_t i = 0; i < self->size; i++) {
        const peer_link_t *link = self->sources[i].link;
        if (peer_link_is_heard(link))
            continue;
        struct unheard_endpoint *unheard = &snapshot->unheard[snapshot->unheard_count++];
        snprintf(unheard->endpoint, sizeof unheard->endpoint, "%s", peer_link_endpoint(link));
        snprintf(unheard->problem, sizeof unheard->problem, "%s", peer_link_problem(link));
    }
    return 0;
}

uint64_t batch_receiver_bad_messages(const batch_receiver_t *self) { return self->bad_messages; }
