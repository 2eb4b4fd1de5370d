#include "bus_receiver.h"

#include <assert.h>
#include <errno.h>
#include <sys/eventfd.h>

#include "bus_message.h"
#include "clock.h"
#include "log.h"
#include "zsock_setup.h"

enum {
    SNAPSHOT_QUEUE = 4,         /* only the newest is of use */
    MAX_MESSAGES = 64,          /* taken in one turn of the reactor */
};

struct bus_receiver {
    zloop_t *loop;
    const struct config *config;
    latest_t *latest;
    sse_clients_t *sse;
    zsock_t *snapshots;
    zsock_t *events[CONFIG_MAX_ITEMS];  /* NULL while nobody watches */
    bool has_bad_message;       /* said so once */
};

/* Count as lost what is no message of ours; say it once, a flood must not fill the journal. */
static void on_bad_message(bus_receiver_t *self, const char *topic, int error)
{
    if (!self->has_bad_message)
        log_warning("dropped a bad message under \"%s\": %s; more are dropped in silence", topic,
                    strerror(-error));
    self->has_bad_message = true;
}

static void take_snapshot(bus_receiver_t *self, struct bus_message *message)
{
    struct snapshot *snapshot = malloc(sizeof *snapshot);
    int rc = snapshot ? snapshot_decode(snapshot, zmq_msg_data(&message->body),
                                        zmq_msg_size(&message->body))
                      : -ENOMEM;

    if (rc == 0) {
        latest_put(self->latest, snapshot, clock_monotonic_ns());
        return;
    }
    free(snapshot);
    on_bad_message(self, message->topic, rc);
}

/* Only the newest of the waiting snapshots is decoded. */
static int on_snapshot(zloop_t *loop, zsock_t *socket, void *arg)
{
    bus_receiver_t *self = arg;
    struct bus_message messages[2];
    int newest = -1, rc = 0;

    (void) loop;
    for (int i = 0; i < MAX_MESSAGES && rc != -EAGAIN; i++) {
        int spare = newest == 0 ? 1 : 0;
        rc = bus_message_receive(socket, &messages[spare]);
        if (rc == -EBADMSG)
            on_bad_message(self, TOPIC_SNAPSHOT, rc);
        if (rc < 0)
            continue;
        if (newest >= 0)
            bus_message_release(&messages[newest]);
        newest = spare;
    }
    if (newest >= 0) {
        if (strcmp(messages[newest].topic, TOPIC_SNAPSHOT) == 0)
            take_snapshot(self, &messages[newest]);
        bus_message_release(&messages[newest]);
    }
    return 0;
}

static void take_packets(bus_receiver_t *self, struct bus_message *message)
{
    struct packet_view view;
    int rc = packet_view_open(&view, zmq_msg_data(&message->body), zmq_msg_size(&message->body));

    if (rc < 0) {
        on_bad_message(self, message->topic, rc);
        return;
    }
    sse_clients_add(self->sse, &view);
    packet_view_close(&view);
}

static int on_event(zloop_t *loop, zsock_t *socket, void *arg)
{
    bus_receiver_t *self = arg;
    struct bus_message message;
    int rc = 0;

    (void) loop;
    for (int i = 0; i < MAX_MESSAGES && rc != -EAGAIN; i++) {
        rc = bus_message_receive(socket, &message);
        if (rc == -EBADMSG)
            on_bad_message(self, TOPIC_PACKETS, rc);
        if (rc < 0)
            continue;
        if (strcmp(message.topic, TOPIC_PACKETS) == 0)
            take_packets(self, &message);
        bus_message_release(&message);
    }
    return 0;
}

static void disconnect(bus_receiver_t *self, zsock_t **socket)
{
    if (!*socket)
        return;
    zloop_reader_end(self->loop, *socket);
    zsock_destroy(socket);
}

/* Subscribe to one topic of an endpoint.  Returns NULL on failure, which is logged. */
static zsock_t *subscribe(bus_receiver_t *self, const char *endpoint, const char *topic, int queue,
                          zloop_reader_fn *handler)
{
    zsock_t *socket = zsock_setup_connect(ZMQ_SUB, endpoint, queue);

    if (socket) {
        zsock_set_subscribe(socket, topic);
        if (zsock_setup_watch(self->loop, socket, handler, self) == 0)
            return socket;
    }
    log_error("cannot subscribe to %s: %s", endpoint, strerror(errno));
    zsock_destroy(&socket);
    return NULL;
}

static void connect_events(bus_receiver_t *self)
{
    const struct config_list *collectors = &self->config->bus.collectors;
    int queue = (int) self->config->bus.queue;
    char endpoint[128];

    sse_clients_restart(self->sse);
    if (collectors->size == 0
        && zsock_setup_endpoint(endpoint, self->config->bus.directory, BUS_EVENTS) == 0)
        self->events[0] = subscribe(self, endpoint, TOPIC_PACKETS, queue, on_event);
    for (uint32_t i = 0; i < collectors->size; i++)
        self->events[i] = subscribe(self, collectors->items[i], TOPIC_PACKETS, queue, on_event);
}

static void disconnect_events(bus_receiver_t *self)
{
    for (unsigned i = 0; i < CONFIG_MAX_ITEMS; i++)
        disconnect(self, &self->events[i]);
}

/* The first client came, or the last one went, or both. */
static int on_demand(zloop_t *loop, zmq_pollitem_t *item, void *arg)
{
    bus_receiver_t *self = arg;
    bool is_connected = self->events[0] != NULL;
    eventfd_t value;

    (void) loop;
    eventfd_read(item->fd, &value);
    bool is_wanted = sse_clients_count(self->sse) > 0;
    if (is_wanted && !is_connected)
        connect_events(self);
    else if (!is_wanted && is_connected)
        disconnect_events(self);
    return 0;
}

int bus_receiver_open(zloop_t *loop, const struct config *config, latest_t *latest,
                      sse_clients_t *sse, bus_receiver_t **ret_receiver)
{
    assert(loop && config && latest && sse && ret_receiver);

    char endpoint[128];
    int rc = zsock_setup_endpoint(endpoint, config->bus.directory, BUS_SNAPSHOTS);
    if (rc < 0)
        return rc;
    bus_receiver_t *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    self->loop = loop;
    self->config = config;
    self->latest = latest;
    self->sse = sse;

    zmq_pollitem_t item = { .fd = sse_clients_demand_fd(sse), .events = ZMQ_POLLIN };
    self->snapshots = subscribe(self, endpoint, TOPIC_SNAPSHOT, SNAPSHOT_QUEUE, on_snapshot);
    if (self->snapshots && zloop_poller(loop, &item, on_demand, self) == 0)
        *ret_receiver = self;
    else
        bus_receiver_destroy(&self);
    return self ? 0 : -ENOMEM;
}

void bus_receiver_destroy(bus_receiver_t **self_p)
{
    assert(self_p);
    bus_receiver_t *self = *self_p;

    if (!self)
        return;
    zmq_pollitem_t item = { .fd = sse_clients_demand_fd(self->sse), .events = ZMQ_POLLIN };
    zloop_poller_end(self->loop, &item);
    disconnect(self, &self->snapshots);
    disconnect_events(self);
    free(self);
    *self_p = NULL;
}
