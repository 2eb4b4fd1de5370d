#include "http_front.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "connection_table.h"
#include "http_exchange.h"
#include "request_shape.h"
#include "socket_takeover.h"

#define REQUEST_NS (5 * NS_PER_S)       /* for a whole request */
#define STARVED_NS (100 * NS_PER_MS)    /* a request that is there has waited for a thread */
#define HOG_NS (600 * NS_PER_MS)        /* then who holds one for longer goes: any answer that is
                                         * read takes less */
enum {
    BACKLOG = 1024,
    ACCEPTS_AT_ONCE = 64,
    EVENTS_AT_ONCE = 64,
    TICK_MS = 50,
    PEEK_SIZE = REQUEST_HEAD_MAX + HTTP_BODY_MAX + 1,
    NO_ROOM_US = 10000,
};

struct http_front {
    struct http_front_settings settings;
    int listen_fd, epoll_fd, wake_fd;
    uint16_t port, inner_port;
    pthread_t thread;
    bool has_thread;
    atomic_bool stopping;
    char *peek;
    pthread_mutex_t lock;               /* for all that follows */
    struct connection_table table;
    struct connection *handed;          /* the one that is HANDED: civetweb does not say with which
                                         * connection it begins, so there is one at a time */
    struct http_front_counters counters;
};

/* Make room.  Returns the free place, or NULL. */
static struct connection *evict(http_front_t *self)
{
    struct connection *place = connection_table_evict(&self->table);

    self->counters.evicted += place != NULL;
    return place;
}

/* ---- answers of our own ---- */

static void refuse(int fd, const char *status, const char *why)
{
    char answer[512];
    int size = snprintf(answer, sizeof answer,
                        "HTTP/1.1 %s\r\nContent-Type: application/json\r\n"
                        "Cache-Control: no-store\r\n%sX-Content-Type-Options: nosniff\r\n"
                        "Content-Length: %zu\r\n"
                        "Connection: close\r\n\r\n{\"ok\":false,\"error\":\"%s\"}", status,
                        status[0] == '5' ? "Retry-After: 2\r\n" : "",
                        strlen("{\"ok\":false,\"error\":\"\"}") + strlen(why), why);
    ssize_t sent = send(fd, answer, (size_t) size, MSG_NOSIGNAL | MSG_DONTWAIT);

    (void) sent;
    shutdown(fd, SHUT_WR);
    /* What is not read would turn our close into a reset, which may overtake the answer. */
    while (recv(fd, answer, sizeof answer, MSG_DONTWAIT) > 0)
        ;
}

/* ---- to civetweb ---- */

