#include "replay_source.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "explain.h"
#include "source_counters.h"
#include "stream_reader.h"

#define BATCHES_AT_ONCE 32
#define BLOCKED_MS 1
#define MAX_WAIT_MS 1000
#define MAX_QUIET_S 3600        /* a longer pause in the recording is cut to as many reports */
#define DISORDER_NS (200 * NS_PER_MS)   /* a merged record may come that long after it began */

enum phase { OPENED, WAITING, PLAYING, ENDED, DONE };

struct replay_source {
    struct packet_source packets;
    struct ntc_ledger ledger;
    struct ntc_counters counters;
    stream_reader_t *reader;
    char path[PATH_MAX];
    double speed;
    enum phase phase;
    int end;                    /* why there is no next batch: 0 or -errno */
    bool has_next;
    struct packet_view next;    /* the batch that comes, and its bytes (the reader's) */
    const uint8_t *bytes;
    size_t size;
    uint64_t next_from_ns;      /* its earliest record */
    uint64_t next_until_ns;     /* its latest record: when it was complete */
    struct batch_header last;   /* of the batch before, or of the first */
    uint64_t last_until_ns;
    uint64_t first_ns;          /* of the recording */
    uint64_t clock_ns;          /* whole recorded seconds that have passed */
    uint64_t pace_from_ns;      /* recorded time and ... */
    uint64_t pace_start_ns;     /* ... CLOCK_MONOTONIC from which the pace is counted */
    uint64_t start_ns;          /* CLOCK_MONOTONIC */
    uint64_t stop_ns;
    bool on_terminal;
};

/* ---- reading ahead ---- */

static void measure_next(replay_source_t *self)
{
    const struct packet_view *view = &self->next;

    self->next_from_ns = UINT64_MAX;
    self->next_until_ns = 0;
    for (uint32_t i = 0; i < view->size; i++) {
        uint64_t until_ns = view->first_ns[i] + view->duration_ns[i];
        if (view->first_ns[i] < self->next_from_ns)
            self->next_from_ns = view->first_ns[i];
        if (until_ns > self->next_until_ns)
            self->next_until_ns = until_ns;
    }
}

static void read_next(replay_source_t *self)
{
    packet_view_close(&self->next);
    int rc = stream_reader_next(self->reader, &self->next, &self->bytes, &self->size);
    self->has_next = rc == 1;
    self->end = rc == 1 ? 0 : rc;
    if (self->has_next)
        measure_next(self);
}

static void explain_end(const replay_source_t *self, char *why, size_t why_size)
{
    uint64_t offset = stream_reader_offset(self->reader);

    if (self->end == -ENODATA)
        snprintf(why, why_size, "%s is cut: it ends inside the batch that begins at byte %" PRIu64,
                 self->path, offset);
    else if (self->end == -EBADMSG)
        snprintf(why, why_size, "%s is damaged: what begins at byte %" PRIu64 " is no batch of "
                 "packets", self->path, offset);
    else
        snprintf(why, why_size, "cannot read %s behind byte %" PRIu64 ": %s", self->path, offset,
                 strerror(-self->end));
}

/* ---- pace ---- */

static uint64_t whole_second(uint64_t ns)
{
    return ns - ns % NS_PER_S;
}

/* Milliseconds until the recorded clock shows `ns`. */
static int wait_until(replay_source_t *self, uint64_t ns)
{
    if (self->speed == REPLAY_UNPACED)
        return 0;
    double passed_ns = (double) (clock_monotonic_ns() - self->pace_start_ns) * self->speed;
    double ahead_ns = (double) ns - (double) self->pace_from_ns - passed_ns;
    double wait_ms = ahead_ns / self->speed / NS_PER_MS;
    if (wait_ms <= 0)
        return 0;
    return wait_ms < MAX_WAIT_MS ? (int) wait_ms + 1 : MAX_WAIT_MS;
}

