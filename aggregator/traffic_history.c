#include "traffic_history.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "table_memory.h"

#define LAG_S 30                /* clocks that were mapped at different moments lie apart */
#define RING_S (HISTORY_MAX_S + 2 * LAG_S)      /* the last seconds are not yet told in full */
#define ACTION_SERIES (PACKET_DIRECTIONS * PACKET_ACTIONS)

_Static_assert(ACTION_SERIES + PACKET_GROUPS == HISTORY_SERIES, "see HistorySeries in ntc.proto");

static const char *const NAMES[HISTORY_SERIES] = {
    "ingress_pass", "ingress_drop", "ingress_skip", "ingress_ssh",
    "egress_pass", "egress_drop", "egress_skip", "egress_ssh",
    "tcp", "udp", "icmp", "other",
};

/* One value per series. */
struct totals {
    uint64_t packets[HISTORY_SERIES];
    uint64_t bytes[HISTORY_SERIES];
};

struct baseline {
    bool is_set;
    bool is_resting;            /* nobody waits for it */
    uint64_t at_ns;
    uint64_t packets[STATUS_COUNTERS];
    uint64_t bytes[STATUS_COUNTERS];
};

struct traffic_history {
    struct totals *ring;            /* RING_S rows, by second */
    struct baseline *baselines;     /* per collector */
    uint32_t collectors;
    uint32_t used;                  /* baselines that were ever set stand before this one */
    bool has_any;
    uint32_t first, newest;         /* seconds; rows beyond the newest are stale */
};

traffic_history_t *traffic_history_new(uint32_t collectors)
{
    assert(collectors >= 1);

    traffic_history_t *self = calloc(1, sizeof *self);
    if (!self)
        return NULL;
    self->collectors = collectors;
    self->ring = table_memory_new(RING_S, sizeof *self->ring);
    self->baselines = table_memory_new(collectors, sizeof *self->baselines);
    if (!self->ring || !self->baselines)
        traffic_history_destroy(&self);
    return self;
}

void traffic_history_destroy(traffic_history_t **self_p)
{
    assert(self_p);
    traffic_history_t *self = *self_p;

    if (!self)
        return;
    table_memory_free(self->ring, RING_S, sizeof *self->ring);
    table_memory_free(self->baselines, self->collectors, sizeof *self->baselines);
    free(self);
    *self_p = NULL;
}

static bool holds(const traffic_history_t *self, uint32_t second)
{
    return self->has_any && second >= self->first && second <= self->newest
        && self->newest - second < RING_S;
}

/* Let the ring reach `second`.  Its first second is that of the first baseline. */
static void reach(traffic_history_t *self, uint32_t second)
{
    if (!self->has_any) {
        self->has_any = true;
        self->first = self->newest = second;
        self->ring[second % RING_S] = (struct totals) { 0 };
    }
    if (second > self->newest + RING_S)
        self->newest = second - RING_S;
    while (self->newest < second)
        self->ring[++self->newest % RING_S] = (struct totals) { 0 };
}

/* What was counted since the baseline.  Returns false when a counter went back. */
static bool count_since(const struct baseline *baseline, const uint64_t packets[STATUS_COUNTERS],
                        const uint64_t bytes[STATUS_COUNTERS], struct totals *ret_totals)
{
    memset(ret_totals, 0, sizeof *ret_totals);
    for (unsigned i = 0; i < STATUS_COUNTERS; i++) {
        unsigned by_action = i % ACTION_SERIES, by_group = ACTION_SERIES + i / ACTION_SERIES;
        uint64_t more_packets = packets[i] - baseline->packets[i];
        uint64_t more_bytes = bytes[i] - baseline->bytes[i];
        if (packets[i] < baseline->packets[i] || bytes[i] < baseline->bytes[i])
            return false;
        ret_totals->packets[by_action] += more_packets;
        ret_totals->packets[by_group] += more_packets;
        ret_totals->bytes[by_action] += more_bytes;
        ret_totals->bytes[by_group] += more_bytes;
    }
    return true;
}

/* The part of `value` that belongs to the first `part` of `whole`.  Parts add up exactly. */
static uint64_t share(uint64_t value, uint64_t part, uint64_t whole)
{
    return (uint64_t) ((unsigned __int128) value * part / whole);
}

