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

#include "connection_cap.h"
#include "http_exchange.h"
#include "log.h"
#include "routes.h"
#include "socket_takeover.h"

enum {
    STOP_POLL_MS = 5,
    QUEUE = 64,                 /* connections that wait for a thread */
    OTHER_DESCRIPTORS = 192,    /* the bus, files, civetweb itself: about 60 are in use */
};

struct http_server {
    struct gateway *gateway;
    struct mg_context *context;
    atomic_uint port;           /* 0 until it is known */
    int end;                    /* civetweb's descriptors are below, taken ones are not */
    connection_cap_t *cap;
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
    };

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

static int on_connection(const struct mg_connection *connection, void **connection_data)
{
    http_server_t *self = server_of(connection);

    (void) connection_data;
    connection_cap_enforce(self->cap, (uint16_t) self->port);
    return 0;
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
    const struct mg_request_info *info = exchange->info;

    return exchange->server ? socket_takeover_find(exchange->server->end, info->remote_addr,
                                                   (uint16_t) info->remote_port,
                                                   (uint16_t) exchange->server->port)
                            : -ENOENT;
}

void http_server_keep_streams(http_server_t *self) { atomic_store(&self->keep_streams, true); }

/* ---- life ---- */

/* Why the address cannot be had, as bind(2) sees it.  Returns 0 if it can. */
static int probe_address(const char *address, uint32_t port)
{
    struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons((uint16_t) port) };
    int yes = 1, rc = 0;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -errno;
    inet_pton(AF_INET, address, &addr.sin_addr);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(fd, (struct sockaddr *) &addr, sizeof addr) < 0 || listen(fd, 1) < 0)
        rc = -errno;
    close(fd);
    return rc;
}

static int start(http_server_t *self, char why[512])
{
    const struct config *config = self->gateway->config;
    char ports[96], threads[16], queue[16];
    const struct mg_callbacks callbacks = {
        .begin_request = on_request, .http_error = on_error, .log_message = on_log,
        .init_connection = on_connection,
    };
    const char *options[] = {
        "listening_ports", ports, "num_threads", threads,
        "connection_queue", queue, "listen_backlog", "256",
        "request_timeout_ms", "5000", "enable_keep_alive", "yes", "keep_alive_timeout_ms", "1000",
        "tcp_nodelay", "1", "max_request_size", "8192",
        "decode_url", "no", "decode_query_string", "no",
        "enable_directory_listing", "no", "cgi_pattern", "", "ssi_pattern", "",
        "access_control_allow_origin", "", "access_control_allow_methods", "",
        "access_control_allow_headers", "", "enable_auth_domain_check", "no", NULL,
    };
    struct mg_server_port bound;

    snprintf(ports, sizeof ports, "%s:%u", config->server.listen, config->server.port);
    snprintf(threads, sizeof threads, "%u", config->server.connections);
    snprintf(queue, sizeof queue, "%d", QUEUE);
    int rc = probe_address(config->server.listen, config->server.port);
    if (rc == 0) {
        self->context = mg_start(&callbacks, self, options);
        rc = self->context ? 0 : -EIO;
    }
    if (rc < 0) {
        snprintf(why, 512, "cannot listen on %s port %u: %s", config->server.listen,
                 config->server.port, rc == -EIO ? "civetweb does not start" : strerror(-rc));
        return rc;
    }
    if (mg_get_server_ports(self->context, 1, &bound) == 1)
        atomic_store(&self->port, (unsigned) bound.port);
    return 0;
}

int http_server_open(struct gateway *gateway, http_server_t **ret_server, char why[512])
{
    assert(gateway && ret_server && why);

    http_server_t *self = calloc(1, sizeof *self);
    if (!self) {
        snprintf(why, 512, "out of memory");
        return -ENOMEM;
    }
    self->gateway = gateway;
    self->end = (int) gateway->config->server.connections + QUEUE + OTHER_DESCRIPTORS;
    self->cap = connection_cap_new(self->end, gateway->config->server.connections_per_ip,
                                   gateway->access);
    int rc = self->cap ? start(self, why) : -ENOMEM;
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

/* Make a connection to our own port: it wakes the thread that accepts, which else looks for the end
 * only every two seconds. */
static void wake_acceptor(const http_server_t *self)
{
    struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons((uint16_t) self->port) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return;
    inet_pton(AF_INET, self->gateway->config->server.listen, &addr.sin_addr);
    if (addr.sin_addr.s_addr == INADDR_ANY)
        addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
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
    if (self->context && pthread_create(&thread, NULL, stop_context, self) == 0) {
        while (!atomic_load(&self->stopped)) {
            usleep(STOP_POLL_MS * 1000);
            wake_acceptor(self);
            socket_takeover_shut_all(self->end,
                                     (uint16_t) self->port); /* threads that wait for a request */
        }
        pthread_join(thread, NULL);
    }
    connection_cap_destroy(&self->cap);
    free(self);
    *self_p = NULL;
}

uint16_t http_server_port(const http_server_t *self) { return (uint16_t) self->port; }
