#include "reactor.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "service_notify.h"
#include "stop_signal.h"
#include "zsock_setup.h"

/* The loop polls descriptors only, never zsocks: zloop asks each of those twice in every round what
 * it has, and that was two thirds of a round.  And the pump has a timer descriptor, because zloop's
 * timers of whole milliseconds cost a second round each. */

#define REPORT_MS 1000
#define RETRY_MS 5              /* until a full bus is tried again */
#define LOOK_NS (50 * NS_PER_MS)        /* a look costs four system calls */

struct reactor {
    struct reactor_parts parts;
    zloop_t *loop;
    int pump_fd;                /* timerfd: the source is to be pumped */
    uint64_t started_ns;        /* CLOCK_BOOTTIME */
    uint64_t last_report_ns;    /* CLOCK_MONOTONIC of the last status that was sent */
    uint64_t last_look_ns;      /* CLOCK_MONOTONIC of the last look_at_bus() */
    bool report_wanted;         /* the source waits for a status */
    bool pump_armed;
    bool watching_wake_fd;
    bool recorder_told;
    bool save_told;
    bool undo_told;
    int result;
};

/* ---- status ---- */

static void add_loss(struct collector_status *status, const char *stage, uint64_t records,
                     uint64_t packets, uint64_t bytes)
{
    struct loss *loss = &status->losses[status->loss_count++];

    snprintf(loss->stage, sizeof loss->stage, "%s", stage);
    loss->records = records;
    loss->packets = packets;
    loss->bytes = bytes;
}

static struct list_state list_state_of(const ip_list_t *lists, enum ntc_list list)
{
    return (struct list_state) { ip_list_hosts(lists, list), ip_list_prefixes(lists, list) };
}

/* Returns the records that the source handed on for it, or SOURCE_IS_BLOCKED. */
static int send_status(reactor_t *self)
{
    const struct packet_source *source = self->parts.source;
    const struct ntc_ledger *ledger = source->ledger;
    const ip_list_t *lists = list_keeper_lists(self->parts.keeper);
    struct collector_status status = { .started_ns = self->started_ns };
    int records = source->report(source->self, self->parts.publisher, &status);

    if (records == SOURCE_IS_BLOCKED)
        return SOURCE_IS_BLOCKED;
    snprintf(status.version, sizeof status.version, "%s", NTC_VERSION);
    snprintf(status.source, sizeof status.source, "%s", source->name);
    add_loss(&status, "unsubscribed", ledger->unsubscribed_records, ledger->unsubscribed_packets,
             ledger->unsubscribed_bytes);
    add_loss(&status, "crash", 0, ledger->crash_packets, ledger->crash_bytes);
    status.blacklist = list_state_of(lists, NTC_BLACK);
    status.whitelist = list_state_of(lists, NTC_WHITE);
    status.list_version = list_keeper_version(self->parts.keeper);
    status.cost = process_cost_read();
    if (event_publisher_status(self->parts.publisher, &status) == -EAGAIN)
        return SOURCE_IS_BLOCKED;
    self->last_report_ns = clock_monotonic_ns();
    return records;
}

/* ---- the source ---- */

static void arm_pump(reactor_t *self, int wait_ms)
{
    struct itimerspec when = { .it_value = { .tv_sec = wait_ms / 1000,
                                             .tv_nsec = wait_ms % 1000 * 1000000 } };

    if (wait_ms == 0)
        when.it_value.tv_nsec = 1;      /* 0 would disarm */
    self->pump_armed = true;
    timerfd_settime(self->pump_fd, 0, &when, NULL);     /* not readable any more until then */
}

static void disarm_pump(reactor_t *self)
{
    self->pump_armed = false;
    timerfd_settime(self->pump_fd, 0, &(struct itimerspec) { 0 }, NULL);
}

static void stop_watching_wake_fd(reactor_t *self)
{
    zmq_pollitem_t item = { .fd = self->parts.source->wake_fd };

    if (self->watching_wake_fd)
        zloop_poller_end(self->loop, &item);
    self->watching_wake_fd = false;
}

/* Pump the source soon, if it sleeps. */
static void wake_source(reactor_t *self)
{
    stop_watching_wake_fd(self);
    if (!self->pump_armed)
        arm_pump(self, 0);
}

