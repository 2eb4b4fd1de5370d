#include "mock_source.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "mock_traffic.h"
#include "source_counters.h"

#define CALM_STEP_NS (50 * NS_PER_MS)   /* 20 packets/s */
#define BURST_STEP_NS (5 * NS_PER_MS)
#define UNPACED_CHUNK 64                /* records between two looks at the clock */
#define BLOCKED_MS 1
#define LEAST_WAIT_MS 5                 /* a faster pace comes in small groups */
#define MAX_LAG_NS NS_PER_S             /* who is further behind does not catch up */

/* The verdict of one path, right until the lists change or something in them expires. */
struct cached_verdict {
    uint64_t generation;
    uint64_t until_ns;          /* 0 = nothing expires */
    uint32_t match;             /* of ip_list_verdict() */
    uint32_t action;
};

struct mock_source {
    struct packet_source packets;
    struct ntc_ledger ledger;
    struct ntc_counters counters;
    mock_traffic_t *traffic;
    ip_list_t *lists;
    uint64_t bypass[1024];
    struct cached_verdict *cache;       /* by path */
    uint64_t step_ns;           /* between two packets; 0 = the default pace */
    bool is_unpaced;
    uint64_t due_ns;            /* CLOCK_MONOTONIC of the next packet, 0 = not started */
    uint64_t clock_ns;          /* CLOCK_BOOTTIME before which all packets have been made */
};

static bool is_bypassed(const mock_source_t *self, uint16_t port)
{
    return self->bypass[port >> 6] >> (port & 63) & 1;
}

/* As has_bypass() in bpf/ntc.bpf.c. */
static bool has_bypass(const mock_source_t *self, const struct packet_record *record)
{
    if (packet_group_of(record->protocol) != PACKET_TCP)
        return false;
    if (is_bypassed(self, record->dst_port))
        return true;
    uint8_t opening = record->tcp_flags & (PACKET_TCP_SYN | PACKET_TCP_ACK);
    return opening != PACKET_TCP_SYN && is_bypassed(self, record->src_port);
}

static enum packet_action decide(mock_source_t *self, const struct packet_record *record,
                                 uint32_t path)
{
    struct cached_verdict *cached = &self->cache[path];
    uint64_t generation = ip_list_generation(self->lists) + 1;     /* 0 = not cached yet */

    if (has_bypass(self, record))
        return PACKET_SSH;
    if (cached->generation != generation
        || (cached->until_ns != 0 && record->first_ns >= cached->until_ns)) {
        cached->action = ip_list_verdict(self->lists, record->src_addr, record->dst_addr,
                                         record->first_ns, &cached->match);
        cached->generation = generation;
        cached->until_ns = ip_list_next_expiry(self->lists);
    }
    if (cached->match != IP_LIST_NO_MATCH)
        ip_list_count_hits(self->lists, cached->match, record->packets, record->bytes,
                           record->last_ns);
    return (enum packet_action) cached->action;
}

void mock_source_next(mock_source_t *self, uint64_t boot_ns, struct packet_record *ret_record)
{
    uint32_t path;

    mock_traffic_next(self->traffic, ret_record, &path);
    ret_record->first_ns = ret_record->last_ns = boot_ns;
    ret_record->ifindex = MOCK_IFINDEX;
    ret_record->action = decide(self, ret_record, path);
    source_counters_add(&self->counters, packet_group_of(ret_record->protocol),
                        ret_record->direction, ret_record->action, ret_record->packets,
                        ret_record->bytes);
}

/* ---- pace ---- */

/* As fast as the bus takes them.  While nobody listens there is nothing to be as fast as. */
static int pump_unpaced(mock_source_t *self, event_publisher_t *publisher)
{
    struct packet_record record;

    if (!event_publisher_is_wanted(publisher))
        return SOURCE_SLEEPS;
    for (uint32_t i = 0; i < SOURCE_BITE; i += UNPACED_CHUNK) {
        uint64_t boot_ns = clock_boot_ns();
        for (uint32_t j = 0; j < UNPACED_CHUNK; j++) {
            if (!event_publisher_has_room(publisher))
                return BLOCKED_MS;
            mock_source_next(self, boot_ns, &record);
            event_publisher_add(publisher, &record);
        }
    }
    return 0;
}

