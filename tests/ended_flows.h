/* ended_flows - what a flow table reports, kept for comparing. */
#ifndef ENDED_FLOWS_H
#define ENDED_FLOWS_H

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "flow_batch.h"

struct ended_flows {
    uint32_t size, capacity;
    struct ended_flow *flows;   /* in the order in which they ended */
};

/* A flow_ended_fn; `arg` is a struct ended_flows. */
static inline void ended_flows_keep(const struct ended_flow *flow, void *arg)
{
    struct ended_flows *self = arg;

    if (self->size == self->capacity) {
        self->capacity = self->capacity ? 2 * self->capacity : 64;
        self->flows = realloc(self->flows, self->capacity * sizeof *self->flows);
        ck_assert_ptr_nonnull(self->flows);
    }
    self->flows[self->size++] = *flow;
}

static inline void ended_flows_clear(struct ended_flows *self)
{
    free(self->flows);
    *self = (struct ended_flows) { 0 };
}

static inline void ended_flows_compare(const struct ended_flows *a, const struct ended_flows *b)
{
    ck_assert_uint_eq(a->size, b->size);
    for (uint32_t i = 0; i < a->size; i++)
        ck_assert_msg(memcmp(&a->flows[i], &b->flows[i], sizeof a->flows[i]) == 0,
                      "flow %u of %u differs", i, a->size);
}

static inline int ended_flows_order(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct ended_flow));
}

/* Forget the order. */
static inline void ended_flows_sort(struct ended_flows *self)
{
    if (self->size > 0)
        qsort(self->flows, self->size, sizeof *self->flows, ended_flows_order);
}

#endif
