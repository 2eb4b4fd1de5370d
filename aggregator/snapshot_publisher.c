#include "snapshot_publisher.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "snapshot_maker.h"
#include "zsock_setup.h"

#define FRESH_NS (3 * NS_PER_S / 2)     /* a snapshot of the timer is not older than this */

struct snapshot_publisher {
    zsock_t *socket;
    const aggregate_t *aggregate;
    const batch_receiver_t *receiver;
    struct topic_interest interest;
    uint64_t boot_id;
    uint64_t seq;
    uint64_t made_ns;           /* CLOCK_MONOTONIC of the last snapshot */
    uint8_t *bytes;             /* the last snapshot, encoded, for those who join */
    size_t size;
};

snapshot_publisher_t *snapshot_publisher_new(zsock_t *socket, const aggregate_t *aggregate,
                                             const batch_receiver_t *receiver, uint64_t boot_id)
{
    assert(socket && aggregate && receiver);

    snapshot_publisher_t *self = calloc(1, sizeof *self);
    if (!self)
        return NULL;
    self->socket = socket;
    self->aggregate = aggregate;
    self->receiver = receiver;
    self->interest.topic = TOPIC_SNAPSHOT;
    self->boot_id = boot_id;
    return self;
}

void snapshot_publisher_destroy(snapshot_publisher_t **self_p)
{
    assert(self_p);
    if (!*self_p)
        return;
    free((*self_p)->bytes);
    free(*self_p);
    *self_p = NULL;
}

static void send_last(const snapshot_publisher_t *self)
{
    uint8_t *copy = malloc(self->size);

    if (!copy)
        return;
    memcpy(copy, self->bytes, self->size);
    bus_message_send(self->socket, TOPIC_SNAPSHOT, copy, self->size);
}

/* Encode; a host with hundreds of collectors and interfaces does without the names of the latter: a
 * message that is too long would cut off every subscriber.  Returns 0 or -ENOMEM. */
static int encode(snapshot_publisher_t *self, struct snapshot *snapshot)
{
    int rc = snapshot_encode(snapshot, &self->bytes, &self->size);

    if (rc == 0 && self->size > ZSOCK_MAX_MESSAGE) {
        free(self->bytes);
        for (uint32_t i = 0; i < snapshot->collector_count; i++)
            snapshot->collectors[i].status.interface_count = 0;
        rc = snapshot_encode(snapshot, &self->bytes, &self->size);
    }
    if (rc != 0)
        self->bytes = NULL;
    return rc;
}

static void make_and_send(snapshot_publisher_t *self, uint64_t bad_messages)
{
    struct snapshot snapshot;

    free(self->bytes);
    self->bytes = NULL;
    self->seq++;
    self->made_ns = clock_monotonic_ns();
    if (snapshot_maker_fill(self->aggregate, clock_boot_ns(), clock_wall_ns(), &snapshot) == 0
        && batch_receiver_fill_unheard(self->receiver, &snapshot) == 0) {
        snprintf(snapshot.version, sizeof snapshot.version, "%s", NTC_VERSION);
        snapshot.boot_id = self->boot_id;
        snapshot.seq = self->seq;
        snapshot.unix_ns = clock_wall_ns();
        snapshot.cost = process_cost_read();
        snapshot.bad_messages = bad_messages;
        if (encode(self, &snapshot) == 0)
            send_last(self);
    }
    snapshot_clear(&snapshot);
}

void snapshot_publisher_on_second(snapshot_publisher_t *self, uint64_t bad_messages)
{
    if (topic_interest_exists(&self->interest))
        make_and_send(self, bad_messages);
}

void snapshot_publisher_on_subscription(snapshot_publisher_t *self, const uint8_t *bytes,
                                        size_t size, uint64_t bad_messages)
{
    if (!topic_interest_take(&self->interest, bytes, size))
        return;
    if (self->bytes && clock_monotonic_ns() - self->made_ns < FRESH_NS)
        send_last(self);
    else
        make_and_send(self, bad_messages);
}
