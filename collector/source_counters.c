#include "source_counters.h"

#include <string.h>

void source_counters_add(struct ntc_counters *counters, unsigned group, unsigned direction,
                         unsigned action, uint64_t packets, uint64_t bytes)
{
    struct ntc_traffic *traffic = &counters->traffic[group][direction][action];

    traffic->packets += packets;
    traffic->bytes += bytes;
}

static struct ntc_traffic sum(const struct ntc_counters *counters)
{
    struct ntc_traffic total = { 0 };

    for (int group = 0; group < PACKET_GROUPS; group++)
        for (int direction = 0; direction < PACKET_DIRECTIONS; direction++)
            for (int action = 0; action < PACKET_ACTIONS; action++) {
                total.packets += counters->traffic[group][direction][action].packets;
                total.bytes += counters->traffic[group][direction][action].bytes;
            }
    return total;
}

uint64_t source_counters_due_packets(const struct ntc_counters *counters)
{
    return sum(counters).packets - counters->not_ip_packets - counters->unparsed_packets;
}

uint64_t source_counters_due_bytes(const struct ntc_counters *counters)
{
    return sum(counters).bytes - counters->not_ip_bytes - counters->unparsed_bytes;
}

void source_counters_show(const struct ntc_counters *counters, struct collector_status *status)
{
    for (unsigned group = 0; group < PACKET_GROUPS; group++)
        for (unsigned direction = 0; direction < PACKET_DIRECTIONS; direction++)
            for (unsigned action = 0; action < PACKET_ACTIONS; action++) {
                unsigned i = status_counter_index(group, direction, action);
                status->packets[i] = counters->traffic[group][direction][action].packets;
                status->bytes[i] = counters->traffic[group][direction][action].bytes;
            }
    status->not_ip_packets = counters->not_ip_packets;
    status->not_ip_bytes = counters->not_ip_bytes;
    status->unparsed_packets = counters->unparsed_packets;
    status->unparsed_bytes = counters->unparsed_bytes;
    status->loss_count = 1;
    status->losses[0] = (struct loss) { .stage = "ring", .records = counters->ring_lost_records,
                                        .packets = counters->ring_lost_packets,
                                        .bytes = counters->ring_lost_bytes };
}
