#include "tc_source.h"

#include <assert.h>
#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clock.h"
#include "drain_pace.h"
#include "log.h"
#include "source_counters.h"
#include "tc_attachment.h"

#define LIVE_MS 20              /* between two drains, at most, when somebody watches */
#define CALM_MS 100             /* when nobody does: each message wakes five threads */
/* None of the merged packets gets older than 100 ms.  A look at the flow cache moves this process
 * from CPU to CPU, which costs what some hundred records do: few flows are looked at every 80 ms
 * and leave when 20 ms old, many every 40 ms, when they are 60 ms old and so merge more. */
#define FLUSH_WITHIN_NS (100 * NS_PER_MS)
#define FLUSH_MANY 1000
#define FLUSH_FEW_NS (80 * NS_PER_MS)
#define FLUSH_MANY_NS (40 * NS_PER_MS)
#define FLUSH_EARLY_NS (4 * NS_PER_MS)      /* timers are not exact */
#define GRACE_MS 4              /* between two looks for listeners */
#define GRACE_NS NS_PER_S       /* for the listeners of the collector before us to find us */
#define RING_RECORD (sizeof(struct packet_record) + 8)  /* with the ring's own header */

struct tc_source {
    struct packet_source packets;
    struct list_kernel list_kernel;
    kernel_source_t *kernel;
    tc_attachment_t *attachment;
    uint64_t ring_bytes;
    int flush_ms;               /* events.flush_ms */
    uint64_t drained_ns;        /* CLOCK_BOOTTIME of the last drain */
    uint64_t grace_until_ns;    /* CLOCK_MONOTONIC, 0 = over */
    uint64_t grace_bytes;       /* in the ring at most, meanwhile */
    uint64_t flushed_ns;        /* CLOCK_BOOTTIME of the last look at the flow cache */
    bool flush_failed;          /* logged already */
    bool crash_checked;
};

/* ---- the drain ---- */

static void on_record(const struct packet_record *record, void *arg)
{
    event_publisher_add(arg, record);
}

/* Hand on at most `max` records.  Never more at once than fit the open batch: so a batch is sent
 * when its records are out of the ring, and the next collector does not send them again. */
static uint32_t drain(tc_source_t *self, event_publisher_t *publisher, uint32_t max)
{
    uint32_t total = 0, bite, drained;

    do {
        uint32_t room = event_publisher_room(publisher);
        bite = max - total < room ? max - total : room;
        drained = kernel_source_drain(self->kernel, bite, on_record, publisher);
        total += drained;
    } while (drained == bite && total < max);
    return total;
}

/* Send what the flow cache holds since before `before_ns`. */
static void flush_cache(tc_source_t *self, uint64_t before_ns)
{
    int rc = kernel_source_flush(self->kernel, before_ns);

    if (rc != 0 && !self->flush_failed)
        log_warning("cannot flush the flow cache of every CPU: %s; merged packets may show late",
                    strerror(-rc));
    self->flush_failed = rc != 0;
}

/* What the ring kept while no collector ran is worth a moment of waiting for those who want it. */
static bool has_grace(tc_source_t *self, const event_publisher_t *publisher)
{
    if (self->grace_until_ns != 0
        && (event_publisher_is_wanted(publisher) || clock_monotonic_ns() >= self->grace_until_ns
            || kernel_source_waiting(self->kernel) >= self->grace_bytes))
        self->grace_until_ns = 0;
    return self->grace_until_ns != 0;
}

/* `look_ns`: until the next look at the flow cache, 0 = it is empty. */
static int most_ms(const tc_source_t *self, const event_publisher_t *publisher, uint64_t look_ns)
{
    if (event_publisher_is_watched(publisher))
        return self->flush_ms < LIVE_MS ? self->flush_ms : LIVE_MS;
    return look_ns > 0 ? (int) (look_ns / NS_PER_MS) : CALM_MS;
}

/* Much traffic: before the ring is filled to its eighth.  Little traffic: every events.flush_ms, or
 * every 100 ms while nobody watches, and what came is sent at once.  None: the kernel wakes us. */
