#include "sse_clients.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "row_json.h"
#include "sse_client.h"

#define PING_NS (15 * NS_PER_S)
#define REST_NS (2 * NS_PER_MS)         /* shortest pause between two rounds */

enum {
    NICENESS = 5,               /* showing events yields to counting and enforcing */
    SEND_BUFFER = 64 * 1024,    /* the kernel's memory per stalled client; it doubles the value */
    DEAD_AFTER_MS = 30000,      /* unacknowledged data */
    MAX_READY = 64,             /* epoll events per turn */
};

enum slot_state { SLOT_FREE, SLOT_RESERVED, SLOT_READY, SLOT_LIVE };

struct client {
    enum slot_state state;      /* under the lock; a SLOT_LIVE belongs to the thread */
    uint8_t addr[16];
    int next;                   /* slot of the next live client of the channel, -1 = none */
    struct sse_client writer;
};

struct sse_clients {
    pthread_mutex_t lock;       /* slot states and stopping */
    pthread_t thread;
    bool has_thread, stopping;
    event_feed_t *feed;
    latest_t *latest;
    int epoll_fd, wake_fd, demand_fd;
    atomic_bool woken;          /* wake_fd has been written and not yet read */
    atomic_bool has_ready;      /* there may be a slot to adopt */
    atomic_uint_fast32_t count;
    atomic_uint_fast64_t missed;
    uint32_t capacity;
    struct client *clients;
    /* the thread's own */
    int heads[FEED_CHANNELS];   /* first live client of each channel, -1 = none */
    struct event_clock clock;
    struct page_text *page;
};

static void wake(sse_clients_t *self)
{
    if (!atomic_exchange(&self->woken, true))
        eventfd_write(self->wake_fd, 1);
}

/* ---- slots ---- */

static int find_slot(sse_clients_t *self, const uint8_t addr[16], uint32_t per_address)
{
    uint32_t of_address = 0;
    int slot = -EAGAIN;

    for (uint32_t i = 0; i < self->capacity; i++) {
        const struct client *client = &self->clients[i];
        if (client->state == SLOT_FREE && slot < 0)
            slot = (int) i;
        else if (client->state != SLOT_FREE)
            of_address += memcmp(client->addr, addr, 16) == 0;
    }
    return per_address > 0 && of_address >= per_address ? -EDQUOT : slot;
}

int sse_clients_reserve(sse_clients_t *self, const struct event_filter *filter,
                        const uint8_t addr[16], uint32_t per_address)
{
    struct feed_place place;

    pthread_mutex_lock(&self->lock);
    int slot = self->stopping ? -ESHUTDOWN : find_slot(self, addr, per_address);
    int rc = slot < 0 ? slot : event_feed_join(self->feed, filter, &place);
    if (rc == 0) {
        struct client *client = &self->clients[slot];
        *client = (struct client){ .state = SLOT_RESERVED, .writer = { .fd = -1, .place = place } };
        memcpy(client->addr, addr, 16);
        if (atomic_fetch_add(&self->count, 1) == 0)
            eventfd_write(self->demand_fd, 1);
    }
    pthread_mutex_unlock(&self->lock);
    return rc == 0 ? slot : rc;
}

static void release_slot(sse_clients_t *self, struct client *client)
{
    pthread_mutex_lock(&self->lock);
    event_feed_leave(self->feed, client->writer.place.channel);
    client->state = SLOT_FREE;
    if (atomic_fetch_sub(&self->count, 1) == 1)
        eventfd_write(self->demand_fd, 1);
    pthread_mutex_unlock(&self->lock);
}

void sse_clients_cancel(sse_clients_t *self, int slot)
{
    assert(self->clients[slot].state == SLOT_RESERVED);
    release_slot(self, &self->clients[slot]);
}

void sse_clients_start(sse_clients_t *self, int slot, int fd)
{
    int send_buffer = SEND_BUFFER, dead_after_ms = DEAD_AFTER_MS;

    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof send_buffer);
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &dead_after_ms, sizeof dead_after_ms);

    pthread_mutex_lock(&self->lock);
    assert(self->clients[slot].state == SLOT_RESERVED);
    self->clients[slot].writer.fd = fd;
    self->clients[slot].state = SLOT_READY;
    pthread_mutex_unlock(&self->lock);
    atomic_store(&self->has_ready, true);
    wake(self);
}

/* ---- the thread: clients come and go ---- */

static void disconnect(sse_clients_t *self, struct client *client)
{
    int slot = (int) (client - self->clients);
    int *link = &self->heads[client->writer.place.channel];

    while (*link != slot)
        link = &self->clients[*link].next;
    *link = client->next;
    close(client->writer.fd);
    release_slot(self, client);
}