static int on_wake(zloop_t *loop, zmq_pollitem_t *item, void *arg)
{
    (void) loop;
    (void) item;
    wake_source(arg);
    return 0;
}

static void sleep_source(reactor_t *self)
{
    zmq_pollitem_t item = { .fd = self->parts.source->wake_fd, .events = ZMQ_POLLIN };

    disarm_pump(self);
    if (item.fd < 0 || self->watching_wake_fd)
        return;
    self->watching_wake_fd = zloop_poller(self->loop, &item, on_wake, self) == 0;
    zloop_poller_set_tolerant(self->loop, &item);
}

/* ---- the bus ---- */

static void look_at_bus(reactor_t *self);

static int on_look_again(zloop_t *loop, int timer_id, void *arg)
{
    (void) loop;
    (void) timer_id;
    look_at_bus(arg);
    return 0;
}

/* A ZeroMQ descriptor tells only changes, and any call on the socket may swallow one.  So all
 * sockets are emptied when it is readable, and looked at again after they have been used. */
static void look_at_bus(reactor_t *self)
{
    self->last_look_ns = clock_monotonic_ns();
    unsigned news = event_publisher_on_subscription(self->parts.publisher);
    bool more = list_commands_on_request(self->parts.commands);
    if (self->parts.remote)
        more |= remote_clients_on_request(self->parts.remote);

    /* A new status, not the last one again: it must not be older than the batches before it. */
    if (news & STATUS_JOINED)
        send_status(self);
    if (news & LISTENERS_CHANGED)
        wake_source(self);      /* it may have slept because nobody listened */
    if (more || news & (STATUS_JOINED | LISTENERS_WAIT))
        zloop_timer(self->loop, 0, 1, on_look_again, self);
}

static int on_bus(zloop_t *loop, zmq_pollitem_t *item, void *arg)
{
    (void) loop;
    (void) item;
    look_at_bus(arg);
    return 0;
}

/* ---- what the source wishes ---- */

/* Returns false when the loop must end. */
static bool obey(reactor_t *self, int wish)
{
    switch (wish) {
    case SOURCE_SLEEPS:
        sleep_source(self);
        return true;
    case SOURCE_REPORTS:
        self->report_wanted = send_status(self) == SOURCE_IS_BLOCKED;
        arm_pump(self, self->report_wanted ? RETRY_MS : 0);
        return true;
    case SOURCE_IS_DONE:
        return false;
    case SOURCE_FAILED:
        self->result = -EIO;
        return false;
    default:
        arm_pump(self, wish);
        return true;
    }
}

static int on_pump(zloop_t *loop, zmq_pollitem_t *item, void *arg)
{
    reactor_t *self = arg;
    struct packet_source *source = self->parts.source;

    (void) loop;
    (void) item;
    if (!self->pump_armed)
        return 0;
    int wish = self->report_wanted ? SOURCE_REPORTS
                                   : source->pump(source->self, self->parts.publisher);
    if (!obey(self, wish))
        return -1;
    if (!self->pump_armed || clock_monotonic_ns() - self->last_look_ns >= LOOK_NS)
        look_at_bus(self);
    return 0;
}

static int on_event(zloop_t *loop, zmq_pollitem_t *item, void *arg)
{
    reactor_t *self = arg;

    (void) loop;
    (void) item;
    self->parts.source->on_event(self->parts.source->self);
    return 0;
}

/* ---- every second ---- */

static void expire_entries(reactor_t *self)
{
    struct list_answer answer;
    uint64_t boot_ns = clock_boot_ns();
    uint64_t next_ns = ip_list_next_expiry(list_keeper_lists(self->parts.keeper));

    if (next_ns == 0 || next_ns > boot_ns)
        return;
    uint32_t expired = list_keeper_expire(self->parts.keeper, boot_ns, clock_wall_offset_ns(),
                                          &answer);
    log_info("list entries that have expired: %u", expired);
}

static void undo_unconfirmed(reactor_t *self)
{
    uint64_t boot_ns = clock_boot_ns();
    uint64_t next_ns = unconfirmed_changes_next(list_keeper_unconfirmed(self->parts.keeper));
    struct list_answer answer;

    if (next_ns == 0 || next_ns > boot_ns)
        return;
    uint32_t undone = list_keeper_undo_due(self->parts.keeper, boot_ns, clock_wall_offset_ns(),
                                           &answer);
    if (undone > 0)
        log_info("list changes that nobody confirmed are undone: %u", undone);
    if (answer.code != LIST_OK && !self->undo_told)
        log_error("%s", answer.error);
    self->undo_told = answer.code != LIST_OK;
}

