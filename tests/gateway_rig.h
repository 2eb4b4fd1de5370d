/* gateway_rig - a whole gateway in this process, its peers played by the test, and an HTTP client.
 *
 * The gateway listens on a free port of 127.0.0.1 and finds its sockets in a folder of its own.
 */
#ifndef GATEWAY_RIG_H
#define GATEWAY_RIG_H

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>

#include "bus_folder.h"
#include "bus_message.h"
#include "clock.h"
#include "full_snapshot.h"
#include "gateway.h"
#include "http_server.h"
#include "numbered_batch.h"
#include "zsock_setup.h"

enum { RIG_PATIENCE_MS = 10000 };   /* for anything that must come */

/* Answer a question of a REP peer; the caller frees *ret_answer.  Leave it NULL to stay silent. */
typedef void rig_answer_fn(const uint8_t *question, size_t size, uint8_t **ret_answer,
                           size_t *ret_size, void *arg);

struct rig_peer {
    struct bound_socket bound;
    zactor_t *actor;
    rig_answer_fn *answer;
    void *arg;
};

struct rig {
    struct bus_folder folder;
    struct config config;
    const char *ui_path;        /* NULL = the plain page */
    struct gateway gateway;
    zloop_t *loop;
    pthread_t thread;
    bool runs;
    int stop_fd;
    struct bound_socket snapshots, events;
    struct rig_peer collector, aggregator;
    struct record_stream stream;
};

/* ---- the gateway ---- */

/* Change rig->config between this and rig_start(). */
static inline void rig_init(struct rig *self)
{
    memset(self, 0, sizeof *self);
    bus_folder_make(&self->folder);
    config_defaults(&self->config);
    strcpy(self->config.server.listen, "127.0.0.1");
    self->config.server.port = 0;
    self->config.server.connections = 16;
    self->config.server.connections_per_ip = 16;
    strcpy(self->config.bus.directory, self->folder.path);
    snprintf(self->config.persistence.path, sizeof self->config.persistence.path, "%s/lists.json",
             self->folder.path);
    self->stop_fd = eventfd(0, EFD_CLOEXEC);
    self->stream = record_stream_open("c0", 1);
}

static inline int rig_on_stop(zloop_t *loop, zmq_pollitem_t *item, void *arg)
{
    eventfd_t value;

    (void) loop;
    (void) arg;
    eventfd_read(item->fd, &value);
    return -1;
}

static inline void *rig_run(void *arg)
{
    struct rig *self = arg;

    zloop_start(self->loop);
    return NULL;
}

static inline void rig_start(struct rig *self)
{
    char why[512] = "";
    zmq_pollitem_t item = { .fd = self->stop_fd, .events = ZMQ_POLLIN };

    zsys_handler_set(NULL);
    signal(SIGPIPE, SIG_IGN);
    self->loop = zloop_new();
    int rc = gateway_open(&self->gateway, self->loop, &self->config, self->ui_path, why);
    ck_assert_msg(rc == 0, "%s", why);
    zloop_poller(self->loop, &item, rig_on_stop, NULL);
    ck_assert_int_eq(pthread_create(&self->thread, NULL, rig_run, self), 0);
    self->runs = true;
}

static inline void rig_stop(struct rig *self)
{
    if (!self->runs)
        return;
    eventfd_write(self->stop_fd, 1);
    pthread_join(self->thread, NULL);
    gateway_close(&self->gateway);
    zloop_destroy(&self->loop);
    self->runs = false;
}

/* ---- its peers ---- */

static inline void rig_bind(struct rig *self, struct bound_socket *bound, int type,
                            const char *name)
{
    char endpoint[128];

    ck_assert_int_eq(zsock_setup_endpoint(endpoint, self->folder.path, name), 0);
    ck_assert_int_eq(zsock_setup_bind(bound, type, endpoint, 1000), 0);
}

