#include "reactor.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "stop_signal.h"
#include "zsock_setup.h"

#define REPORT_MS 1000
#define RETRY_MS 5              /* until a full bus is tried again */

struct reactor {
    struct reactor_parts parts;
    zloop_t *loop;
    uint64_t started_ns;        /* CLOCK_BOOTTIME */
    uint64_t last_report_ns;    /* CLOCK_MONOTONIC of the last status that was sent */
    bool report_wanted;         /* the source waits for a status */
    bool pump_armed;
    bool watching_wake_fd;
    bool recorder_told;
    bool save_told;
    int result;
};

static int on_pump(zloop_t *loop, int timer_id, void *arg);

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
    if (self->pump_armed)
        return;
    self->pump_armed = zloop_timer(self->loop, (size_t) wait_ms, 1, on_pump, self) >= 0;
}

static int on_wake(zloop_t *loop, zmq_pollitem_t *item, void *arg)
{
    reactor_t *self = arg;

    if (!self->watching_wake_fd)        /* something else woke the source in this round */
        return 0;
    zloop_poller_end(loop, item);
    self->watching_wake_fd = false;
    return on_pump(loop, 0, self);
}

static void sleep_source(reactor_t *self)
{
    zmq_pollitem_t item = { .fd = self->parts.source->wake_fd, .events = ZMQ_POLLIN };

    if (item.fd < 0 || self->watching_wake_fd)
        return;
    self->watching_wake_fd = zloop_poller(self->loop, &item, on_wake, self) == 0;
    zloop_poller_set_tolerant(self->loop, &item);
}

/* Take it out of its sleep, if it sleeps. */
static void wake_source(reactor_t *self)
{
    zmq_pollitem_t item = { .fd = self->parts.source->wake_fd };

    if (self->watching_wake_fd)
        zloop_poller_end(self->loop, &item);
    self->watching_wake_fd = false;
    arm_pump(self, 0);
}

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

static int on_pump(zloop_t *loop, int timer_id, void *arg)
{
    reactor_t *self = arg;
    struct packet_source *source = self->parts.source;

    (void) loop;
    (void) timer_id;
    self->pump_armed = false;
    int wish = self->report_wanted ? SOURCE_REPORTS
                                   : source->pump(source->self, self->parts.publisher);
    return obey(self, wish) ? 0 : -1;
}

static int on_event(zloop_t *loop, zmq_pollitem_t *item, void *arg)
{
    reactor_t *self = arg;

    (void) loop;
    (void) item;
    self->parts.source->on_event(self->parts.source->self);
    return 0;
}

/* ---- the bus ---- */

static int on_subscription(zloop_t *loop, zsock_t *socket, void *arg)
{
    reactor_t *self = arg;

    (void) loop;
    (void) socket;
    /* A new status, not the last one again: it must not be older than the batches before it. */
    if (event_publisher_on_subscription(self->parts.publisher))
        send_status(self);
    wake_source(self);
    return 0;
}

static int on_request(zloop_t *loop, zsock_t *socket, void *arg)
{
    reactor_t *self = arg;

    (void) loop;
    (void) socket;
    list_commands_on_request(self->parts.commands);
    return 0;
}

/* ---- every second ---- */

static void expire_entries(reactor_t *self)
{
    uint64_t boot_ns = clock_boot_ns();
    uint64_t next_ns = ip_list_next_expiry(list_keeper_lists(self->parts.keeper));
    struct list_answer answer;

    if (next_ns == 0 || next_ns > boot_ns)
        return;
    uint32_t expired = list_keeper_expire(self->parts.keeper, boot_ns, clock_wall_offset_ns(),
                                          &answer);
    log_info("list entries that have expired: %u", expired);
    if (answer.code != LIST_OK && !self->save_told)
        log_error("expired entries stay in the lists file: %s", answer.error);
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
    expire_entries(self);
    check_recorder(self);
    if (clock_monotonic_ns() - self->last_report_ns >= (REPORT_MS - 50) * NS_PER_MS
        && send_status(self) > 0)
        wake_source(self);      /* the report took the record that would have done it */
    if (source->on_second)
        source->on_second(source->self);
    return 0;
}

/* ---- life ---- */

reactor_t *reactor_new(const struct reactor_parts *parts)
{
    assert(parts && parts->source && parts->publisher && parts->keeper && parts->commands);

    reactor_t *self = calloc(1, sizeof *self);
    if (!self)
        return NULL;
    self->parts = *parts;
    self->started_ns = clock_boot_ns();
    self->loop = zloop_new();
    zmq_pollitem_t item = { .fd = parts->source->event_fd, .events = ZMQ_POLLIN };
    if (!self->loop || stop_signal_watch(self->loop, parts->stop_fd) != 0
        || zsock_setup_watch(self->loop, event_publisher_socket(parts->publisher),
                             on_subscription, self) != 0
        || zsock_setup_watch(self->loop, list_commands_socket(parts->commands), on_request,
                             self) != 0
        || (item.fd >= 0 && zloop_poller(self->loop, &item, on_event, self) != 0)
        || zloop_timer(self->loop, REPORT_MS, 1, on_second, self) < 0) {
        reactor_destroy(&self);
        return NULL;
    }
    if (item.fd >= 0)
        zloop_poller_set_tolerant(self->loop, &item);
    arm_pump(self, 0);
    return self;
}

void reactor_destroy(reactor_t **self_p)
{
    assert(self_p);

    if (!*self_p)
        return;
    zloop_destroy(&(*self_p)->loop);
    free(*self_p);
    *self_p = NULL;
}

int reactor_run(reactor_t *self)
{
    send_status(self);          /* also accounts for a crash before this start */
    zloop_start(self->loop);
    return self->result;
}

void reactor_report(reactor_t *self)
{
    send_status(self);
    check_recorder(self);
}
