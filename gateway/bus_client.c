#include "bus_client.h"

#include <assert.h>
#include <errno.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "peer_link.h"
#include "zsock_setup.h"

enum { TICK_MS = 25, MAX_ANSWERS = 64 };

struct bus_client {
    zloop_t *loop;
    peer_link_t *link;
    int wake_fd;                /* a question has been queued */
    int second_timer;           /* of the loop, looks after the link; -1 = none */
    int timer;                  /* of the loop, -1 = not running: no question is waiting */
    pthread_mutex_t lock;       /* of everything below */
    bool is_stopped;
    uint64_t last_id;
    struct bus_call *calls;
};

/* ---- any thread ---- */

static void enqueue(bus_client_t *self, struct bus_call *call)
{
    call->id = ++self->last_id;
    call->next = self->calls;
    self->calls = call;
}

/* Does nothing when the call has been taken out before. */
static void take_out(bus_client_t *self, const struct bus_call *call)
{
    for (struct bus_call **link = &self->calls; *link; link = &(*link)->next)
        if (*link == call) {
            *link = call->next;
            return;
        }
}

void bus_client_begin(bus_client_t *self, struct bus_call *call, const uint8_t *question,
                      size_t size)
{
    assert(self && call && question);

    pthread_condattr_t clock;

    *call = (struct bus_call) { .question = question, .size = size,
                                .began_ns = clock_monotonic_ns() };
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&call->done, &clock);
    pthread_condattr_destroy(&clock);

    pthread_mutex_lock(&self->lock);
    if (self->is_stopped) {
        call->is_done = true;
        call->rc = -ESHUTDOWN;
    } else {
        enqueue(self, call);
        eventfd_write(self->wake_fd, 1);
    }
    pthread_mutex_unlock(&self->lock);
}

int bus_client_end(bus_client_t *self, struct bus_call *call, uint8_t **ret_answer,
                   size_t *ret_answer_size)
{
    assert(self && call && ret_answer && ret_answer_size);

    /* The reactor ends it earlier. */
    uint64_t end_ns = call->began_ns + 2 * BUS_CALL_MS * NS_PER_MS;
    struct timespec end = { .tv_sec = (time_t) (end_ns / NS_PER_S),
                            .tv_nsec = (long) (end_ns % NS_PER_S) };

    pthread_mutex_lock(&self->lock);
    while (!call->is_done && pthread_cond_timedwait(&call->done, &self->lock, &end) == 0)
        ;
    if (!call->is_done)
        call->rc = -ETIMEDOUT;
    take_out(self, call);
    pthread_mutex_unlock(&self->lock);

    pthread_cond_destroy(&call->done);
    *ret_answer = call->answer;
    *ret_answer_size = call->answer_size;
    return call->rc;
}

int bus_client_call(bus_client_t *self, const uint8_t *question, size_t size,
                    uint8_t **ret_answer, size_t *ret_answer_size)
{
    struct bus_call call;

    bus_client_begin(self, &call, question, size);
    return bus_client_end(self, &call, ret_answer, ret_answer_size);
}

uint64_t bus_client_request_id(void)
{
    uint64_t id = 0;

    while (id == 0)
        if (getrandom(&id, sizeof id, 0) != (ssize_t) sizeof id)
            id = clock_monotonic_ns();
    return id;
}

/* ---- the reactor's thread ---- */

static void finish(struct bus_call *call, int rc)
{
    call->is_done = true;
    call->rc = rc;
    pthread_cond_signal(&call->done);
}

/* Send id, delimiter and question, if a peer is there. */
static void send_question(bus_client_t *self, struct bus_call *call)
{
    void *socket = zsock_resolve(peer_link_socket(self->link));

    if (zmq_send(socket, &call->id, sizeof call->id, ZMQ_DONTWAIT | ZMQ_SNDMORE) < 0) {
        peer_link_hasten(self->link);
        return;
    }
    zmq_send(socket, "", 0, ZMQ_DONTWAIT | ZMQ_SNDMORE);    /* the parts of a message go together */
    zmq_send(socket, call->question, call->size, ZMQ_DONTWAIT);
    call->sent++;
}

static void advance_call(bus_client_t *self, struct bus_call *call, uint64_t now_ns)
{
    uint64_t age_ms = (now_ns - call->began_ns) / NS_PER_MS;

    if (age_ms >= BUS_CALL_MS) {
        peer_link_reconnect(self->link);
        finish(call, call->sent > 0 ? -ETIMEDOUT : -EHOSTUNREACH);
    } else if (call->sent == 0 || (call->sent == 1 && age_ms >= BUS_CALL_MS / 2))
        send_question(self, call);
}

/* Send and end what is due.  Returns true while a question is waiting. */
static bool advance(bus_client_t *self)
{
    bool is_waiting = false;

    pthread_mutex_lock(&self->lock);
    uint64_t now_ns = clock_monotonic_ns();     /* behind the lock: no call began later */
    for (struct bus_call *call = self->calls; call; call = call->next) {
        if (!call->is_done)
            advance_call(self, call, now_ns);
        is_waiting |= !call->is_done;
    }
    pthread_mutex_unlock(&self->lock);
    return is_waiting;
}