static inline void rig_serve(zsock_t *pipe, void *arg)
{
    struct rig_peer *peer = arg;
    void *socket = zsock_resolve(peer->bound.socket);
    zpoller_t *poller = zpoller_new(pipe, peer->bound.socket, NULL);

    zsock_signal(pipe, 0);
    while (zpoller_wait(poller, -1) == peer->bound.socket) {
        uint8_t *answer = NULL;
        size_t size = 0;
        zmq_msg_t question;
        zmq_msg_init(&question);
        zmq_msg_recv(&question, socket, 0);
        peer->answer(zmq_msg_data(&question), zmq_msg_size(&question), &answer, &size, peer->arg);
        zmq_msg_close(&question);
        if (answer)
            zmq_send(socket, answer, size, 0);
        free(answer);
        if (!answer)
            break;              /* a REP that does not answer can take no further question */
    }
    zpoller_destroy(&poller);
}

/* Answer questions on the socket `name` from now on. */
static inline void rig_play(struct rig *self, struct rig_peer *peer, const char *name,
                            rig_answer_fn *answer, void *arg)
{
    peer->answer = answer;
    peer->arg = arg;
    rig_bind(self, &peer->bound, ZMQ_REP, name);
    peer->actor = zactor_new(rig_serve, peer);
}

static inline void rig_leave(struct rig_peer *peer)
{
    zactor_destroy(&peer->actor);
    zsock_setup_unbind(&peer->bound);
}

/* Wait until somebody subscribes to `topic` on an XPUB socket (is_there) or the last one leaves. */
static inline void rig_wait_subscriber(struct bound_socket *bound, const char *topic, bool is_there)
{
    char message[32];
    int size = 0;

    zsock_set_rcvtimeo(bound->socket, RIG_PATIENCE_MS);
    while (size != (int) strlen(topic) + 1 || message[0] != is_there
           || memcmp(message + 1, topic, strlen(topic)) != 0) {
        size = zmq_recv(zsock_resolve(bound->socket), message, sizeof message, 0);
        ck_assert_msg(size > 0, "nobody %s \"%s\"", is_there ? "subscribes to" : "leaves", topic);
    }
}

/* Publish a snapshot, which is freed. */
static inline void rig_publish_snapshot(struct rig *self, struct snapshot *snapshot)
{
    uint8_t *bytes;
    size_t size;

    if (!self->snapshots.socket) {
        rig_bind(self, &self->snapshots, ZMQ_XPUB, BUS_SNAPSHOTS);
        rig_wait_subscriber(&self->snapshots, TOPIC_SNAPSHOT, true);
    }
    ck_assert_int_eq(snapshot_encode(snapshot, &bytes, &size), 0);
    ck_assert_int_eq(bus_message_send(self->snapshots.socket, TOPIC_SNAPSHOT, bytes, size), 0);
    snapshot_clear(snapshot);
    free(snapshot);
}

/* Wait until the gateway has a snapshot of `collectors` collectors. */
static inline void rig_wait_snapshot(struct rig *self, uint32_t collectors)
{
    for (int i = 0; i < RIG_PATIENCE_MS; i++) {
        struct latest_view view = latest_take(self->gateway.latest, clock_monotonic_ns());
        bool is_there = view.state != PEER_AWAY && view.snapshot->collector_count == collectors;
        latest_release(&view);
        if (is_there)
            return;
        usleep(1000);
    }
    ck_abort_msg("no snapshot came");
}

/* Publish `count` records of `host`, numbered from `seq`. */
static inline void rig_publish(struct rig *self, uint64_t seq, uint32_t count, uint8_t host)
{
    numbered_batch(&self->stream, seq, count, host);
    uint8_t *bytes = malloc(self->stream.size);
    memcpy(bytes, self->stream.bytes, self->stream.size);
    ck_assert_int_eq(bus_message_send(self->events.socket, TOPIC_PACKETS, bytes, self->stream.size),
                     0);
}

