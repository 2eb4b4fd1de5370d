#include "aggregate.h"

#include <assert.h>
#include <stdlib.h>

enum {
    TIMELINE_ORIGIN_S = 1 << 20,        /* the timeline at boot of this host: never near 0 */
    MAX_LEAP_S = 366 * 24 * 3600,       /* a collector cannot move the timeline further at once */
    MAX_LAG_S = WINDOW_S / 2,           /* a clock that lags more is set anew */
    STALL_S = 2,                        /* a tick this late says nothing about collectors */
    RIVAL_S = 10,
    RIVAL_FLIPS = 3,
};

struct aggregate {
    accounting_t *accounting;
    traffic_history_t *history;         /* of all collectors together */
    traffic_history_t *apart[SNAPSHOT_MAX_COLLECTORS];  /* of each, NULL while there is only one */
    collector_table_t *collectors;
    uint32_t anchor_second;             /* the timeline when a collector was heard last, ... */
    uint64_t anchor_ns;                 /* ... and the local time then */
    uint64_t ticked_ns;
};

/* The time of a message by its collector's own clock. */
struct clock_span {
    uint64_t first_ns;
    uint64_t newest_ns;
};

aggregate_t *aggregate_new(const struct flow_limits *limits, uint32_t addresses, uint64_t seed,
                           flow_ended_fn *on_ended, void *arg)
{
    struct flow_limits own = *limits;
    aggregate_t *self = calloc(1, sizeof *self);

    if (!self)
        return NULL;
    own.collectors = SNAPSHOT_MAX_COLLECTORS;
    self->accounting = accounting_new(&own, addresses, seed, on_ended, arg);
    self->history = traffic_history_new(SNAPSHOT_MAX_COLLECTORS);
    self->collectors = collector_table_new();
    if (!self->accounting || !self->history || !self->collectors) {
        aggregate_destroy(&self);
        return NULL;
    }
    /* Now, while the tables are empty: they cannot step through seconds below their own span. */
    accounting_advance(self->accounting, TIMELINE_ORIGIN_S);
    return self;
}

void aggregate_destroy(aggregate_t **self_p)
{
    assert(self_p);
    aggregate_t *self = *self_p;

    if (!self)
        return;
    accounting_destroy(&self->accounting);
    traffic_history_destroy(&self->history);
    for (uint32_t i = 0; i < SNAPSHOT_MAX_COLLECTORS; i++)
        traffic_history_destroy(&self->apart[i]);
    collector_table_destroy(&self->collectors);
    free(self);
    *self_p = NULL;
}

static uint32_t local_second(uint64_t local_ns)
{
    return (uint32_t) (local_ns / NS_PER_S) + TIMELINE_ORIGIN_S;
}

/* Map a clock to the timeline, in whole seconds: where seconds begin depends on records alone, so
 * that a replay gives the same results.  A replay at full speed leaves the local time behind; what
 * follows goes on from where it stopped. */
static void fix_offset(const aggregate_t *self, struct collector *collector, uint64_t clock_ns,
                       uint64_t local_ns)
{
    int64_t distance_ns = (int64_t) (local_ns % NS_PER_S) - (int64_t) (clock_ns % NS_PER_S);
    uint32_t second = local_second(local_ns);
    uint32_t reached = accounting_second(self->accounting);

    if (reached > second + 1)
        second = reached;
    collector->offset_s = (int64_t) second - (int64_t) (clock_ns / NS_PER_S);
    if (distance_ns >= (int64_t) NS_PER_S / 2)
        collector->offset_s++;
    else if (distance_ns < -(int64_t) NS_PER_S / 2)
        collector->offset_s--;
}

static bool had_boot_id(const struct collector *collector, uint64_t boot_id)
{
    for (uint32_t i = 0; i < COLLECTOR_BOOTS && i < collector->past_count; i++)
        if (collector->past_boot_ids[i] == boot_id)
            return true;
    return false;
}

static bool is_recent(uint64_t then_ns, uint64_t seconds, uint64_t local_ns)
{
    return local_ns - then_ns < seconds * NS_PER_S;
}