static int pump(void *arg, event_publisher_t *publisher)
{
    tc_source_t *self = arg;

    if (has_grace(self, publisher))
        return GRACE_MS;
    uint32_t cached = kernel_source_cached(self->kernel);
    uint64_t look_ns = cached > FLUSH_MANY ? FLUSH_MANY_NS : FLUSH_FEW_NS;
    uint64_t now_ns = clock_boot_ns();

    if (cached > 0 && now_ns - self->flushed_ns >= look_ns - FLUSH_EARLY_NS) {
        self->flushed_ns = now_ns;
        flush_cache(self, now_ns - (FLUSH_WITHIN_NS - look_ns));
    }
    uint32_t drained = drain(self, publisher, SOURCE_BITE);
    int most = most_ms(self, publisher, cached > 0 ? look_ns : 0);
    int wait_ms = drain_pace_ms(self->ring_bytes, drained * RING_RECORD, now_ns - self->drained_ns,
                                most);

    self->drained_ns = now_ns;
    if (drained == 0 || wait_ms == most)
        event_publisher_flush(publisher);
    else
        event_publisher_flush_due(publisher, clock_monotonic_ns());
    if (drained == SOURCE_BITE)
        return 0;
    if (drained == 0 && cached == 0 && kernel_source_sleep(self->kernel))
        return SOURCE_SLEEPS;
    return wait_ms;
}

/* ---- the report ---- */

/* Hand on what is in the ring now; what comes meanwhile is left for later. */
static uint32_t drain_all(tc_source_t *self, event_publisher_t *publisher)
{
    uint64_t left = kernel_source_waiting(self->kernel) / RING_RECORD + 1;
    uint32_t total = drain(self, publisher, left < UINT32_MAX ? (uint32_t) left : UINT32_MAX);

    event_publisher_flush(publisher);
    return total;
}

/* After the first full drain of a ring that was taken over: what neither was published nor is known
 * to be lost, a collector took out of the ring that died before it sent it. */
static void account_for_crash(tc_source_t *self, const struct ntc_counters *low,
                              const struct ntc_counters *lost)
{
    struct ntc_ledger *ledger = self->packets.ledger;
    uint64_t packets = source_counters_due_packets(low), bytes = source_counters_due_bytes(low);
    uint64_t known_packets = ledger->published_packets + ledger->unsubscribed_packets
        + ledger->crash_packets + lost->ring_lost_packets;
    uint64_t known_bytes = ledger->published_bytes + ledger->unsubscribed_bytes
        + ledger->crash_bytes + lost->ring_lost_bytes;

    if (packets > known_packets)
        ledger->crash_packets += packets - known_packets;
    if (bytes > known_bytes)
        ledger->crash_bytes += bytes - known_bytes;
}

/* The counters are read three times: a packet that `low` knows has its record in the ring or among
 * `lost` by the time these are read, and none of both is missing in `high`.  So published and lost
 * packets lie between what is due by `low` and by `high`. */
static int report(void *arg, event_publisher_t *publisher, struct collector_status *status)
{
    tc_source_t *self = arg;
    struct ntc_counters low = { 0 }, lost = { 0 }, high = { 0 };

    status->clock_ns = clock_boot_ns();
    status->wall_offset_ns = clock_wall_offset_ns();
    kernel_source_counters(self->kernel, &low);
    flush_cache(self, UINT64_MAX);
    int drained = (int) drain_all(self, publisher);
    kernel_source_counters(self->kernel, &lost);
    if (!self->crash_checked && kernel_source_taken_over(self->kernel))
        account_for_crash(self, &low, &lost);
    self->crash_checked = true;
    kernel_source_counters(self->kernel, &high);
    high.ring_lost_records = lost.ring_lost_records;
    high.ring_lost_packets = lost.ring_lost_packets;
    high.ring_lost_bytes = lost.ring_lost_bytes;
    source_counters_show(&high, status);
    status->due_low = source_counters_due_packets(&low);
    status->due_high = source_counters_due_packets(&high);
    tc_attachment_check(self->attachment);
    status->interface_count = tc_attachment_states(self->attachment, status->interfaces);
    return drained;
}

