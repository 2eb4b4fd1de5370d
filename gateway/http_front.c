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
    SHARES = 4096,              /* a power of two */
    NO_ROOM_US = 10000,
};

enum state { FREE = 0, WAITING, READY, HANDED, SERVED };

struct slot {
    struct http_client client;          /* first: http_front_release() gets its address */
    enum state state;
    uint32_t addr;                      /* network order */
    uint64_t since_ns;                  /* of this state, CLOCK_MONOTONIC */
    int inner_fd;                       /* HANDED: our end of the connection to civetweb */
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
    uint32_t capacity;
    struct slot *handed;                /* the one that is HANDED: civetweb does not say with which
                                         * connection it begins, so there is one at a time */
    uint32_t served;                    /* HANDED and SERVED */
    uint16_t shares[SHARES];            /* of those, by a hash of the address */
    struct slot *slots;
    struct http_front_counters counters;
};

/* ---- slots; with the lock ---- */

static void free_slot(struct slot *slot)
{
    slot->state = FREE;
    slot->client.fd = -1;
}

/* End a connection that civetweb does not have. */
static void drop(struct slot *slot)
{
    close(slot->client.fd);             /* leaves the epoll by itself */
    free_slot(slot);
}

static struct slot *oldest(http_front_t *self, enum state state)
{
    struct slot *found = NULL;

    for (uint32_t i = 0; i < self->capacity; i++) {
        struct slot *slot = &self->slots[i];
        if (slot->state == state && (!found || slot->since_ns < found->since_ns))
            found = slot;
    }
    return found;
}

static uint16_t *share_of(http_front_t *self, uint32_t addr)
{
    return &self->shares[(addr * 2654435761u) >> 20 & (SHARES - 1)];
}

/* Whose turn it is: of the addresses that civetweb serves least the one that waits longest.  So one
 * that asks for much is in the way of nobody else. */
static struct slot *next_ready(http_front_t *self)
{
    struct slot *next = NULL;
    uint16_t least = UINT16_MAX;

    for (uint32_t i = 0; i < self->capacity; i++) {
        struct slot *slot = &self->slots[i];
        if (slot->state != READY)
            continue;
        uint16_t share = *share_of(self, slot->addr);
        if (!next || share < least || (share == least && slot->since_ns < next->since_ns)) {
            next = slot;
            least = share;
        }
    }
    return next;
}

static void count_served(http_front_t *self, const struct slot *slot, int one)
{
    self->served += (uint32_t) one;
    *share_of(self, slot->addr) = (uint16_t) (*share_of(self, slot->addr) + one);
}

static struct slot *find_free(http_front_t *self)
{
    for (uint32_t i = 0; i < self->capacity; i++)
        if (self->slots[i].state == FREE)
            return &self->slots[i];
    return NULL;
}

/* Make room: who has waited longest without a request goes.  If all have sent theirs, anyone: a
 * flood is hit in proportion to its share. */
static struct slot *evict(http_front_t *self)
{
    struct slot *slot = oldest(self, WAITING);

    for (int tries = 0; !slot && tries < 64; tries++) {
        struct slot *any = &self->slots[(uint32_t) random() % self->capacity];
        slot = any->state == READY ? any : NULL;
    }
    if (slot) {
        drop(slot);
        self->counters.evicted++;
    }
    return slot;
}

static uint32_t count_of(const http_front_t *self, uint32_t addr)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < self->capacity; i++)
        count += self->slots[i].state != FREE && self->slots[i].addr == addr;
    return count;
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
static int hand_over(http_front_t *self, struct slot *slot)
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
    /* The slot is found by the port, so that must be known before civetweb accepts. */
    struct sockaddr_in own = { .sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int rc = bind(fd, (struct sockaddr *) &own, sizeof own) < 0
             || getsockname(fd, (struct sockaddr *) &own, &size) < 0 ? -errno : 0;
    if (rc == 0) {
        slot->inner_fd = fd;
        slot->client.inner_port = ntohs(own.sin_port);
        slot->state = HANDED;
        self->handed = slot;
        slot->since_ns = clock_monotonic_ns();
        count_served(self, slot, 1);
        if (connect(fd, (struct sockaddr *) &addr, sizeof addr) < 0 && errno != EINPROGRESS)
            rc = -errno;
    }
    if (rc < 0) {
        if (slot->state == HANDED)
            count_served(self, slot, -1);
        self->handed = NULL;
        slot->state = READY;
        close(fd);
    }
    return rc;
}

/* Requests that are there have no thread: end the connection that has one for the longest. */
static void evict_hog(http_front_t *self, uint64_t now_ns)
{
    struct slot *hog = oldest(self, SERVED);

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
    count_served(self, self->handed, -1);
    drop(self->handed);
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
    struct slot *slot;

    pthread_mutex_lock(&self->lock);
    if (self->handed && clock_monotonic_ns() - self->handed->since_ns > REQUEST_NS)
        forget_handed(self);
    while (!self->handed && self->served < self->settings.threads
           && (slot = next_ready(self)) != NULL)
        if (hand_over(self, slot) != 0) {
            refuse(slot->client.fd, "503 Service Unavailable", "there is no free socket");
            drop(slot);
            self->counters.refused++;
        }
    slot = oldest(self, READY);
    uint64_t now_ns = clock_monotonic_ns();
    for (unsigned i = 0; slot && now_ns - slot->since_ns >= STARVED_NS
                         && i < self->settings.threads / 4 + 1; i++)
        evict_hog(self, now_ns);
    pthread_mutex_unlock(&self->lock);
}