/* Several processes with one id would make the stream begin anew with every message.  The one that
 * is accepted goes on; when it is silent another may take its place. */
static bool is_rival(const struct collector *collector, uint64_t boot_id, uint64_t local_ns)
{
    return collector->ledger.boot_id != boot_id && had_boot_id(collector, boot_id)
        && collector->flips >= RIVAL_FLIPS
        && is_recent(collector->conflict_ns, RIVAL_S, local_ns)
        && is_recent(collector->heard_ns, COLLECTOR_AWAY_S, local_ns);
}

bool aggregate_has_rival(const struct collector *collector, uint64_t local_ns)
{
    return collector->rival_ns != 0 && is_recent(collector->rival_ns, RIVAL_S, local_ns);
}

static bool is_plausible(const aggregate_t *self, const struct collector *collector,
                         uint64_t newest_ns)
{
    uint32_t second = timeline_second(newest_ns, collector->offset_s);

    return second < TIMELINE_MAX && second < accounting_second(self->accounting) + MAX_LEAP_S;
}

static uint64_t timeline_ns(const struct collector *collector,
                            const struct collector_status *status)
{
    return timeline_second(status->clock_ns, collector->offset_s) * NS_PER_S
        + status->clock_ns % NS_PER_S;
}

/* As soon as there are two collectors, keep what belongs to each.  What there is no memory for is
 * not kept, and not shown. */
static void tell_apart(aggregate_t *self)
{
    uint32_t size = collector_table_size(self->collectors);

    if (size < 2)
        return;
    accounting_tell_apart(self->accounting, SNAPSHOT_MAX_COLLECTORS);
    for (uint32_t i = 0; i < size; i++) {
        const struct collector *collector = collector_table_at(self->collectors, i);
        if (self->apart[i])
            continue;
        self->apart[i] = traffic_history_new(1);
        if (self->apart[i] && collector->has_status)
            traffic_history_add(self->apart[i], 0, timeline_ns(collector, &collector->status),
                                collector->status.packets, collector->status.bytes);
    }
}

/* Find the sender of a message, or refuse it. */
static struct collector *admit(aggregate_t *self, const char *id, uint64_t boot_id,
                               uint64_t newest_ns, uint64_t local_ns, enum hearing *ret_hearing)
{
    *ret_hearing = HEARING_REFUSED;
    if (newest_ns >= INT64_MAX)
        return NULL;

    struct collector *collector = collector_table_find(self->collectors, id);
    if (!collector)
        return NULL;
    if (is_rival(collector, boot_id, local_ns)) {
        if (!aggregate_has_rival(collector, local_ns))
            *ret_hearing = HEARING_RIVAL;
        collector->conflict_ns = collector->rival_ns = local_ns;
        return NULL;
    }
    if (collector->heard_ns == 0)
        tell_apart(self);
    bool goes_on = collector->has_clock && collector->ledger.boot_id == boot_id;
    return goes_on && !is_plausible(self, collector, newest_ns) ? NULL : collector;
}

/* The stream has begun (anew).  Returns what that means. */
static enum hearing begin_stream(aggregate_t *self, struct collector *collector,
                                 uint64_t old_boot_id, uint64_t clock_ns, uint64_t local_ns)
{
    uint64_t boot_id = collector->ledger.boot_id;
    bool is_first = collector->heard_ns == 0;
    bool is_repeated = !is_first && boot_id == old_boot_id;

    if (is_repeated || clock_ns + NS_PER_S < collector->newest_ns) {
        accounting_end_collector(self->accounting, collector->index);
        traffic_history_forget(self->history, collector->index);
        if (self->apart[collector->index])
            traffic_history_forget(self->apart[collector->index], 0);
        collector->newest_ns = 0;
    }
    if (!is_first && !is_repeated) {
        bool is_known = had_boot_id(collector, boot_id);
        bool came_back = is_known && is_recent(collector->conflict_ns, RIVAL_S, local_ns);
        collector->flips = came_back ? collector->flips + 1 : 0;
        if (!had_boot_id(collector, old_boot_id))
            collector->past_boot_ids[collector->past_count++ % COLLECTOR_BOOTS] = old_boot_id;
        collector->conflict_ns = local_ns;
        if (!is_known) {
            collector->restarts++;
            collector->restarted_ns = local_ns;
        }
    }
    collector->has_clock = false;
    if (is_first)
        return HEARING_FIRST;
    return is_repeated ? HEARING_REPEATED : HEARING_RESTARTED;
}

