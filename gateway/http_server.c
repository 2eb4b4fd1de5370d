#include "http_server.h"

#include <arpa/inet.h>
#include <assert.h>
#include <civetweb.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http_exchange.h"
#include "http_front.h"
#include "log.h"
#include "routes.h"
#include "socket_takeover.h"

enum {
    STOP_POLL_MS = 5,
    QUEUE = 64,                 /* connections that wait for a thread */
    OTHER_DESCRIPTORS = 192,    /* the bus, files, civetweb itself: about 60 are in use */
    COLLECTOR_DESCRIPTORS = 8,  /* of each collector: about 2, and 3 more while events are live */
};

struct http_server {
    struct gateway *gateway;
    struct mg_context *context;
    http_front_t *front;
    uint16_t inner_port;        /* where civetweb listens, on the loopback */
    int end;                    /* civetweb's descriptors are below, taken ones are not */
    atomic_uint streams;        /* live-event clients that hold a thread */
    atomic_bool keep_streams;
    atomic_bool stopped;        /* mg_stop() has returned */
};

static http_server_t *server_of(const struct mg_connection *connection)
{
    return mg_get_user_data(mg_get_context(connection));
}

/* ---- callbacks of civetweb, on its threads ---- */

static int on_request(struct mg_connection *connection)
{
    http_server_t *self = server_of(connection);
    struct http_exchange exchange = {
        .connection = connection,
        .info = mg_get_request_info(connection),
        .gateway = self->gateway,
        .server = self,
        .client = mg_get_user_connection_data(connection),
    };

    mg_disable_connection_keep_alive(connection);   /* else it reads a body that nobody wants */
    if (!exchange.client || exchange.client->inner_port != exchange.info->remote_port)
        return http_reply_error(&exchange, 403, NULL, "this port is for the gateway itself");
    return routes_serve(&exchange);
}

/* civetweb refuses a request by itself: bad syntax, header too long, time-out. */
static int on_error(struct mg_connection *connection, int status, const char *message)
{
    struct http_exchange exchange = {
        .connection = connection,
        .info = mg_get_request_info(connection),
    };

    mg_disable_connection_keep_alive(connection);
    http_reply_error(&exchange, status, NULL, "%s",
                     message && message[0] != '\0' ? message : "the request is not valid");
    return 0;
}

static int on_log(const struct mg_connection *connection, const char *message)
{
    if (!connection)
        log_debug("civetweb: %s", message);
    return 1;
}

/* civetweb has accepted a connection: put the client's in its place, before it is read. */
static int on_connection(const struct mg_connection *connection, void **connection_data)
{
    *connection_data = http_front_take(server_of(connection)->front);
    return 0;
}

static void on_close(const struct mg_connection *connection)
{
    struct http_client *client = mg_get_user_connection_data(connection);

    if (client)
        http_front_release(server_of(connection)->front, client);
}

/* ---- live events ---- */

static const char STREAM_BEGIN[] = "retry: 2000\n: connected\n\n";

/* Carry bytes from the serving thread to a connection whose descriptor could not be taken. */
static void pump(struct mg_connection *connection, int fd)
{
    char bytes[4096];
    ssize_t got;

    while ((got = read(fd, bytes, sizeof bytes)) > 0)
        if (mg_write(connection, bytes, (size_t) got) != got)
            break;
    close(fd);
}

/* Serve the slot from this thread, if that leaves enough threads for others. */
static int stream_here(struct http_exchange *exchange, int slot)
{
    http_server_t *self = exchange->server;
    unsigned most = self->gateway->config->server.connections / 2;
    int ends[2];

    if (atomic_fetch_add(&self->streams, 1) >= most
        || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
        atomic_fetch_sub(&self->streams, 1);
        sse_clients_cancel(self->gateway->sse, slot);
        return http_reply_away(exchange, "no more clients for live events can be served now");
    }
    if (http_reply_stream(exchange, "text/event-stream", STREAM_BEGIN)) {
        sse_clients_start(self->gateway->sse, slot, ends[0]);
        pump(exchange->connection, ends[1]);
    } else {
        sse_clients_cancel(self->gateway->sse, slot);
        close(ends[0]);
        close(ends[1]);
    }
    atomic_fetch_sub(&self->streams, 1);
    return 200;
}

/* Serve the slot on `copy`, which is `fd` where civetweb does not look. */
static int stream_taken(struct http_exchange *exchange, int slot, int fd, int copy)
{
    if (http_reply_stream(exchange, "text/event-stream", STREAM_BEGIN)
        && socket_takeover_detach(fd) == 0) {
        sse_clients_start(exchange->gateway->sse, slot, copy);
    } else {
        sse_clients_cancel(exchange->gateway->sse, slot);
        close(copy);
    }
    return 200;
}

static int reply_no_slot(struct http_exchange *exchange, int error)
{
    uint32_t capacity = sse_clients_capacity(exchange->gateway->sse);

    if (error == -EDQUOT)
        return http_reply_away(exchange, "this address has %u clients for live events already",
                               exchange->gateway->config->server.connections_per_ip);
    if (error == -ENOSPC)
        return http_reply_away(exchange, "there are too many different filters at once");
    if (error == -EAGAIN)
        return http_reply_away(exchange, "all %u places for live events are taken "
                               "(server.sse_clients)", capacity);
    return http_reply_away(exchange, "live events cannot be served now: %s", strerror(-error));
}