/* Let civetweb accept one.  Returns 0 or -errno. */
static int hand_over(http_front_t *self, struct connection *connection)
{
    struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(self->inner_port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    /* Reset on close: else each request would keep a port of the loopback for a minute. */
    struct linger reset = { .l_onoff = 1, .l_linger = 0 };
    socklen_t size = sizeof addr;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int high = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, self->settings.low_end);

    if (high >= 0) {
        close(fd);
        fd = high;
    }
    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    /* The client is found by the port, so that must be known before civetweb accepts. */
    struct sockaddr_in own = { .sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int rc = bind(fd, (struct sockaddr *) &own, sizeof own) < 0
             || getsockname(fd, (struct sockaddr *) &own, &size) < 0 ? -errno : 0;
    if (rc == 0) {
        connection->inner_fd = fd;
        connection->client.inner_port = ntohs(own.sin_port);
        connection->state = HANDED;
        self->handed = connection;
        connection->since_ns = clock_monotonic_ns();
        connection_table_count_served(&self->table, connection, 1);
        if (connect(fd, (struct sockaddr *) &addr, sizeof addr) < 0 && errno != EINPROGRESS)
            rc = -errno;
    }
    if (rc < 0) {
        if (connection->state == HANDED)
            connection_table_count_served(&self->table, connection, -1);
        self->handed = NULL;
        connection->state = READY;
        close(fd);
    }
    return rc;
}

/* Requests that are there have no thread: end the connection that has one for the longest. */
static void evict_hog(http_front_t *self, uint64_t now_ns)
{
    struct connection *hog = connection_table_oldest(&self->table, SERVED);

    if (!hog || now_ns - hog->since_ns < HOG_NS)
        return;
    shutdown(hog->client.fd, SHUT_RDWR);        /* its thread wakes, fails and closes */
    hog->since_ns = now_ns;
    self->counters.evicted++;
}

/* civetweb does not take it, or has lost its place to a stranger on this host. */
static void forget_handed(http_front_t *self)
{
    close(self->handed->inner_fd);
    connection_table_count_served(&self->table, self->handed, -1);
    connection_drop(self->handed);
    self->handed = NULL;
    self->counters.evicted++;
}

static void wake(const http_front_t *self)
{
    uint64_t one = 1;
    ssize_t written = write(self->wake_fd, &one, sizeof one);

    (void) written;
}

static void hand_over_ready(http_front_t *self)
{
    struct connection *connection;

    pthread_mutex_lock(&self->lock);
    if (self->handed && clock_monotonic_ns() - self->handed->since_ns > REQUEST_NS)
        forget_handed(self);
    while (!self->handed && self->table.served < self->settings.threads
           && (connection = connection_table_next(&self->table)) != NULL)
        if (hand_over(self, connection) != 0) {
            refuse(connection->client.fd, "503 Service Unavailable", "there is no free socket");
            connection_drop(connection);
            self->counters.refused++;
        }
    connection = connection_table_oldest(&self->table, READY);
    uint64_t now_ns = clock_monotonic_ns();
    for (unsigned i = 0; connection && now_ns - connection->since_ns >= STARVED_NS
                         && i < self->settings.threads / 4 + 1; i++)
        evict_hog(self, now_ns);
    pthread_mutex_unlock(&self->lock);
}

struct http_client *http_front_take(http_front_t *self)
{
    pthread_mutex_lock(&self->lock);
    struct connection *connection = self->handed;
    int fd = !connection ? -ENOENT
                         : socket_takeover_find(self->settings.low_end, "127.0.0.1",
                                                connection->client.inner_port, self->inner_port);
    if (fd >= 0 && dup3(connection->client.fd, fd, O_CLOEXEC) >= 0) {
        close(connection->inner_fd);
        close(connection->client.fd);
        connection->client.fd = fd;
        connection->state = SERVED;
        connection->since_ns = clock_monotonic_ns();
        self->handed = NULL;
    } else if (connection) {
        forget_handed(self);
        connection = NULL;
    }
    pthread_mutex_unlock(&self->lock);
    wake(self);                 /* the next may be handed over */
    return connection ? &connection->client : NULL;
}

void http_front_release(http_front_t *self, struct http_client *client)
{
    struct connection *connection = (struct connection *) client;

    pthread_mutex_lock(&self->lock);
    connection_table_count_served(&self->table, connection, -1);
    connection_free(connection);
    pthread_mutex_unlock(&self->lock);
    wake(self);
}

/* ---- from clients ---- */

static void judge(http_front_t *self, struct connection *connection)
{
    const char *why = NULL;
    ssize_t size = recv(connection->client.fd, self->peek, PEEK_SIZE, MSG_PEEK | MSG_DONTWAIT);

    if (size <= 0) {
        if (size == 0 || (errno != EAGAIN && errno != EINTR))
            connection_drop(connection);
        return;
    }
    enum request_state state = request_shape_judge(self->peek, (size_t) size, HTTP_BODY_MAX, &why);
    if (state == REQUEST_BAD) {
        refuse(connection->client.fd, "400 Bad Request", why);
        connection_drop(connection);
        self->counters.malformed++;
    } else if (state == REQUEST_READY) {
        epoll_ctl(self->epoll_fd, EPOLL_CTL_DEL, connection->client.fd, NULL);
        connection->state = READY;
        connection->since_ns = clock_monotonic_ns();
    }
}

static void on_readable(http_front_t *self, struct connection *connection, uint32_t events)
{
    pthread_mutex_lock(&self->lock);
    if (connection->state == WAITING) {
        judge(self, connection);
        /* Nothing more will come, and what came is no request. */
        if (connection->state == WAITING && events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
            refuse(connection->client.fd, "400 Bad Request", "the request is not complete");
            connection_drop(connection);
        }
    }
    pthread_mutex_unlock(&self->lock);
}

static bool is_unlimited(const http_front_t *self, const char *address)
{
    return access_peer_is_unlimited(self->settings.access, address);
}

static void admit(http_front_t *self, int fd, const struct sockaddr_in *peer)
{
    struct connection *connection = connection_table_find_free(&self->table);
    char address[INET_ADDRSTRLEN];
    int yes = 1, high = fcntl(fd, F_DUPFD_CLOEXEC, self->settings.low_end);

    if (high >= 0) {
        close(fd);
        fd = high;
    }
    self->counters.accepted++;
    inet_ntop(AF_INET, &peer->sin_addr, address, sizeof address);
    uint32_t count = connection_table_count_of(&self->table, peer->sin_addr.s_addr);
    bool is_too_many = count >= self->settings.per_address && !is_unlimited(self, address);
    if (!connection && !is_too_many)
        connection = evict(self);
    if (!connection || is_too_many) {
        refuse(fd, "503 Service Unavailable", is_too_many ? "too many connections from here"
                                                          : "too many connections");
        close(fd);
        self->counters.refused++;
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof yes);
    *connection = (struct connection) { .state = WAITING, .addr = peer->sin_addr.s_addr,
                            .since_ns = clock_monotonic_ns(), .client.fd = fd };
    memcpy(connection->client.address, address, sizeof address);
    struct epoll_event event = { .events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.ptr = connection };
    if (epoll_ctl(self->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        connection_drop(connection);
}

static void on_connections(http_front_t *self)
{
    struct sockaddr_in peer;
    bool is_short = false;

    pthread_mutex_lock(&self->lock);
    for (int i = 0; i < ACCEPTS_AT_ONCE && !is_short; i++) {
        socklen_t size = sizeof peer;
        int fd = accept4(self->listen_fd, (struct sockaddr *) &peer, &size,
                         SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0)
            admit(self, fd, &peer);
        else if (errno == EMFILE || errno == ENFILE)
            is_short = !evict(self);
        else if (errno != ECONNABORTED && errno != EINTR)
            break;
    }
    pthread_mutex_unlock(&self->lock);
    if (is_short)
        usleep(NO_ROOM_US);     /* the listener stays readable: do not turn in circles */
}

/* End those whose request does not come.  Returns whether to look again soon. */
static bool on_tick(http_front_t *self)
{
    uint64_t now_ns = clock_monotonic_ns();
    bool is_soon = false;

    pthread_mutex_lock(&self->lock);
    for (uint32_t i = 0; i < self->table.capacity; i++) {
        struct connection *connection = &self->table.connections[i];
        is_soon |= connection->state == WAITING || connection->state == READY;
        if (connection->state != WAITING || now_ns - connection->since_ns < REQUEST_NS)
            continue;
        refuse(connection->client.fd, "408 Request Timeout", "the request did not come in time");
        connection_drop(connection);
        self->counters.timed_out++;
    }
    pthread_mutex_unlock(&self->lock);
    return is_soon;
}

static void *run(void *arg)
{
    http_front_t *self = arg;
    struct epoll_event events[EVENTS_AT_ONCE];
    bool is_soon = false;
    uint64_t ticked_ns = 0, count;

    while (!atomic_load(&self->stopping)) {
        int found = epoll_wait(self->epoll_fd, events, EVENTS_AT_ONCE, is_soon ? TICK_MS : -1);
        for (int i = 0; i < found; i++) {
            if (events[i].data.ptr == &self->listen_fd)
                on_connections(self);
            else if (events[i].data.ptr == &self->wake_fd)
                count = read(self->wake_fd, &count, sizeof count) > 0;
            else
                on_readable(self, events[i].data.ptr, events[i].events);
        }
        hand_over_ready(self);
        if (found == 0 || clock_monotonic_ns() - ticked_ns >= TICK_MS * NS_PER_MS || !is_soon) {
            is_soon = on_tick(self);
            ticked_ns = clock_monotonic_ns();
        }
    }
    return NULL;
}

/* ---- life ---- */

static int listen_on(http_front_t *self)
{
    struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(self->settings.port) };
    socklen_t size = sizeof addr;
    int yes = 1;

    self->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (self->listen_fd < 0)
        return -errno;
    inet_pton(AF_INET, self->settings.listen, &addr.sin_addr);
    setsockopt(self->listen_fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(self->listen_fd, (struct sockaddr *) &addr, sizeof addr) < 0
        || listen(self->listen_fd, BACKLOG) < 0
        || getsockname(self->listen_fd, (struct sockaddr *) &addr, &size) < 0)
        return -errno;
    self->port = ntohs(addr.sin_port);
    return 0;
}

static int watch(const http_front_t *self, const int *fd)
{
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = (void *) fd };

    return epoll_ctl(self->epoll_fd, EPOLL_CTL_ADD, *fd, &event) < 0 ? -errno : 0;
}

int http_front_open(const struct http_front_settings *settings, http_front_t **ret_front,
                    char why[512])
{
    assert(settings && settings->threads > 0 && ret_front && why);

    http_front_t *self = calloc(1, sizeof *self);
    int rc = self ? 0 : -ENOMEM;

    if (self) {
        self->settings = *settings;
        self->table.capacity = settings->threads + HTTP_FRONT_WAITING;
        self->table.connections = calloc(self->table.capacity,
                                         sizeof *self->table.connections);
        self->peek = malloc(PEEK_SIZE);
        pthread_mutex_init(&self->lock, NULL);
        self->listen_fd = self->wake_fd = -1;
        self->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        rc = !self->table.connections || !self->peek ? -ENOMEM : self->epoll_fd < 0 ? -errno : 0;
    }
    if (rc == 0 && (self->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0)
        rc = -errno;
    if (rc == 0)
        rc = watch(self, &self->wake_fd);
    if (rc == 0)
        rc = listen_on(self);
    if (rc == 0) {
        *ret_front = self;
        return 0;
    }
    snprintf(why, 512, "cannot listen on %s port %u: %s", settings->listen, settings->port,
             strerror(-rc));
    http_front_destroy(&self);
    return rc;
}

int http_front_start(http_front_t *self, uint16_t inner_port)
{
    self->inner_port = inner_port;
    int rc = watch(self, &self->listen_fd);
    if (rc == 0)
        rc = -pthread_create(&self->thread, NULL, run, self);
    self->has_thread = rc == 0;
    return rc;
}

void http_front_stop(http_front_t *self)
{
    if (self->has_thread) {
        atomic_store(&self->stopping, true);
        wake(self);
        pthread_join(self->thread, NULL);
        self->has_thread = false;
    }
    if (self->listen_fd >= 0)
        close(self->listen_fd);
    self->listen_fd = -1;
    pthread_mutex_lock(&self->lock);
    for (uint32_t i = 0; i < self->table.capacity; i++) {
        struct connection *connection = &self->table.connections[i];
        if (connection->state == HANDED || connection->state == SERVED)
            shutdown(connection->client.fd, SHUT_RDWR);
        else if (connection->state != FREE)
            connection_drop(connection);
    }
    pthread_mutex_unlock(&self->lock);
}

void http_front_destroy(http_front_t **self_p)
{
    assert(self_p);

    http_front_t *self = *self_p;
    if (!self)
        return;
    if (self->table.connections)
        http_front_stop(self);
    if (self->handed)
        forget_handed(self);    /* civetweb ended before it took it */
    if (self->wake_fd >= 0)
        close(self->wake_fd);
    if (self->epoll_fd >= 0)
        close(self->epoll_fd);
    pthread_mutex_destroy(&self->lock);
    free(self->table.connections);
    free(self->peek);
    free(self);
    *self_p = NULL;
}

uint16_t http_front_port(const http_front_t *self) { return self->port; }

struct http_front_counters http_front_counters(http_front_t *self)
{
    pthread_mutex_lock(&self->lock);
    struct http_front_counters counters = self->counters;
    pthread_mutex_unlock(&self->lock);
    return counters;
}