/* Note that `collector` was heard of.  Returns HEARING_BACK if that is news. */
static enum hearing hear(struct collector *collector, struct clock_span clock,
                         int64_t wall_offset_ns, uint64_t local_ns)
{
    enum hearing hearing = collector->is_away ? HEARING_BACK : HEARING_GOES_ON;

    if (collector->is_away) {
        collector->returns++;
        collector->returned_ns = local_ns;
    }
    collector->is_away = false;
    collector->heard_ns = local_ns;
    collector->wall_offset_ns = wall_offset_ns;
    if (clock.newest_ns > collector->newest_ns)
        collector->newest_ns = clock.newest_ns;
    return hearing;
}

static void drop_anchor(aggregate_t *self, uint64_t local_ns)
{
    self->anchor_second = accounting_second(self->accounting);
    self->anchor_ns = local_ns;
}

static struct packet_sums accounted_of(const aggregate_t *self, uint32_t collector)
{
    struct flow_sums sums = flow_table_accounted(accounting_flows(self->accounting), collector);

    return (struct packet_sums) { sums.packets, sums.bytes };
}

static struct clock_span span_of(const struct packet_view *view)
{
    struct clock_span span = { .first_ns = UINT64_MAX };

    for (uint32_t i = 0; i < view->size; i++) {
        uint64_t last_ns = view->first_ns[i] + view->duration_ns[i];
        span.first_ns = view->first_ns[i] < span.first_ns ? view->first_ns[i] : span.first_ns;
        span.newest_ns = last_ns > span.newest_ns ? last_ns : span.newest_ns;
    }
    return span;
}

enum hearing aggregate_take_batch(aggregate_t *self, const struct packet_view *view,
                                  uint64_t local_ns)
{
    assert(self && view);

    enum hearing hearing;
    const struct batch_header *header = &view->header;
    struct clock_span clock = span_of(view);
    struct collector *collector = admit(self, header->collector_id, header->boot_id,
                                        clock.newest_ns, local_ns, &hearing);
    if (!collector)
        return hearing;

    uint64_t old_boot_id = collector->ledger.boot_id;
    struct packet_sums accounted = accounted_of(self, collector->index);
    bool is_new = loss_ledger_on_batch(&collector->ledger, view, accounted);
    if (is_new)
        hearing = begin_stream(self, collector, old_boot_id, clock.first_ns, local_ns);
    if (!collector->has_clock) {
        fix_offset(self, collector, clock.newest_ns, local_ns);
        collector->has_clock = true;
    }
    enum hearing heard = hear(collector, clock, header->wall_offset_ns, local_ns);
    accounting_add(self->accounting, collector->index, collector->offset_s, view);
    drop_anchor(self, local_ns);
    return is_new ? hearing : heard;
}

/* Move the timeline to where the status says that its collector is. */
static void follow_clock(aggregate_t *self, struct collector *collector,
                         const struct collector_status *status, uint64_t local_ns)
{
    uint32_t second = timeline_second(status->clock_ns, collector->offset_s);

    /* Clocks of two hosts drift apart in weeks, and a replay at full speed leaves live collectors
     * behind: before their records fall out of the windows, their clock is set anew. */
    if (!collector->has_clock || second + MAX_LAG_S < accounting_second(self->accounting)) {
        fix_offset(self, collector, status->clock_ns, local_ns);
        second = timeline_second(status->clock_ns, collector->offset_s);
    }
    accounting_advance(self->accounting, second);
    uint64_t at_ns = timeline_ns(collector, status);
    traffic_history_add(self->history, collector->index, at_ns, status->packets, status->bytes);
    if (self->apart[collector->index])
        traffic_history_add(self->apart[collector->index], 0, at_ns, status->packets,
                            status->bytes);
}

