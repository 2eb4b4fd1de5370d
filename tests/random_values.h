/* random_values - values of every kind for round trips; seed them with srandom(). */
#ifndef RANDOM_VALUES_H
#define RANDOM_VALUES_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector_status.h"

/* A number of random width, so that small ones are as likely as large ones. */
static inline uint64_t random_u64(void)
{
    uint64_t bits = (uint64_t) random() << 42 ^ (uint64_t) random() << 21 ^ (uint64_t) random();

    return bits >> random() % 64;
}

static inline uint32_t random_u32(void) { return (uint32_t) random_u64(); }

static inline double random_amount(void) { return (double) random_u32() / 8; }

static inline void random_bytes(void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        ((uint8_t *) bytes)[i] = (uint8_t) random();
}

/* Printable ASCII of `least` to size - 1 characters; the rest of `text` is zeros. */
static inline void random_text(char *text, size_t size, size_t least)
{
    size_t length = least + (size_t) random() % (size - least);

    memset(text, 0, size);
    for (size_t i = 0; i < length; i++)
        text[i] = (char) (' ' + random() % 95);
}

static inline void random_loss(struct loss *loss)
{
    random_text(loss->stage, sizeof loss->stage, 1);
    loss->records = random_u64();
    loss->packets = random_u64();
    loss->bytes = random_u64();
}

static inline void random_cost(struct process_cost *cost)
{
    cost->cpu_seconds = random_amount();
    cost->resident_bytes = random_u64();
    cost->open_fds = random_u32();
}

/* `status` is zeroed first, so that two equal ones have equal bytes. */
static inline void random_status(struct collector_status *status)
{
    memset(status, 0, sizeof *status);
    random_text(status->collector_id, sizeof status->collector_id, 1);
    random_text(status->version, sizeof status->version, 0);
    random_text(status->source, sizeof status->source, 0);
    status->boot_id = random_u64();
    status->next_seq = random_u64() / 2 + 1;
    status->clock_ns = random_u64();
    status->wall_offset_ns = (int64_t) random_u64() - (int64_t) random_u64() / 2;
    status->started_ns = random_u64();
    for (unsigned i = 0; i < STATUS_COUNTERS; i++) {
        status->packets[i] = random_u64();
        status->bytes[i] = random_u64();
    }
    status->not_ip_packets = random_u64();
    status->not_ip_bytes = random_u64();
    status->unparsed_packets = random_u64();
    status->unparsed_bytes = random_u64();
    status->due_low = random_u64();
    status->due_high = random_u64();
    status->published_packets = random_u64();
    status->published_bytes = random_u64();
    status->loss_count = (uint32_t) random() % (STATUS_MAX_LOSSES + 1);
    for (uint32_t i = 0; i < status->loss_count; i++)
        random_loss(&status->losses[i]);
    status->interface_count = (uint32_t) random() % (STATUS_MAX_INTERFACES + 1);
    for (uint32_t i = 0; i < status->interface_count; i++) {
        struct interface_state *state = &status->interfaces[i];
        random_text(state->name, sizeof state->name, 1);
        state->ifindex = random_u32();
        state->attached = random() & 1;
        random_text(state->error, sizeof state->error, 0);
    }
    status->blacklist = (struct list_state) { random_u32(), random_u32() };
    status->whitelist = (struct list_state) { random_u32(), random_u32() };
    status->list_version = random_u64();
    random_cost(&status->cost);
}

#endif