int http_server_stream(struct http_exchange *exchange, const struct event_filter *filter)
{
    http_server_t *self = exchange->server;
    uint32_t per_address = exchange->access.is_unlimited
                               ? 0 : self->gateway->config->server.connections_per_ip;

    if (exchange->is_head)
        return http_reply(exchange, 200, "text/event-stream", NULL, NULL, 0);
    int slot = sse_clients_reserve(self->gateway->sse, filter, exchange->access.client.bytes,
                                   per_address);
    if (slot < 0)
        return reply_no_slot(exchange, slot);
    int fd = atomic_load(&self->keep_streams) ? -ENOENT : http_server_descriptor(exchange);
    int copy = fd < 0 ? fd : socket_takeover_copy(fd, self->end);
    return copy < 0 ? stream_here(exchange, slot) : stream_taken(exchange, slot, fd, copy);
}

int http_server_descriptor(const struct http_exchange *exchange)
{
    return exchange->client ? exchange->client->fd : -ENOENT;
}

void http_server_keep_streams(http_server_t *self) { atomic_store(&self->keep_streams, true); }

/* ---- life ---- */

static int start(http_server_t *self, char why[512])
{
    const struct config *config = self->gateway->config;
    char threads[16], queue[16];
    const struct mg_callbacks callbacks = {
        .begin_request = on_request, .http_error = on_error, .log_message = on_log,
        .init_connection = on_connection, .connection_close = on_close,
    };
    const char *options[] = {
        "listening_ports", "127.0.0.1:0", "num_threads", threads,
        "connection_queue", queue, "listen_backlog", "256",
        "request_timeout_ms", "5000", "enable_keep_alive", "no",
        "tcp_nodelay", "1", "max_request_size", "8192",
        "decode_url", "no", "decode_query_string", "no",
        "enable_directory_listing", "no", "cgi_pattern", "", "ssi_pattern", "",
        "access_control_allow_origin", "", "access_control_allow_methods", "",
        "access_control_allow_headers", "", "enable_auth_domain_check", "no", NULL,
    };
    struct mg_server_port bound;

    snprintf(threads, sizeof threads, "%u", config->server.connections);
    snprintf(queue, sizeof queue, "%d", QUEUE);
    self->context = mg_start(&callbacks, self, options);
    if (!self->context || mg_get_server_ports(self->context, 1, &bound) != 1) {
        snprintf(why, 512, "civetweb does not start on the loopback");
        return -EIO;
    }
    self->inner_port = (uint16_t) bound.port;
    int rc = http_front_start(self->front, self->inner_port);
    if (rc < 0)
        snprintf(why, 512, "cannot serve: %s", strerror(-rc));
    return rc;
}

int http_server_open(struct gateway *gateway, http_server_t **ret_server, char why[512])
{
    assert(gateway && ret_server && why);

    const struct config *config = gateway->config;
    http_server_t *self = calloc(1, sizeof *self);
    if (!self) {
        snprintf(why, 512, "out of memory");
        return -ENOMEM;
    }
    self->gateway = gateway;
    self->end = (int) (config->server.connections + QUEUE + OTHER_DESCRIPTORS
                       + COLLECTOR_DESCRIPTORS * config->bus.collectors.size);
    const struct http_front_settings settings = {
        .listen = config->server.listen, .port = (uint16_t) config->server.port,
        .threads = config->server.connections, .per_address = config->server.connections_per_ip,
        .low_end = self->end, .access = gateway->access,
    };
    int rc = http_front_open(&settings, &self->front, why);
    if (rc == 0)
        rc = start(self, why);
    if (rc == 0)
        *ret_server = self;
    else
        http_server_destroy(&self);
    return rc;
}

static void *stop_context(void *arg)
{
    http_server_t *self = arg;

    mg_stop(self->context);
    atomic_store(&self->stopped, true);
    return NULL;
}

/* Make a connection to civetweb: it wakes the thread that accepts, which else looks for the end
 * only every two seconds. */
static void wake_acceptor(const http_server_t *self)
{
    struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(self->inner_port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return;
    int rc = connect(fd, (struct sockaddr *) &addr, sizeof addr);
    (void) rc;
    close(fd);
}

void http_server_destroy(http_server_t **self_p)
{
    assert(self_p);
    http_server_t *self = *self_p;
    pthread_t thread;

    if (!self)
        return;
    if (self->front)
        http_front_stop(self->front);   /* threads that wait for a client wake up */
    if (self->context && pthread_create(&thread, NULL, stop_context, self) == 0) {
        while (!atomic_load(&self->stopped)) {
            usleep(STOP_POLL_MS * 1000);
            wake_acceptor(self);
        }
        pthread_join(thread, NULL);
    }
    http_front_destroy(&self->front);
    free(self);
    *self_p = NULL;
}

uint16_t http_server_port(const http_server_t *self) { return http_front_port(self->front); }

struct http_front_counters http_server_counters(const http_server_t *self)
{
    return http_front_counters(self->front);
}