static uint64_t step_ns(const mock_source_t *self)
{
    if (self->step_ns != 0)
        return self->step_ns;
    return mock_traffic_in_burst(self->traffic) ? BURST_STEP_NS : CALM_STEP_NS;
}

/* Packets have the times at which they were due, not those at which we got round to them. */
static int pump_paced(mock_source_t *self, event_publisher_t *publisher)
{
    uint64_t now_ns = clock_monotonic_ns(), boot_ns = clock_boot_ns();
    struct packet_record record;
    bool has_room = true;

    if (self->due_ns == 0 || self->due_ns + MAX_LAG_NS < now_ns)
        self->due_ns = now_ns;
    for (uint32_t i = 0; i < SOURCE_BITE && self->due_ns <= now_ns; i++) {
        has_room = event_publisher_has_room(publisher);
        if (!has_room)
            break;
        mock_source_next(self, boot_ns - (now_ns - self->due_ns), &record);
        event_publisher_add(publisher, &record);
        self->due_ns += step_ns(self);
    }
    bool is_behind = self->due_ns <= now_ns;
    self->clock_ns = is_behind ? boot_ns - (now_ns - self->due_ns) : boot_ns;
    if (is_behind)
        return has_room ? 0 : BLOCKED_MS;
    uint64_t wait_ms = (self->due_ns - now_ns) / NS_PER_MS + 1;
    if (wait_ms >= LEAST_WAIT_MS) {
        event_publisher_flush(publisher);
        return (int) wait_ms;
    }
    event_publisher_flush_due(publisher, now_ns);
    return LEAST_WAIT_MS;
}

static int pump(void *arg, event_publisher_t *publisher)
{
    mock_source_t *self = arg;

    return self->is_unpaced ? pump_unpaced(self, publisher) : pump_paced(self, publisher);
}

static int report(void *arg, event_publisher_t *publisher, struct collector_status *status)
{
    mock_source_t *self = arg;

    if (self->is_unpaced)
        self->clock_ns = clock_boot_ns();       /* the next packets are made after it */
    else
        pump_paced(self, publisher);
    if (event_publisher_flush(publisher) != 0)
        return SOURCE_IS_BLOCKED;
    status->clock_ns = self->clock_ns;
    status->wall_offset_ns = clock_wall_offset_ns();
    source_counters_show(&self->counters, status);
    status->due_low = status->due_high = source_counters_due_packets(&self->counters);
    status->interface_count = 1;
    status->interfaces[0] = (struct interface_state) { .name = MOCK_INTERFACE,
                                                       .ifindex = MOCK_IFINDEX, .attached = true };
    return 0;
}

/* ---- life ---- */

mock_source_t *mock_source_new(uint64_t seed, uint32_t rate, const struct config_numbers *bypass,
                               ip_list_t *lists)
{
    assert(bypass && lists && (rate <= MOCK_MAX_RATE || rate == MOCK_UNPACED));

    mock_source_t *self = calloc(1, sizeof *self);
    if (!self)
        return NULL;
    self->lists = lists;
    self->is_unpaced = rate == MOCK_UNPACED;
    self->step_ns = rate == MOCK_DEFAULT_RATE ? 0 : NS_PER_S / rate;
    for (uint32_t i = 0; i < bypass->size; i++)
        self->bypass[bypass->items[i] >> 6] |= 1ull << (bypass->items[i] & 63);
    self->traffic = mock_traffic_new(seed);
    if (self->traffic)
        self->cache = calloc(mock_traffic_paths(self->traffic), sizeof *self->cache);
    if (!self->cache) {
        mock_source_destroy(&self);
        return NULL;
    }
    self->packets = (struct packet_source) {
        .name = "mock", .self = self, .ledger = &self->ledger, .lossless = true,
        .wake_fd = -1, .event_fd = -1, .pump = pump, .report = report,
    };
    return self;
}

void mock_source_destroy(mock_source_t **self_p)
{
    assert(self_p);

    if (!*self_p)
        return;
    mock_traffic_destroy(&(*self_p)->traffic);
    free((*self_p)->cache);
    free(*self_p);
    *self_p = NULL;
}

struct packet_source *mock_source_packets(mock_source_t *self)
{
    return &self->packets;
}

const struct ntc_counters *mock_source_counters(const mock_source_t *self)
{
    return &self->counters;
}
