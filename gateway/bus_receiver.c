#include "bus_receiver.h"

#include <assert.h>
#include <errno.h>
#include <sys/eventfd.h>

#include "bus_message.h"
#include "clock.h"
#include "log.h"
#include "peer_link.h"
#include "second_timer.h"
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
    struct second_timer seconds;
    peer_link_t *snapshots;
    peer_link_t *events[CONFIG_MAX_ITEMS];  /* NULL while nobody watches */
    bool has_bad_message;       /* said so once */
};

/* Count what is no message of ours; say it once, a flood must not fill the journal. */
static void on_bad_message(bus_receiver_t *self, const char *topic, int error)
{
    latest_count_bad_message(self->latest);
    if (!self->has_bad_message)
        log_warning("dropped a bad message under \"%s\": %s; more are only counted", topic,
                    strerror(-error));
    self->has_bad_message = true;
}

static void mark_heard(bus_receiver_t *self, const zsock_t *socket)
{
    if (peer_link_socket(self->snapshots) == socket)
        peer_link_heard(self->snapshots);
    for (unsigned i = 0; i < CONFIG_MAX_ITEMS && self->events[i]; i++)
        if (peer_link_socket(self->events[i]) == socket)
            peer_link_heard(self->events[i]);
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
    mark_heard(self, socket);
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
    second_timer_join(&self->seconds);
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
    mark_heard(self, socket);
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

static void disconnect(bus_receiver_t *self, peer_link_t **link)
{
    if (*link)
        zloop_reader_end(self->loop, peer_link_socket(*link));
    peer_link_destroy(link);
}

/* Subscribe to a topic of an endpoint.  Returns 0, or -errno, which is logged. */
static int subscribe(bus_receiver_t *self, peer_link_t **ret_link, const char *endpoint,
                     const char *topic, int queue, zloop_reader_fn *handler)
{
    int rc = peer_link_open(ret_link, ZMQ_SUB, endpoint, queue, self->config->bus.keys, true);

    if (rc == 0) {
        zsock_set_subscribe(peer_link_socket(*ret_link), topic);
        rc = zsock_setup_watch(self->loop, peer_link_socket(*ret_link), handler, self);
    }
    if (rc != 0) {
        log_error("cannot subscribe to %s: %s", endpoint, strerror(-rc));
        peer_link_destroy(ret_link);
    }
    return rc;
}

/* Events come with the status of the collector, which is heard also when there are none, and
 * without the delay that suits the aggregator. */
static void subscribe_events(bus_receiver_t *self, peer_link_t **ret_link, const char *endpoint)
{
    int queue = (int) self->config->bus.queue;

    if (subscribe(self, ret_link, endpoint, TOPIC_PACKETS, queue, on_event) == 0) {
        zsock_set_subscribe(peer_link_socket(*ret_link), TOPIC_STATUS);
        zsock_set_subscribe(peer_link_socket(*ret_link), TOPIC_LIVE);
    }
}

static void connect_events(bus_receiver_t *self)
{
    const struct config_list *collectors = &self->config->bus.collectors;
    char endpoint[128];

    sse_clients_restart(self->sse);
    if (collectors->size == 0
        && zsock_setup_endpoint(endpoint, self->config->bus.directory, BUS_EVENTS) == 0)
        subscribe_events(self, &self->events[0], endpoint);
    for (uint32_t i = 0; i < collectors->size; i++)
        subscribe_events(self, &self->events[i], collectors->items[i]);
}

static void disconnect_events(bus_receiver_t *self)
{
    for (unsigned i = 0; i < CONFIG_MAX_ITEMS; i++)
        disconnect(self, &self->events[i]);
}

static void look_after(peer_link_t *link)
{
    const char *problem = link ? peer_link_on_second(link) : NULL;

    if (problem)
        log_warning("%s: %s", peer_link_endpoint(link), problem);
}

static void on_second(void *arg)
{
    bus_receiver_t *self = arg;

    look_after(self->snapshots);
    for (unsigned i = 0; i < CONFIG_MAX_ITEMS; i++)
        look_after(self->events[i]);
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
    rc = subscribe(self, &self->snapshots, endpoint, TOPIC_SNAPSHOT, SNAPSHOT_QUEUE, on_snapshot);
    if (rc == 0)
        rc = second_timer_start(&self->seconds, loop, on_second, self);
    if (rc == 0 && zloop_poller(loop, &item, on_demand, self) != 0)
        rc = -ENOMEM;
    if (rc == 0)
        *ret_receiver = self;
    else
        bus_receiver_destroy(&self);
    return rc;
}

void bus_receiver_destroy(bus_receiver_t **self_p)
{
    assert(self_p);
    bus_receiver_t *self = *self_p;

    if (!self)
        return;
    zmq_pollitem_t item = { .fd = sse_clients_demand_fd(self->sse), .events = ZMQ_POLLIN };
    second_timer_stop(&self->seconds);
    zloop_poller_end(self->loop, &item);
    disconnect(self, &self->snapshots);
    disconnect_events(self);
    free(self);
    *self_p = NULL;
}