static void adopt(sse_clients_t *self, int slot)
{
    struct client *client = &self->clients[slot];
    struct epoll_event event = { .events = EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                 .data.u32 = (uint32_t) slot };

    client->next = self->heads[client->writer.place.channel];
    self->heads[client->writer.place.channel] = slot;
    if (epoll_ctl(self->epoll_fd, EPOLL_CTL_ADD, client->writer.fd, &event) < 0)
        disconnect(self, client);
}

static void adopt_all(sse_clients_t *self)
{
    if (!atomic_exchange(&self->has_ready, false))
        return;
    for (uint32_t i = 0; i < self->capacity; i++) {
        pthread_mutex_lock(&self->lock);
        bool is_ready = self->clients[i].state == SLOT_READY;
        if (is_ready)
            self->clients[i].state = SLOT_LIVE;
        pthread_mutex_unlock(&self->lock);
        if (is_ready)
            adopt(self, (int) i);
    }
}

/* ---- the thread: writing ---- */

/* Move the text of the events that the page has kept to the front. */
static void keep_text(struct page_text *page)
{
    uint32_t from = page->offsets[page->page.dropped];
    uint32_t end = page->offsets[page->page.dropped + page->page.kept];

    memmove(page->text, page->text + from, end - from);
    for (uint32_t i = 0; i <= page->page.kept; i++)
        page->offsets[i] = page->offsets[page->page.dropped + i] - from;
}

/* Each event becomes text once for all clients with its filter, unless one of them that had fallen
 * behind comes back for it. */
static void format_page(sse_clients_t *self, const struct snapshot *snapshot)
{
    struct page_text *page = self->page;
    const struct shown_event *named = NULL;     /* whose interface `name` is */
    const char *name = NULL;
    bool has_several = snapshot->collector_count > 1;

    keep_text(page);
    for (uint32_t i = page->page.kept; i < page->page.count; i++) {
        const struct shown_event *event = &page->page.events[i];
        const char *collector = event_feed_collector(self->feed, event->collector);
        if (!named || named->record.ifindex != event->record.ifindex
            || named->collector != event->collector)
            name = row_json_interface(snapshot, collector, event->record.ifindex);
        named = event;
        page->offsets[i + 1] = page->offsets[i]
                               + (uint32_t) event_json_format(event, name,
                                                              has_several ? collector : NULL,
                                                              &self->clock,
                                                              page->text + page->offsets[i]);
    }
}

/* The oldest position that a client of the channel who can take something waits for. */
static bool oldest_wanted(const sse_clients_t *self, unsigned channel, uint64_t *ret_position)
{
    bool is_wanted = false;

    for (int slot = self->heads[channel]; slot >= 0; slot = self->clients[slot].next) {
        const struct client *client = &self->clients[slot];
        if (!client->writer.blocked
            && (!is_wanted || client->writer.place.position < *ret_position)) {
            *ret_position = client->writer.place.position;
            is_wanted = true;
        }
    }
    return is_wanted;
}

static void serve_channel(sse_clients_t *self, unsigned channel, const struct snapshot *snapshot)
{
    uint64_t position = 0, missed = 0;

    if (!oldest_wanted(self, channel, &position))
        return;
    event_feed_read(self->feed, channel, position, &self->page->page);
    format_page(self, snapshot);
    for (int slot = self->heads[channel], next; slot >= 0; slot = next) {
        struct client *client = &self->clients[slot];
        next = client->next;
        if (!client->writer.blocked
            && sse_client_serve(&client->writer, self->page, &missed) == -EPIPE)
            disconnect(self, client);
    }
    atomic_fetch_add(&self->missed, missed);
}

static void serve_all(sse_clients_t *self)
{
    struct latest_view view = latest_take(self->latest, clock_monotonic_ns());

    for (unsigned channel = 0; channel < FEED_CHANNELS; channel++)
        serve_channel(self, channel, view.snapshot);
    latest_release(&view);
}

static void ping_all(sse_clients_t *self)
{
    for (unsigned channel = 0; channel < FEED_CHANNELS; channel++)
        for (int slot = self->heads[channel], next; slot >= 0; slot = next) {
            struct client *client = &self->clients[slot];
            next = client->next;
            if (!client->writer.blocked
                && sse_client_notify(&client->writer, ": ping\n\n") == -EPIPE)
                disconnect(self, client);
        }
}

/* ---- the thread: its loop ---- */