static uint64_t counted(const struct collector_status *status)
{
    uint64_t packets = 0;

    for (unsigned i = 0; i < STATUS_COUNTERS; i++)
        packets += status->packets[i];
    return packets;
}

enum hearing aggregate_take_status(aggregate_t *self, const struct collector_status *status,
                                   uint64_t local_ns)
{
    assert(self && status);

    enum hearing hearing;
    struct clock_span clock = { status->clock_ns, status->clock_ns };
    struct collector *collector = admit(self, status->collector_id, status->boot_id,
                                        status->clock_ns, local_ns, &hearing);
    if (!collector)
        return hearing;

    uint64_t old_boot_id = collector->ledger.boot_id;
    struct packet_sums accounted = accounted_of(self, collector->index);
    bool is_new = loss_ledger_on_status(&collector->ledger, status, accounted);
    if (is_new)
        hearing = begin_stream(self, collector, old_boot_id, status->clock_ns, local_ns);
    enum hearing heard = hear(collector, clock, status->wall_offset_ns, local_ns);
    if (!collector->has_status || counted(status) != counted(&collector->status))
        collector->moved_ns = local_ns;
    collector->status = *status;
    collector->has_status = true;
    collector->status_ns = local_ns;
    follow_clock(self, collector, status, local_ns);
    drop_anchor(self, local_ns);
    return is_new ? hearing : heard;
}

/* What on_collector_away() needs. */
struct tick {
    aggregate_t *aggregate;
    collector_away_fn *on_away;
    void *arg;
};

static void on_collector_away(const struct collector *collector, void *arg)
{
    struct tick *tick = arg;

    traffic_history_rest(tick->aggregate->history, collector->index);
    if (tick->aggregate->apart[collector->index])
        traffic_history_rest(tick->aggregate->apart[collector->index], 0);
    tick->on_away(collector, tick->arg);
}

void aggregate_tick(aggregate_t *self, uint64_t local_ns, collector_away_fn *on_away, void *arg)
{
    assert(self && on_away);

    struct tick tick = { self, on_away, arg };
    bool was_stalled = local_ns - self->ticked_ns > STALL_S * NS_PER_S;

    self->ticked_ns = local_ns;
    if (was_stalled || local_ns < COLLECTOR_AWAY_S * NS_PER_S)
        return;                 /* their messages may be waiting to be read */
    collector_table_mark_away(self->collectors, local_ns - COLLECTOR_AWAY_S * NS_PER_S,
                              on_collector_away, &tick);
    if (collector_table_all_away(self->collectors)) {
        uint64_t silent_s = (local_ns - self->anchor_ns) / NS_PER_S;
        accounting_advance(self->accounting, self->anchor_second + (uint32_t) silent_s);
    }
}

uint64_t aggregate_unix_s(const aggregate_t *self, uint32_t second, uint64_t local_ns,
                          uint64_t wall_ns)
{
    uint32_t now = local_second(local_ns);
    uint32_t reached = accounting_second(self->accounting);

    if (now < reached)
        now = reached;
    return wall_ns / NS_PER_S - (now - second);
}

const accounting_t *aggregate_accounting(const aggregate_t *self) { return self->accounting; }
const traffic_history_t *aggregate_history(const aggregate_t *self) { return self->history; }
const collector_table_t *aggregate_collectors(const aggregate_t *self) { return self->collectors; }

const traffic_history_t *aggregate_history_of(const aggregate_t *self, uint32_t collector)
{
    assert(collector < collector_table_size(self->collectors));
    return collector_table_size(self->collectors) > 1 ? self->apart[collector] : self->history;
}

const ip_window_t *aggregate_window_of(const aggregate_t *self, uint32_t *collector)
{
    assert(*collector < collector_table_size(self->collectors));
    if (collector_table_size(self->collectors) > 1)
        return accounting_window_apart(self->accounting);
    *collector = 0;
    return accounting_window(self->accounting);
}