/* Recordings may have been joined: another boot begins anew. */
static void follow_jump_back(replay_source_t *self)
{
    if (self->next_until_ns + NS_PER_S >= self->clock_ns
        && self->next.header.boot_id == self->last.boot_id)
        return;
    self->clock_ns = whole_second(self->next_from_ns);
    self->last_until_ns = 0;
    self->pace_from_ns = self->next_from_ns;
    self->pace_start_ns = clock_monotonic_ns();
}

static void start(replay_source_t *self)
{
    self->phase = PLAYING;
    self->start_ns = self->pace_start_ns = clock_monotonic_ns();
    self->pace_from_ns = self->first_ns;
}

/* ---- playing ---- */

static void count_batch(replay_source_t *self)
{
    const struct packet_view *view = &self->next;

    for (uint32_t i = 0; i < view->size; i++)
        source_counters_add(&self->counters, packet_group_of(view->protocol[i]),
                            packet_kind_direction(view->kind[i]),
                            packet_kind_action(view->kind[i]), view->packets[i], view->bytes[i]);
    self->last = view->header;
    if (self->next_until_ns > self->last_until_ns)
        self->last_until_ns = self->next_until_ns;
}

/* If whole seconds of the recorded clock lie before all that comes, pass one and report.
 * Returns SOURCE_REPORTS, or ms to wait: 0 = the batch may come. */
static int pass_seconds(replay_source_t *self)
{
    uint64_t second_ns = self->clock_ns + NS_PER_S;

    if (second_ns + DISORDER_NS > self->next_from_ns)
        return wait_until(self, self->next_until_ns);
    if (self->next_from_ns - second_ns > MAX_QUIET_S * NS_PER_S)
        second_ns = whole_second(self->next_from_ns) - MAX_QUIET_S * NS_PER_S;
    int wait_ms = wait_until(self, second_ns + DISORDER_NS);
    if (wait_ms > 0)
        return wait_ms;
    self->clock_ns = second_ns;
    return SOURCE_REPORTS;
}

/* All that is whole has been sent: one last report, with a clock behind every record. */
static int finish(replay_source_t *self)
{
    if (self->phase == PLAYING) {
        self->phase = ENDED;
        self->stop_ns = clock_monotonic_ns();
        if (self->clock_ns <= self->last_until_ns)
            self->clock_ns = self->last_until_ns + 1;
        return SOURCE_REPORTS;
    }
    self->phase = DONE;
    if (self->on_terminal)
        fputs("\r\033[K", stderr);     /* the line of on_second() */
    if (self->end == 0)
        return SOURCE_IS_DONE;
    explain_end(self, self->packets.problem, sizeof self->packets.problem);
    return SOURCE_FAILED;
}

/* Be the recorded collector from the first message on. */
static void introduce(replay_source_t *self, event_publisher_t *publisher)
{
    if (self->phase != OPENED)
        return;
    event_publisher_adopt(publisher, &self->last);
    self->phase = WAITING;
}

static int pump(void *arg, event_publisher_t *publisher)
{
    replay_source_t *self = arg;

    introduce(self, publisher);
    if (self->phase == WAITING) {
        if (!event_publisher_has_listener(publisher))
            return SOURCE_SLEEPS;
        start(self);
    }
    for (int i = 0; i < BATCHES_AT_ONCE; i++) {
        if (!self->has_next)
            return finish(self);
        follow_jump_back(self);
        int rc = pass_seconds(self);
        if (rc != 0)
            return rc;
        if (event_publisher_forward(publisher, &self->next, self->bytes, self->size) != 0)
            return BLOCKED_MS;
        count_batch(self);
        read_next(self);
    }
    return 0;
}