struct http_client *http_front_take(http_front_t *self)
{
    pthread_mutex_lock(&self->lock);
    struct slot *slot = self->handed;
    int fd = !slot ? -ENOENT : socket_takeover_find(self->settings.low_end, "127.0.0.1",
                                                    slot->client.inner_port, self->inner_port);
    if (fd >= 0 && dup3(slot->client.fd, fd, O_CLOEXEC) >= 0) {
        close(slot->inner_fd);
        close(slot->client.fd);
        slot->client.fd = fd;
        slot->state = SERVED;
        slot->since_ns = clock_monotonic_ns();
        self->handed = NULL;
    } else if (slot) {
        forget_handed(self);
        slot = NULL;
    }
    pthread_mutex_unlock(&self->lock);
    wake(self);                 /* the next may be handed over */
    return slot ? &slot->client : NULL;
}

void http_front_release(http_front_t *self, struct http_client *client)
{
    struct slot *slot = (struct slot *) client;

    pthread_mutex_lock(&self->lock);
    count_served(self, slot, -1);
    free_slot(slot);
    pthread_mutex_unlock(&self->lock);
    wake(self);
}

/* ---- from clients ---- */

static void judge(http_front_t *self, struct slot *slot)
{
    const char *why = NULL;
    ssize_t size = recv(slot->client.fd, self->peek, PEEK_SIZE, MSG_PEEK | MSG_DONTWAIT);

    if (size <= 0) {
        if (size == 0 || (errno != EAGAIN && errno != EINTR))
            drop(slot);
        return;
    }
    enum request_state state = request_shape_judge(self->peek, (size_t) size, HTTP_BODY_MAX, &why);
    if (state == REQUEST_BAD) {
        refuse(slot->client.fd, "400 Bad Request", why);
        drop(slot);
        self->counters.malformed++;
    } else if (state == REQUEST_READY) {
        epoll_ctl(self->epoll_fd, EPOLL_CTL_DEL, slot->client.fd, NULL);
        slot->state = READY;
        slot->since_ns = clock_monotonic_ns();
    }
}

static void on_readable(http_front_t *self, struct slot *slot, uint32_t events)
{
    pthread_mutex_lock(&self->lock);
    if (slot->state == WAITING) {
        judge(self, slot);
        /* Nothing more will come, and what came is no request. */
        if (slot->state == WAITING && events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
            refuse(slot->client.fd, "400 Bad Request", "the request is not complete");
            drop(slot);
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
    struct slot *slot = find_free(self);
    char address[INET_ADDRSTRLEN];
    int yes = 1, high = fcntl(fd, F_DUPFD_CLOEXEC, self->settings.low_end);

    if (high >= 0) {
        close(fd);
        fd = high;
    }
    self->counters.accepted++;
    inet_ntop(AF_INET, &peer->sin_addr, address, sizeof address);
    bool is_too_many = !is_unlimited(self, address)
        && count_of(self, peer->sin_addr.s_addr) >= self->settings.per_address;
    if (!slot && !is_too_many)
        slot = evict(self);
    if (!slot || is_too_many) {
        refuse(fd, "503 Service Unavailable", is_too_many ? "too many connections from here"
                                                          : "too many connections");
        close(fd);
        self->counters.refused++;
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof yes);
    *slot = (struct slot) { .state = WAITING, .addr = peer->sin_addr.s_addr,
                            .since_ns = clock_monotonic_ns(), .client.fd = fd };
    memcpy(slot->client.address, address, sizeof address);
    struct epoll_event event = { .events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.ptr = slot };
    if (epoll_ctl(self->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        drop(slot);
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
    for (uint32_t i = 0; i < self->capacity; i++) {
        struct slot *slot = &self->slots[i];
        is_soon |= slot->state == WAITING || slot->state == READY;
        if (slot->state != WAITING || now_ns - slot->since_ns < REQUEST_NS)
            continue;
        refuse(slot->client.fd, "408 Request Timeout", "the request did not come in time");
        drop(slot);
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
        self->capacity = settings->threads + HTTP_FRONT_WAITING;
        self->slots = calloc(self->capacity, sizeof *self->slots);
        self->peek = malloc(PEEK_SIZE);
        pthread_mutex_init(&self->lock, NULL);
        self->listen_fd = self->wake_fd = -1;
        self->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        rc = !self->slots || !self->peek ? -ENOMEM : self->epoll_fd < 0 ? -errno : 0;
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
    for (uint32_t i = 0; i < self->capacity; i++) {
        struct slot *slot = &self->slots[i];
        if (slot->state == HANDED || slot->state == SERVED)
            shutdown(slot->client.fd, SHUT_RDWR);
        else if (slot->state != FREE)
            drop(slot);
    }
    pthread_mutex_unlock(&self->lock);
}

void http_front_destroy(http_front_t **self_p)
{
    assert(self_p);

    http_front_t *self = *self_p;
    if (!self)
        return;
    if (self->slots)
        http_front_stop(self);
    if (self->handed)
        forget_handed(self);    /* civetweb ended before it took it */
    if (self->wake_fd >= 0)
        close(self->wake_fd);
    if (self->epoll_fd >= 0)
        close(self->epoll_fd);
    pthread_mutex_destroy(&self->lock);
    free(self->slots);
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