static void on_links(void *arg)
{
    tc_attachment_on_links(((tc_source_t *) arg)->attachment);
}

/* ---- lists ---- */

static int put_item(void *arg, const struct kernel_list_item *item)
{
    return kernel_lists_put(arg, item);
}

static int remove_item(void *arg, const struct kernel_list_item *item)
{
    return kernel_lists_remove(arg, item);
}

static int read_hits(void *arg, const struct kernel_list_item *item,
                     struct kernel_list_hits *ret_hits)
{
    return kernel_lists_hits(arg, item, ret_hits);
}

int tc_source_fill_lists(tc_source_t *self, const ip_list_t *lists)
{
    size_t size = ip_list_size(lists, NTC_BLACK) + ip_list_size(lists, NTC_WHITE);
    struct kernel_list_item *items = calloc(size + 1, sizeof *items);

    if (!items)
        return -ENOMEM;
    int rc = kernel_lists_replace(self->kernel, items, ip_list_items(lists, items));
    free(items);
    return rc;
}

/* ---- life ---- */

int tc_source_check(char *why, size_t why_size)
{
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct data[2] = { { 0 } };

    if (syscall(SYS_capget, &header, data) != 0)
        return 0;               /* the kernel will say no itself */
    bool has_bpf = data[1].effective & CAP_TO_MASK(CAP_BPF)
        || data[0].effective & CAP_TO_MASK(CAP_SYS_ADMIN);
    if (has_bpf && data[0].effective & CAP_TO_MASK(CAP_NET_ADMIN))
        return 0;
    snprintf(why, why_size, "watching a real interface needs root, or the capabilities CAP_BPF and "
             "CAP_NET_ADMIN; --mock shows synthetic traffic without them");
    return -EPERM;
}

int tc_source_open(tc_source_t **ret_self, const struct config *config, char *why, size_t why_size)
{
    assert(ret_self && config && why);

    tc_source_t *self = calloc(1, sizeof *self);
    if (!self) {
        snprintf(why, why_size, "out of memory");
        return -ENOMEM;
    }
    int rc = kernel_source_open(&self->kernel, config, why, why_size);
    if (rc == 0) {
        rc = tc_attachment_open(&self->attachment, &config->network, self->kernel);
        if (rc != 0)
            snprintf(why, why_size, "cannot listen to rtnetlink: %s", strerror(-rc));
    }
    if (rc != 0) {
        tc_source_destroy(&self);
        return rc;
    }
    self->grace_until_ns = clock_monotonic_ns() + GRACE_NS;
    self->ring_bytes = (uint64_t) config->events.ring_mib << 20;
    self->grace_bytes = self->ring_bytes / 2;
    self->flush_ms = (int) config->events.flush_ms;
    self->list_kernel = (struct list_kernel) { put_item, remove_item, read_hits, self->kernel };
    self->packets = (struct packet_source) {
        .name = "tc", .self = self, .ledger = kernel_source_ledger(self->kernel),
        .wake_fd = kernel_source_fd(self->kernel), .event_fd = tc_attachment_fd(self->attachment),
        .pump = pump, .report = report, .on_event = on_links,
    };
    *ret_self = self;
    return 0;
}

int tc_source_attach(tc_source_t *self)
{
    tc_attachment_attach(self->attachment);
    return kernel_source_pin(self->kernel);
}

void tc_source_detach(tc_source_t *self)
{
    tc_attachment_detach(self->attachment);
    kernel_source_unpin(self->kernel);
}

void tc_source_destroy(tc_source_t **self_p)
{
    assert(self_p);

    if (!*self_p)
        return;
    tc_attachment_destroy(&(*self_p)->attachment);
    kernel_source_destroy(&(*self_p)->kernel);
    free(*self_p);
    *self_p = NULL;
}

struct packet_source *tc_source_packets(tc_source_t *self)
{
    return &self->packets;
}

const struct list_kernel *tc_source_list_kernel(const tc_source_t *self)
{
    return &self->list_kernel;
}

bool tc_source_taken_over(const tc_source_t *self)
{
    return kernel_source_taken_over(self->kernel);
}