static void on_ready(sse_clients_t *self, const struct epoll_event *event)
{
    if (event->data.u32 == UINT32_MAX) {
        eventfd_t value;
        eventfd_read(self->wake_fd, &value);
        atomic_store(&self->woken, false);
        adopt_all(self);
        return;
    }
    struct client *client = &self->clients[event->data.u32];
    if (event->events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        disconnect(self, client);
    else
        client->writer.blocked = false;
}

static bool is_stopping(sse_clients_t *self)
{
    pthread_mutex_lock(&self->lock);
    bool stopping = self->stopping;
    pthread_mutex_unlock(&self->lock);
    return stopping;
}

static int ms_until(uint64_t then_ns, uint64_t now_ns)
{
    return then_ns <= now_ns ? 0 : (int) ((then_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS);
}

static void *run(void *arg)
{
    sse_clients_t *self = arg;
    uint64_t now = clock_monotonic_ns(), next_round = now, next_ping = now + PING_NS;
    bool has_work = false;

    setpriority(PRIO_PROCESS, (id_t) gettid(), NICENESS);
    while (!is_stopping(self)) {
        struct epoll_event ready[MAX_READY];
        bool is_idle = !has_work && atomic_load(&self->count) == 0;
        int wait_ms = is_idle ? -1 : ms_until(has_work ? next_round : next_ping, now);
        int count = epoll_wait(self->epoll_fd, ready, MAX_READY, wait_ms);
        for (int i = 0; i < count; i++)
            on_ready(self, &ready[i]);
        has_work = has_work || count > 0;
        now = clock_monotonic_ns();
        if (now >= next_ping) {
            ping_all(self);
            next_ping = now + PING_NS;
        }
        if (has_work && now >= next_round) {
            uint64_t began = now;
            serve_all(self);
            has_work = false;
            now = clock_monotonic_ns();
            next_round = now + (now - began > REST_NS ? now - began : REST_NS);
        }
    }
    adopt_all(self);
    for (unsigned channel = 0; channel < FEED_CHANNELS; channel++)
        while (self->heads[channel] >= 0)
            disconnect(self, &self->clients[self->heads[channel]]);
    return NULL;
}

/* ---- life ---- */

static int open_descriptors(sse_clients_t *self)
{
    struct epoll_event event = { .events = EPOLLIN, .data.u32 = UINT32_MAX };

    self->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    self->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    self->demand_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (self->epoll_fd < 0 || self->wake_fd < 0 || self->demand_fd < 0
        || epoll_ctl(self->epoll_fd, EPOLL_CTL_ADD, self->wake_fd, &event) < 0)
        return -errno;
    return 0;
}

int sse_clients_open(uint32_t capacity, latest_t *latest, sse_clients_t **ret_clients)
{
    assert(capacity > 0 && latest && ret_clients);

    sse_clients_t *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    self->capacity = capacity;
    self->latest = latest;
    self->epoll_fd = self->wake_fd = self->demand_fd = -1;
    memset(self->heads, 0xff, sizeof self->heads);
    pthread_mutex_init(&self->lock, NULL);
    self->feed = event_feed_new();
    self->clients = calloc(capacity, sizeof *self->clients);
    self->page = calloc(1, sizeof *self->page);

    int rc = self->feed && self->clients && self->page ? open_descriptors(self) : -ENOMEM;
    if (rc == 0)
        rc = -pthread_create(&self->thread, NULL, run, self);
    self->has_thread = rc == 0;
    if (rc == 0)
        *ret_clients = self;
    else
        sse_clients_destroy(&self);
    return rc;
}

void sse_clients_stop(sse_clients_t *self)
{
    pthread_mutex_lock(&self->lock);
    self->stopping = true;
    pthread_mutex_unlock(&self->lock);
    eventfd_write(self->wake_fd, 1);
    if (self->has_thread)
        pthread_join(self->thread, NULL);
    self->has_thread = false;
}

static void close_if_open(int fd)
{
    if (fd >= 0)
        close(fd);
}

void sse_clients_destroy(sse_clients_t **self_p)
{
    assert(self_p);
    sse_clients_t *self = *self_p;

    if (!self)
        return;
    if (self->has_thread)
        sse_clients_stop(self);
    for (uint32_t i = 0; self->clients && i < self->capacity; i++)
        if (self->clients[i].state == SLOT_READY)
            close(self->clients[i].writer.fd);
    close_if_open(self->epoll_fd);
    close_if_open(self->wake_fd);
    close_if_open(self->demand_fd);
    event_feed_destroy(&self->feed);
    pthread_mutex_destroy(&self->lock);
    free(self->clients);
    free(self->page);
    free(self);
    *self_p = NULL;
}

void sse_clients_add(sse_clients_t *self, const struct packet_view *view)
{
    if (event_feed_add(self->feed, view) > 0)
        wake(self);
}

void sse_clients_restart(sse_clients_t *self) { event_feed_restart(self->feed); }
int sse_clients_demand_fd(const sse_clients_t *self) { return self->demand_fd; }
uint32_t sse_clients_count(const sse_clients_t *self) { return (uint32_t) self->count; }
uint32_t sse_clients_capacity(const sse_clients_t *self) { return self->capacity; }
uint64_t sse_clients_missed(const sse_clients_t *self) { return self->missed; }