/* Undo and let go what is due, and have the file say what is in memory. */
static void look_at_lists(reactor_t *self)
{
    struct list_answer answer;

    undo_unconfirmed(self);     /* first: an addition expires at the same time */
    expire_entries(self);       /* what that could not save is tried again */
    list_keeper_refresh(self->parts.keeper, clock_wall_offset_ns(), &answer);
    if (answer.code != LIST_OK && !self->save_told)
        log_error("the lists file does not follow: %s", answer.error);
    self->save_told = answer.code != LIST_OK;
}

static void check_recorder(reactor_t *self)
{
    int error = self->parts.recorder ? stream_recorder_error(self->parts.recorder) : 0;

    if (error == 0 || self->recorder_told)
        return;
    log_error("recording has stopped: %s; what was written until then can be replayed",
              strerror(-error));
    self->recorder_told = true;
}

/* Armed anew each time: zloop would make up for every second that it missed. */
static int on_second(zloop_t *loop, int timer_id, void *arg)
{
    reactor_t *self = arg;
    const struct packet_source *source = self->parts.source;

    (void) timer_id;
    zloop_timer(loop, REPORT_MS, 1, on_second, self);
    look_at_lists(self);
    check_recorder(self);
    if (self->parts.remote)
        remote_clients_on_second(self->parts.remote);
    if (clock_monotonic_ns() - self->last_report_ns >= (REPORT_MS - 50) * NS_PER_MS) {
        int records = send_status(self);
        self->report_wanted |= records == SOURCE_IS_BLOCKED;    /* before the next pumping */
        if (records != 0)
            wake_source(self);  /* the report took the record that would have done it */
    }
    if (source->on_second)
        source->on_second(source->self);
    look_at_bus(self);
    return 0;
}

/* ---- life ---- */

static bool watch(reactor_t *self, int fd, zloop_fn *handler)
{
    zmq_pollitem_t item = { .fd = fd, .events = ZMQ_POLLIN };

    if (zloop_poller(self->loop, &item, handler, self) != 0)
        return false;
    zloop_poller_set_tolerant(self->loop, &item);
    return true;
}

static bool watch_bus(reactor_t *self, zsock_t *socket)
{
    return zsock_setup_watch_changes(self->loop, socket, on_bus, self) == 0;
}

static bool watch_all(reactor_t *self)
{
    const struct reactor_parts *parts = &self->parts;

    return stop_signal_watch(self->loop, parts->stop_fd) == 0
        && service_notify_watch(self->loop) == 0
        && watch(self, self->pump_fd, on_pump)
        && watch_bus(self, event_publisher_socket(parts->publisher))
        && watch_bus(self, list_commands_socket(parts->commands))
        && (!parts->remote || watch_bus(self, remote_clients_socket(parts->remote)))
        && (parts->source->event_fd < 0 || watch(self, parts->source->event_fd, on_event))
        && zloop_timer(self->loop, REPORT_MS, 1, on_second, self) >= 0;
}

reactor_t *reactor_new(const struct reactor_parts *parts)
{
    assert(parts && parts->source && parts->publisher && parts->keeper && parts->commands);

    reactor_t *self = calloc(1, sizeof *self);
    if (!self)
        return NULL;
    self->parts = *parts;
    self->started_ns = clock_boot_ns();
    self->pump_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    self->loop = zloop_new();
    if (self->pump_fd < 0 || !self->loop || !watch_all(self))
        reactor_destroy(&self);
    return self;
}

void reactor_destroy(reactor_t **self_p)
{
    assert(self_p);

    if (!*self_p)
        return;
    zloop_destroy(&(*self_p)->loop);
    if ((*self_p)->pump_fd >= 0)
        close((*self_p)->pump_fd);
    free(*self_p);
    *self_p = NULL;
}

int reactor_run(reactor_t *self)
{
    arm_pump(self, 0);
    look_at_bus(self);
    zloop_start(self->loop);
    return self->result;
}

void reactor_report(reactor_t *self)
{
    send_status(self);
    check_recorder(self);
}