/* Spread `more` evenly over the time from `from_ns` to `to_ns`, which is later. */
static void spread(traffic_history_t *self, const struct totals *more, uint64_t from_ns,
                   uint64_t to_ns)
{
    uint64_t whole = to_ns - from_ns;
    uint64_t start_ns = from_ns;

    if (whole > RING_S * NS_PER_S)
        start_ns = to_ns - RING_S * NS_PER_S;    /* what is older has left the ring */
    while (start_ns < to_ns) {
        uint64_t end_ns = (start_ns / NS_PER_S + 1) * NS_PER_S;
        if (end_ns > to_ns)
            end_ns = to_ns;
        uint32_t second = (uint32_t) (start_ns / NS_PER_S);
        uint64_t before = start_ns - from_ns, after = end_ns - from_ns;
        struct totals *row = &self->ring[second % RING_S];
        for (unsigned i = 0; i < HISTORY_SERIES && holds(self, second); i++) {
            row->packets[i] += share(more->packets[i], after, whole)
                - share(more->packets[i], before, whole);
            row->bytes[i] += share(more->bytes[i], after, whole)
                - share(more->bytes[i], before, whole);
        }
        start_ns = end_ns;
    }
}

void traffic_history_add(traffic_history_t *self, uint32_t collector, uint64_t at_ns,
                         const uint64_t packets[STATUS_COUNTERS],
                         const uint64_t bytes[STATUS_COUNTERS])
{
    assert(collector < self->collectors && at_ns / NS_PER_S < UINT32_MAX);

    struct baseline *baseline = &self->baselines[collector];
    struct totals more;

    reach(self, (uint32_t) (at_ns / NS_PER_S));
    if (baseline->is_set && at_ns <= baseline->at_ns && at_ns + NS_PER_S > baseline->at_ns)
        at_ns = baseline->at_ns + 1;    /* the clock stands still: all belongs to this second */
    if (baseline->is_set && at_ns > baseline->at_ns
        && count_since(baseline, packets, bytes, &more)) {
        reach(self, (uint32_t) (at_ns / NS_PER_S));
        spread(self, &more, baseline->at_ns, at_ns);
    }
    if (self->used <= collector)
        self->used = collector + 1;
    baseline->is_set = true;
    baseline->is_resting = false;
    baseline->at_ns = at_ns;
    memcpy(baseline->packets, packets, sizeof baseline->packets);
    memcpy(baseline->bytes, bytes, sizeof baseline->bytes);
}

void traffic_history_forget(traffic_history_t *self, uint32_t collector)
{
    assert(collector < self->collectors);
    self->baselines[collector].is_set = false;
}

void traffic_history_rest(traffic_history_t *self, uint32_t collector)
{
    assert(collector < self->collectors);
    self->baselines[collector].is_resting = true;
}

uint32_t traffic_history_last(const traffic_history_t *self, uint32_t now)
{
    uint32_t last = now > 0 ? now - 1 : 0;

    for (uint32_t i = 0; i < self->used; i++) {
        const struct baseline *baseline = &self->baselines[i];
        uint32_t second = (uint32_t) (baseline->at_ns / NS_PER_S);
        if (baseline->is_set && !baseline->is_resting && second + LAG_S >= now && second > 0
            && second - 1 < last)
            last = second - 1;
    }
    return last;
}

struct flow_sums traffic_history_of(const traffic_history_t *self, uint32_t second)
{
    struct flow_sums sums = { 0 };

    for (unsigned i = 0; i < ACTION_SERIES && holds(self, second); i++) {
        sums.packets += self->ring[second % RING_S].packets[i];
        sums.bytes += self->ring[second % RING_S].bytes[i];
    }
    return sums;
}

int traffic_history_read(const traffic_history_t *self, uint32_t last, uint32_t seconds,
                         struct history *ret_history)
{
    assert(seconds >= 1 && seconds <= HISTORY_MAX_S);

    uint32_t length = self->has_any && last >= self->first ? last - self->first + 1 : 0;
    if (length > seconds)
        length = seconds;

    int rc = history_reserve(ret_history, HISTORY_SERIES, length);
    if (rc != 0)
        return rc;
    for (uint32_t series = 0; series < HISTORY_SERIES; series++) {
        struct history_series *column = &ret_history->series[series];
        snprintf(column->name, sizeof column->name, "%s", NAMES[series]);
        for (uint32_t i = 0; i < length; i++) {
            uint32_t second = last - length + 1 + i;
            const struct totals *row = &self->ring[second % RING_S];
            column->packets[i] = holds(self, second) ? row->packets[series] : 0;
            column->bytes[i] = holds(self, second) ? row->bytes[series] : 0;
        }
    }
    return 0;
}
