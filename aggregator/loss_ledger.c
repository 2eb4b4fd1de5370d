#include "loss_ledger.h"

#include <assert.h>
#include <string.h>

static struct packet_sums minus(struct packet_sums a, struct packet_sums b)
{
    return (struct packet_sums) { a.packets - b.packets, a.bytes - b.bytes };
}

static struct packet_sums plus(struct packet_sums a, struct packet_sums b)
{
    return (struct packet_sums) { a.packets + b.packets, a.bytes + b.bytes };
}

static bool is_less(struct packet_sums a, struct packet_sums b)
{
    return a.packets < b.packets || a.bytes < b.bytes;
}

/* Make sure that `seq` can follow.  Returns true if the stream had to begin anew for that. */
static bool begin_if_new(struct loss_ledger *self, uint64_t boot_id, uint64_t seq,
                         struct packet_sums accounted)
{
    if (self->has_heard && self->boot_id == boot_id && seq >= self->next_seq)
        return false;
    *self = (struct loss_ledger) {
        .has_heard = true,
        .boot_id = boot_id,
        .next_seq = seq,
        .accounted_before = accounted,
        .bus.stage = "bus",
        .bus_then.stage = "bus",
    };
    return true;
}

static void lose_packets(struct loss_ledger *self, struct packet_sums lost)
{
    self->bus.packets += lost.packets;
    self->bus.bytes += lost.bytes;
    self->stream = plus(self->stream, lost);
    self->published = plus(self->published, lost);
}

bool loss_ledger_on_batch(struct loss_ledger *self, const struct packet_view *view,
                          struct packet_sums accounted)
{
    assert(self && view);

    const struct batch_header *header = &view->header;
    bool is_new = begin_if_new(self, header->boot_id, header->first_seq, accounted);
    struct packet_sums before = { header->packets_before, header->bytes_before };
    struct packet_sums sums = { view->sum_packets, view->sum_bytes };

    if (header->first_seq > self->next_seq) {
        self->bus.records += header->first_seq - self->next_seq;
        if (!self->has_stream)
            self->has_pending_gap = true;
        else if (!is_less(before, self->stream))
            lose_packets(self, minus(before, self->stream));
    }
    self->has_stream = true;
    self->stream = plus(before, sums);
    self->published = plus(self->published, sums);
    self->next_seq = header->first_seq + view->size;
    return is_new;
}

/* The status knows of more records than have come: what they held is what it published since. */
static void find_gap(struct loss_ledger *self, uint64_t next_seq, struct packet_sums published)
{
    if (next_seq == self->next_seq && !self->has_pending_gap)
        return;
    self->bus.records += next_seq - self->next_seq;
    self->next_seq = next_seq;
    self->has_pending_gap = false;
    if (!is_less(published, self->published))
        lose_packets(self, minus(published, self->published));
}

static uint64_t lost_packets(const struct collector_status *status)
{
    uint64_t lost = 0;

    for (uint32_t i = 0; i < status->loss_count; i++)
        lost += status->losses[i].packets;
    return lost;
}

/* What is missing from `known` to lie in [low, high]; negative when it is beyond. */
static int64_t missing(uint64_t known, uint64_t low, uint64_t high)
{
    if (known < low)
        return (int64_t) (low - known);
    return known > high ? -(int64_t) (known - high) : 0;
}

/* What both agree on: a program that is interrupted between counting a packet and handing on its
 * record makes a difference that is gone a second later, and no loss. */
static int64_t confirmed(int64_t before, int64_t now)
{
    if (before > 0 && now > 0)
        return before < now ? before : now;
    if (before < 0 && now < 0)
        return before > now ? before : now;
    return 0;
}

static void evaluate(struct loss_ledger *self, const struct collector_status *status)
{
    uint64_t known = status->published_packets + lost_packets(status);
    self->bus_then = self->bus;
    uint64_t unexplained = status->published_packets - self->base.packets - self->bus.packets
        - self->accounted.packets;

    int64_t missing_now = missing(known, status->due_low, status->due_high);

    self->difference_packets = (int64_t) unexplained
        + confirmed(self->missing_packets, missing_now);
    self->missing_packets = missing_now;
    self->in_flight_packets = status->due_high > known ? status->due_high - known : 0;
}

bool loss_ledger_on_status(struct loss_ledger *self, const struct collector_status *status,
                           struct packet_sums accounted)
{
    assert(self && status);

    bool is_new = begin_if_new(self, status->boot_id, status->next_seq, accounted);
    struct packet_sums published = { status->published_packets, status->published_bytes };

    self->accounted = minus(accounted, self->accounted_before);
    if (self->has_published)
        find_gap(self, status->next_seq, published);
    else if (status->next_seq != self->next_seq)
        return is_new;          /* the next batch tells what is missing */
    if (!self->has_base) {
        struct packet_sums bus = { self->bus.packets, self->bus.bytes };
        self->base = minus(minus(published, bus), self->accounted);
        self->has_base = true;
    }
    self->has_published = true;
    self->published = published;
    evaluate(self, status);
    return is_new;
}
