/* ntc-aggregator - turns the records of all collectors into flows, windows and totals. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "aggregate.h"
#include "batch_receiver.h"
#include "command_line.h"
#include "flow_publisher.h"
#include "heap_limits.h"
#include "log.h"
#include "peer_keys.h"
#include "query_service.h"
#include "service_notify.h"
#include "snapshot_publisher.h"
#include "stop_signal.h"
#include "zsock_setup.h"

struct context {
    struct config config;
    int stop_fd;
    zloop_t *loop;
    struct second_timer seconds;
    struct bound_socket snapshots_socket, queries_socket;
    aggregate_t *aggregate;
    flow_publisher_t *flows;
    batch_receiver_t *receiver;
    snapshot_publisher_t *snapshots;
    query_service_t *queries;
};

static uint64_t bad_messages(const struct context *self)
{
    return batch_receiver_bad_messages(self->receiver) + query_service_bad_messages(self->queries);
}

static void take_subscriptions(struct context *self)
{
    void *handle = zsock_resolve(self->snapshots_socket.socket);
    zmq_msg_t message;

    zmq_msg_init(&message);
    while (zmq_msg_recv(&message, handle, ZMQ_DONTWAIT) >= 0) {
        const uint8_t *bytes = zmq_msg_data(&message);
        size_t size = zmq_msg_size(&message);
        flow_publisher_on_subscription(self->flows, bytes, size);
        snapshot_publisher_on_subscription(self->snapshots, bytes, size, bad_messages(self));
    }
    zmq_msg_close(&message);
}

static int on_subscription(zloop_t *loop, zmq_pollitem_t *item, void *arg)
{
    (void) loop;
    (void) item;
    take_subscriptions(arg);
    return 0;
}

static void on_second(void *arg)
{
    struct context *self = arg;

    batch_receiver_on_second(self->receiver);
    snapshot_publisher_on_second(self->snapshots, bad_messages(self));
    take_subscriptions(self);   /* sending may have swallowed that there is one */
}

/* Bind a socket of the bus.  Returns 0, or a negative errno that has been logged. */
static int open_socket(const struct config *config, const char *name, int type,
                       struct bound_socket *ret_bound)
{
    char endpoint[128];
    int rc = zsock_setup_endpoint(endpoint, config->bus.directory, name);

    if (rc == 0)
        rc = zsock_setup_bind(ret_bound, type, endpoint, (int) config->bus.queue);
    if (rc == -EADDRINUSE)
        log_error("cannot use %s/%s: another aggregator runs there", config->bus.directory, name);
    else if (rc != 0)
        log_error("cannot use %s/%s: %s", config->bus.directory, name, strerror(-rc));
    return rc;
}

/* Make everything behind the sockets.  Returns 0 or -errno. */
static int make_parts(struct context *self)
{
    const struct config *config = &self->config;
    uint64_t random[2];
    struct flow_limits limits = {
        .flows = config->aggregator.flows,
        .idle_s = config->aggregator.idle_s,
        .flush_s = config->aggregator.flush_s,
    };

    if (getrandom(random, sizeof random, 0) != (ssize_t) sizeof random)
        return -errno;
    self->loop = zloop_new();
    self->flows = flow_publisher_new();
    self->aggregate = aggregate_new(&limits, config->aggregator.addresses, random[0],
                                    flow_publisher_on_ended, self->flows);
    if (!self->loop || !self->flows || !self->aggregate)
        return -ENOMEM;
    flow_publisher_open(self->flows, self->snapshots_socket.socket,
                        aggregate_collectors(self->aggregate));
    self->queries = query_service_new(self->queries_socket.socket, self->aggregate);
    self->receiver = batch_receiver_new(self->aggregate, self->flows, &self->seconds);
    if (!self->receiver)
        return -ENOMEM;
    self->snapshots = snapshot_publisher_new(self->snapshots_socket.socket, self->aggregate,
                                             self->receiver, random[1]);
    return self->snapshots && self->queries ? 0 : -ENOMEM;
}