static inline void rig_finish(struct rig *self)
{
    rig_stop(self);
    rig_leave(&self->collector);
    rig_leave(&self->aggregator);
    zsock_setup_unbind(&self->snapshots);
    zsock_setup_unbind(&self->events);
    record_stream_close(&self->stream);
    close(self->stop_fd);
    bus_folder_remove(&self->folder);
}

/* ---- the client ---- */

static inline int rig_connect(const struct rig *self)
{
    struct timeval patience = { .tv_sec = RIG_PATIENCE_MS / 1000 };
    struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                .sin_port = htons(http_server_port(self->gateway.server)) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_eq(connect(fd, (struct sockaddr *) &addr, sizeof addr), 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return fd;
}

static inline void rig_send(int fd, const char *text)
{
    ck_assert_int_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t) strlen(text));
}

struct rig_answer {
    int status;
    char *head;                 /* from malloc: the whole answer, cut behind the head */
    char *body;
    size_t size;                /* of the body */
};

/* Read to the end of the connection and close it. */
static inline struct rig_answer rig_receive(int fd)
{
    struct rig_answer answer = { 0 };
    size_t capacity = 1 << 16, size = 0;
    ssize_t got;

    answer.head = malloc(capacity);
    while ((got = recv(fd, answer.head + size, capacity - size - 1, 0)) > 0) {
        size += (size_t) got;
        if (capacity - size < 1 << 12)
            answer.head = realloc(answer.head, capacity *= 2);
    }
    close(fd);
    answer.head[size] = '\0';
    char *end = strstr(answer.head, "\r\n\r\n");
    ck_assert_msg(end != NULL, "no answer: \"%s\"", answer.head);
    end[2] = '\0';
    answer.body = end + 4;
    answer.size = size - (size_t) (answer.body - answer.head);
    ck_assert_int_eq(sscanf(answer.head, "HTTP/1.1 %d ", &answer.status), 1);
    return answer;
}

static inline void rig_free(struct rig_answer *answer)
{
    free(answer->head);
    *answer = (struct rig_answer) { 0 };
}

/* Send one request, as it stands, and read the answer. */
static inline struct rig_answer rig_ask(const struct rig *self, const char *request)
{
    int fd = rig_connect(self);

    rig_send(fd, request);
    return rig_receive(fd);
}

/* METHOD PATH with a good Host, further header lines ("" or each with "\r\n") and a body. */
static inline struct rig_answer rig_request(const struct rig *self, const char *method,
                                            const char *path, const char *headers, const char *body)
{
    char *request;

    ck_assert_int_gt(asprintf(&request, "%s %s HTTP/1.1\r\nHost: localhost\r\n%s"
                              "Connection: close\r\n\r\n%s", method, path, headers, body), 0);
    struct rig_answer answer = rig_ask(self, request);
    free(request);
    return answer;
}

static inline struct rig_answer rig_get(const struct rig *self, const char *path)
{
    return rig_request(self, "GET", path, "", "");
}

/* POST of JSON. */
static inline struct rig_answer rig_post(const struct rig *self, const char *path,
                                         const char *headers, const char *body)
{
    char all[1024];

    snprintf(all, sizeof all, "%sContent-Type: application/json\r\nContent-Length: %zu\r\n",
             headers, strlen(body));
    return rig_request(self, "POST", path, all, body);
}

/* Read from `fd` into `text` until `wanted` is there, else fail.  `text` keeps everything. */
static inline void rig_read_until(int fd, char *text, size_t size, const char *wanted)
{
    size_t length = strlen(text);

    while (!strstr(text, wanted)) {
        ck_assert_uint_lt(length, size - 1);
        ssize_t got = recv(fd, text + length, size - 1 - length, 0);
        ck_assert_msg(got > 0, "\"%s\" did not come; there is \"%s\"", wanted, text);
        length += (size_t) got;
        text[length] = '\0';
    }
}

#endif
