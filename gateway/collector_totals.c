#include "collector_totals.h"

#include <string.h>

static void add_loss(struct collector_totals *self, const struct loss *loss)
{
    struct loss *into = NULL;

    for (uint32_t i = 0; i < self->loss_count && !into; i++)
        if (strcmp(self->losses[i].stage, loss->stage) == 0)
            into = &self->losses[i];
    if (!into && self->loss_count < TOTALS_MAX_LOSSES) {
        into = &self->losses[self->loss_count++];
        *into = (struct loss) { 0 };
        strcpy(into->stage, self->loss_count < TOTALS_MAX_LOSSES ? loss->stage : "other");
    } else if (!into) {
        into = &self->losses[TOTALS_MAX_LOSSES - 1];
    }
    into->records += loss->records;
    into->packets += loss->packets;
    into->bytes += loss->bytes;
}

static void add_counters(struct collector_totals *self, const struct collector_status *status)
{
    for (unsigned i = 0; i < STATUS_COUNTERS; i++) {
        unsigned action = i % PACKET_ACTIONS;
        self->packets[i] += status->packets[i];
        self->bytes[i] += status->bytes[i];
        self->counted_packets += status->packets[i];
        if (action == PACKET_DROP)
            self->dropped_packets += status->packets[i];
        if (action == PACKET_SKIP)
            self->skipped_packets += status->packets[i];
    }
}

void collector_totals_add(struct collector_totals *self, const struct collector_state *collector)
{
    const struct collector_status *status = &collector->status;

    add_counters(self, status);
    self->without_record_packets += status->not_ip_packets + status->unparsed_packets;
    self->accounted_packets += collector->accounted_packets + collector->base_packets;
    self->in_flight_packets += collector->in_flight_packets;
    self->difference_packets = (int64_t) ((uint64_t) self->difference_packets
                                          + (uint64_t) collector->difference_packets);
    for (uint32_t i = 0; i < status->loss_count; i++)
        add_loss(self, &status->losses[i]);
    for (uint32_t i = 0; i < collector->loss_count; i++)
        add_loss(self, &collector->losses[i]);
}