static int on_tick(zloop_t *loop, int timer, void *arg)
{
    bus_client_t *self = arg;

    if (!advance(self)) {
        zloop_timer_end(loop, timer);
        self->timer = -1;
    }
    return 0;
}

static int on_question(zloop_t *loop, zmq_pollitem_t *item, void *arg)
{
    bus_client_t *self = arg;
    eventfd_t value;

    (void) item;
    eventfd_read(self->wake_fd, &value);
    if (advance(self) && self->timer < 0)
        self->timer = zloop_timer(loop, TICK_MS, 0, on_tick, self);
    return 0;
}

static void deliver(bus_client_t *self, uint64_t id, const void *bytes, size_t size)
{
    pthread_mutex_lock(&self->lock);
    for (struct bus_call *call = self->calls; call; call = call->next) {
        if (call->id != id || call->is_done)
            continue;
        call->answer = malloc(size > 0 ? size : 1);
        if (call->answer) {
            memcpy(call->answer, bytes, size);
            call->answer_size = size;
        }
        finish(call, call->answer ? 0 : -ENOMEM);
    }
    pthread_mutex_unlock(&self->lock);
}

/* Take one message from the socket and deliver it if it is an answer.  Returns false when there is
 * none. */
static bool receive_answer(bus_client_t *self)
{
    void *socket = zsock_resolve(peer_link_socket(self->link));
    uint64_t id = 0;
    bool is_answer = true, has_more = true;

    for (int part = 0; has_more; part++) {
        zmq_msg_t frame;
        zmq_msg_init(&frame);
        if (zmq_msg_recv(&frame, socket, ZMQ_DONTWAIT) < 0) {
            zmq_msg_close(&frame);
            return false;
        }
        size_t size = zmq_msg_size(&frame);
        has_more = zmq_msg_more(&frame);
        is_answer &= part == 0 ? size == sizeof id : part == 1 ? size == 0 : part == 2;
        if (part == 0 && is_answer)
            memcpy(&id, zmq_msg_data(&frame), sizeof id);
        if (part == 2 && is_answer && !has_more)
            deliver(self, id, zmq_msg_data(&frame), size);
        zmq_msg_close(&frame);
    }
    return true;
}

static int on_answer(zloop_t *loop, zsock_t *socket, void *arg)
{
    (void) loop;
    (void) socket;
    for (int i = 0; i < MAX_ANSWERS && receive_answer(arg); i++)
        ;
    return 0;
}

static int on_second(zloop_t *loop, int timer, void *arg)
{
    bus_client_t *self = arg;
    const char *problem = peer_link_on_second(self->link);

    (void) loop;
    (void) timer;
    if (problem)
        log_warning("list commands: %s: %s", peer_link_endpoint(self->link), problem);
    return 0;
}

int bus_client_open(zloop_t *loop, const char *endpoint, int queue, const char *keys,
                    bus_client_t **ret_client)
{
    assert(loop && endpoint && ret_client);

    bus_client_t *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    self->loop = loop;
    self->timer = self->second_timer = -1;
    pthread_mutex_init(&self->lock, NULL);
    self->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    zmq_pollitem_t item = { .fd = self->wake_fd, .events = ZMQ_POLLIN };
    int rc = self->wake_fd < 0 ? -errno : 0;
    if (rc == 0)
        rc = peer_link_open(&self->link, ZMQ_DEALER, endpoint, queue, keys, false);
    if (rc == 0)
        rc = zsock_setup_watch(loop, peer_link_socket(self->link), on_answer, self);
    if (rc == 0)
        rc = zloop_poller(loop, &item, on_question, self) == 0 ? 0 : -ENOMEM;
    if (rc == 0 && peer_link_needs_seconds(self->link))
        rc = (self->second_timer = zloop_timer(loop, 1000, 0, on_second, self)) < 0 ? -ENOMEM : 0;
    if (rc == 0)
        *ret_client = self;
    else
        bus_client_destroy(&self);
    return rc;
}

void bus_client_stop(bus_client_t *self)
{
    pthread_mutex_lock(&self->lock);
    self->is_stopped = true;
    for (struct bus_call *call = self->calls; call; call = call->next)
        if (!call->is_done)
            finish(call, -ESHUTDOWN);
    pthread_mutex_unlock(&self->lock);
}

void bus_client_destroy(bus_client_t **self_p)
{
    assert(self_p);
    bus_client_t *self = *self_p;

    if (!self)
        return;
    zmq_pollitem_t item = { .fd = self->wake_fd, .events = ZMQ_POLLIN };
    zloop_poller_end(self->loop, &item);
    if (self->timer >= 0)
        zloop_timer_end(self->loop, self->timer);
    if (self->second_timer >= 0)
        zloop_timer_end(self->loop, self->second_timer);
    if (self->link) {
        zloop_reader_end(self->loop, peer_link_socket(self->link));
        /* Nobody waits for an answer any more. */
        zsock_set_linger(peer_link_socket(self->link), 0);
    }
    peer_link_destroy(&self->link);
    if (self->wake_fd >= 0)
        close(self->wake_fd);
    pthread_mutex_destroy(&self->lock);
    free(self);
    *self_p = NULL;
}
