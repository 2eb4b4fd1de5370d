#include "flow_publisher.h"

#include <assert.h>
#include <stdlib.h>

#define BATCH 1024

_Static_assert(BATCH <= FLOW_BATCH_MAX, "a flush is one message per collector");

struct flow_publisher {
    zsock_t *socket;
    const collector_table_t *collectors;
    struct topic_interest interest;
    uint32_t size;
    struct ended_flow flows[BATCH];
    struct ended_flow of_one[BATCH];    /* those of one collector */
};

flow_publisher_t *flow_publisher_new(void)
{
    flow_publisher_t *self = calloc(1, sizeof *self);

    if (self)
        self->interest.topic = TOPIC_FLOWS;
    return self;
}

void flow_publisher_destroy(flow_publisher_t **self_p)
{
    assert(self_p);
    free(*self_p);
    *self_p = NULL;
}

void flow_publisher_open(flow_publisher_t *self, zsock_t *socket,
                         const collector_table_t *collectors)
{
    assert(self && socket && collectors);
    self->socket = socket;
    self->collectors = collectors;
}

void flow_publisher_on_subscription(flow_publisher_t *self, const uint8_t *bytes, size_t size)
{
    topic_interest_take(&self->interest, bytes, size);
}

void flow_publisher_on_ended(const struct ended_flow *flow, void *arg)
{
    flow_publisher_t *self = arg;

    if (!topic_interest_exists(&self->interest))
        return;
    if (self->size == BATCH)
        flow_publisher_flush(self);
    self->flows[self->size++] = *flow;
}

static void send_of(flow_publisher_t *self, uint32_t index, uint32_t count)
{
    const struct collector *collector = collector_table_at(self->collectors, index);
    uint8_t *bytes;
    size_t size;

    if (flow_batch_encode(collector->id, collector->wall_offset_ns, self->of_one, count, &bytes,
                          &size) == 0)
        bus_message_send(self->socket, TOPIC_FLOWS, bytes, size);
}

void flow_publisher_flush(flow_publisher_t *self)
{
    assert(self);

    while (self->size > 0) {
        uint32_t index = self->flows[0].key.collector;
        uint32_t count = 0, left = 0;
        for (uint32_t i = 0; i < self->size; i++) {
            if (self->flows[i].key.collector == index)
                self->of_one[count++] = self->flows[i];
            else
                self->flows[left++] = self->flows[i];
        }
        self->size = left;
        send_of(self, index, count);
    }
}