/* Subscribe to every collector.  Returns 0, or a negative errno that has been logged. */
static int connect_collectors(struct context *self)
{
    const struct config *config = &self->config;
    char own[128];
    int rc = zsock_setup_endpoint(own, config->bus.directory, BUS_EVENTS);

    for (uint32_t i = 0; rc == 0 && i < config->bus.collectors.size; i++) {
        rc = batch_receiver_connect(self->receiver, self->loop, config->bus.collectors.items[i],
                                    (int) config->bus.queue, config->bus.keys);
        if (rc != 0)
            log_error("cannot connect to collector \"%s\": %s", config->bus.collectors.items[i],
                      strerror(-rc));
    }
    if (rc == 0 && config->bus.collectors.size == 0)
        rc = batch_receiver_connect(self->receiver, self->loop, own, (int) config->bus.queue,
                                    config->bus.keys);
    return rc;
}

static int watch(struct context *self)
{
    int rc = stop_signal_watch(self->loop, self->stop_fd);

    if (rc == 0)
        rc = service_notify_watch(self->loop);
    if (rc == 0)
        rc = query_service_start(self->queries, self->loop);
    if (rc == 0)
        rc = zsock_setup_watch_changes(self->loop, self->snapshots_socket.socket, on_subscription,
                                       self);
    if (rc == 0)
        rc = second_timer_start(&self->seconds, self->loop, on_second, self);
    return rc;
}

static int fail(const char *what, int rc)
{
    log_error("cannot %s: %s", what, strerror(-rc));
    return rc;
}

/* Returns 0, or a negative errno that has been logged. */
static int start(struct context *self)
{
    int rc = self->stop_fd = stop_signal_open();

    if (rc < 0)
        return fail("take signals", rc);
    zsock_setup_make_room(self->config.bus.collectors.size, 0);
    if ((rc = open_socket(&self->config, BUS_SNAPSHOTS, ZMQ_XPUB, &self->snapshots_socket)) != 0
        || (rc = open_socket(&self->config, BUS_QUERIES, ZMQ_REP, &self->queries_socket)) != 0)
        return rc;
    zsock_set_xpub_verbose(self->snapshots_socket.socket, 1);
    if ((rc = make_parts(self)) != 0)
        return fail("make the tables", rc);
    if ((rc = connect_collectors(self)) != 0)
        return rc;
    if ((rc = watch(self)) != 0)
        return fail("watch the sockets", rc);
    log_info("ready in %s: room for %u flows and %u addresses", self->config.bus.directory,
             self->config.aggregator.flows, self->config.aggregator.addresses);
    return 0;
}

static void stop(struct context *self)
{
    second_timer_stop(&self->seconds);
    zloop_destroy(&self->loop);
    query_service_destroy(&self->queries);
    snapshot_publisher_destroy(&self->snapshots);
    batch_receiver_destroy(&self->receiver);
    aggregate_destroy(&self->aggregate);
    flow_publisher_destroy(&self->flows);
    zsock_setup_unbind(&self->queries_socket);
    zsock_setup_unbind(&self->snapshots_socket);
    if (self->stop_fd >= 0)
        close(self->stop_fd);
}

int main(int argc, char **argv)
{
    static const struct command_line command_line = {
        .program = "ntc-aggregator",
        .purpose = "Turns the records of all collectors into flows, windows and totals.",
    };
    struct context *self = calloc(1, sizeof *self);

    heap_limits_set(1);
    log_open("aggregator");
    if (!self)
        return EXIT_FAILURE;
    self->stop_fd = self->snapshots_socket.lock_fd = self->queries_socket.lock_fd = -1;

    char why[512];
    int code = command_line_read(&command_line, argc, argv, &self->config);
    if (code == COMMAND_LINE_GO_ON && peer_keys_check(&self->config, why, sizeof why) != 0) {
        log_error("%s", why);
        code = 2;
    }
    if (code == COMMAND_LINE_GO_ON) {
        int rc = start(self);
        if (rc == 0) {
            service_notify_ready();
            zloop_start(self->loop);
            service_notify_stopping();
        }
        stop(self);
        code = rc == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    free(self);
    return code;
}