/* The recorded clock moves in whole seconds only, and is never ahead of a record. */
static int report(void *arg, event_publisher_t *publisher, struct collector_status *status)
{
    replay_source_t *self = arg;

    introduce(self, publisher);
    status->clock_ns = self->clock_ns;
    status->wall_offset_ns = self->last.wall_offset_ns;
    status->started_ns = self->first_ns;
    source_counters_show(&self->counters, status);
    status->due_low = status->due_high = source_counters_due_packets(&self->counters);
    return 0;
}

/* ---- progress ---- */

/* "1234567" as "1,234,567". */
static void format_count(uint64_t count, char text[32])
{
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%" PRIu64, count), at = 0;

    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            text[at++] = ',';
        text[at++] = digits[i];
    }
    text[at] = '\0';
}

static double seconds_played(const replay_source_t *self)
{
    uint64_t until_ns = self->stop_ns ? self->stop_ns : clock_monotonic_ns();

    return self->start_ns ? (double) (until_ns - self->start_ns) / NS_PER_S : 0;
}

void replay_source_summary(const replay_source_t *self, char *text, size_t size)
{
    char records[32], packets[32], bytes[32], rate[32];
    double seconds = seconds_played(self);

    format_count(self->ledger.published_records, records);
    format_count(self->ledger.published_packets, packets);
    format_count(self->ledger.published_bytes, bytes);
    format_count(seconds > 0 ? (uint64_t) ((double) self->ledger.published_records / seconds) : 0,
                 rate);
    snprintf(text, size, "%s records (%s packets, %s bytes) in %.3f s, %s records/s", records,
             packets, bytes, seconds, rate);
}

/* One line on a terminal, written over and over. */
static void on_second(void *arg)
{
    replay_source_t *self = arg;
    uint64_t size = stream_reader_size(self->reader);
    char text[200];

    if (!self->on_terminal || self->phase != PLAYING)
        return;
    replay_source_summary(self, text, sizeof text);
    fprintf(stderr, "\r\033[K%.0f %%: %s",
            size > 0 ? 100.0 * (double) stream_reader_offset(self->reader) / (double) size : 0.0,
            text);
    fflush(stderr);
}

/* ---- life ---- */

static int read_first(replay_source_t *self, char *why, size_t why_size)
{
    read_next(self);
    if (self->has_next) {
        self->first_ns = self->next_from_ns;
        self->last = self->next.header;
        self->clock_ns = whole_second(self->first_ns);
        return 0;
    }
    if (self->end == 0)
        return explain(-ENODATA, why, why_size, "%s is empty: there is nothing to replay",
                       self->path);
    explain_end(self, why, why_size);
    return self->end;
}

int replay_source_open(replay_source_t **ret_self, const char *path, double speed,
                       char *why, size_t why_size)
{
    assert(ret_self && path && speed >= 0 && why);

    replay_source_t *self = calloc(1, sizeof *self);
    if (!self)
        return explain(-ENOMEM, why, why_size, "out of memory");
    snprintf(self->path, sizeof self->path, "%s", path);
    self->speed = speed;
    self->on_terminal = isatty(STDERR_FILENO);
    int rc = stream_reader_open(&self->reader, path);
    if (rc != 0)
        explain(rc, why, why_size, "cannot open %s: %s", path, strerror(-rc));
    else
        rc = read_first(self, why, why_size);
    if (rc != 0) {
        replay_source_destroy(&self);
        return rc;
    }
    self->packets = (struct packet_source) {
        .name = "replay", .self = self, .ledger = &self->ledger, .lossless = true,
        .wake_fd = -1, .event_fd = -1, .pump = pump, .report = report, .on_second = on_second,
    };
    *ret_self = self;
    return 0;
}

void replay_source_destroy(replay_source_t **self_p)
{
    assert(self_p);

    replay_source_t *self = *self_p;
    if (!self)
        return;
    packet_view_close(&self->next);
    stream_reader_destroy(&self->reader);
    free(self);
    *self_p = NULL;
}

struct packet_source *replay_source_packets(replay_source_t *self)
{
    return &self->packets;
}
