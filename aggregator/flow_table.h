/* flow_table - every flow that is alive, in memory that never grows.
 *
 * A flow ends when it has been idle, is reported and goes on when it has lived long, and ends at
 * FIN or RST; a full table ends the idlest.  The end of a flow depends on records alone: on their
 * times, their order and the second boundaries between them, never on a clock or on the seed.
 *
 * A flow that FIN or RST has ended stays known for FLOW_CLOSED_S seconds without totals: the last
 * ACK of a connection is counted, and its sender is not taken for one who opens another.
 */
#ifndef FLOW_TABLE_H
#define FLOW_TABLE_H

#include <stdbool.h>

#include "flow_batch.h"
#include "flow_key.h"

#define FLOW_CLOSED_S 10
#define FLOW_NO_NOTE UINT32_MAX
#define FLOW_AUDIT 4096         /* slots that are audited each second */
#define FLOW_NOTES 2

struct flow_limits {
    uint32_t flows;             /* 1 to 2^24 */
    uint32_t collectors;        /* flow_key.collector is below this */
    uint32_t idle_s;
    uint32_t flush_s;
};

/* What one record adds to a flow. */
struct flow_update {
    uint64_t first_ns;          /* CLOCK_BOOTTIME of the collector, below 2^63 */
    uint64_t last_ns;
    uint32_t second;            /* timeline second of last_ns, at most the table's own */
    uint32_t packets;           /* 1 or more */
    uint32_t bytes;
    uint32_t ifindex;
    uint8_t tcp_flags;          /* 0 for other protocols */
    uint8_t action;
    uint8_t ip_version;
};

/* What the owner wants to find again with the flow; FLOW_NO_NOTE and 0 in a new one. */
struct flow_note {
    uint32_t address;
    uint32_t port;
    uint32_t port_second;
};

/* Two cache lines.  Read only, except for the notes. */
struct flow {
    struct flow_key key;
    uint64_t first_ns;
    uint64_t last_ns;
    uint64_t packets;           /* 0: not alive (closed, or an unused slot) */
    uint64_t bytes;
    uint32_t ifindex;
    uint32_t last_second;       /* timeline second of the latest packet */
    uint32_t hash;
    uint8_t tcp_flags;          /* OR of all */
    uint8_t action;             /* of the latest packet */
    uint8_t ip_version;
    bool is_used;
    bool is_touched;            /* active since it was filed under a second */
    bool is_initiator;          /* its source spoke first; kept over flushes */
    struct flow_note notes[FLOW_NOTES];
} __attribute__((aligned(64)));

_Static_assert(sizeof(struct flow) == 128, "a flow is two cache lines");

/* Where a flow probably is. */
struct flow_place {
    uint32_t hash;
    uint32_t slot;              /* UINT32_MAX = nowhere */
};

struct flow_sums {
    uint64_t packets;
    uint64_t bytes;
};

typedef struct flow_table flow_table_t;

/* Called for every flow that ends or is flushed; `flow` is valid during the call, which must not
 * touch the table. */
typedef void flow_ended_fn(const struct ended_flow *flow, void *arg);

/* Make a table; `seed` keys the hash.  Returns a table the caller destroys, or NULL when memory is
 * short.  Memory when full: 161 to 177 bytes a flow. */
flow_table_t *flow_table_new(const struct flow_limits *limits, uint64_t seed,
                             flow_ended_fn *on_ended, void *arg);

/* Free the table and set *self_p to NULL.  Does nothing when *self_p is NULL. */
void flow_table_destroy(flow_table_t **self_p);

/* Look `count` keys up, and fetch what flow_table_add() will need into the cache. */
void flow_table_prepare(const flow_table_t *self, const struct flow_key *keys, uint32_t count,
                        struct flow_place *ret_places);

/* The flow that probably is the one, or NULL: for fetching ahead. */
const struct flow *flow_table_peek(const flow_table_t *self, struct flow_place place);

/* Add one record to its flow, which may end others and this one; `place` is from
 * flow_table_prepare().  Returns the flow, valid until the next call that changes the table. */
struct flow *flow_table_add(flow_table_t *self, const struct flow_key *key,
                            struct flow_place place, const struct flow_update *update);

/* Begin timeline second `second`: the next, or any later one while flow_table_is_empty(). */
void flow_table_step(flow_table_t *self, uint32_t second);

/* End all flows of one collector, whose clock has begun anew, as if they had become idle. */
void flow_table_end_collector(flow_table_t *self, uint32_t collector);

/* Packets and bytes accounted for since the start: what ended flows held and live ones hold. */
struct flow_sums flow_table_accounted(const flow_table_t *self, uint32_t collector);

/* What the live flows of a collector hold together by the books. */
struct flow_sums flow_table_live(const flow_table_t *self, uint32_t collector);

/* Packets that the books held more than the flows when these were last counted one by one; anything
 * but 0 is a bug of this table.  They are counted FLOW_AUDIT slots a second. */
int64_t flow_table_astray(const flow_table_t *self, uint32_t collector);

/* Write the slots of the `most` (at most 32) live flows with most bytes, the first by their keys
 * where these are equal.  Returns how many there are.  Cost: by the flows that have changed since
 * the last call. */
uint32_t flow_table_best(flow_table_t *self, uint32_t most, uint32_t *ret_slots);

bool flow_table_is_empty(const flow_table_t *self);         /* closed ones are gone too */
uint32_t flow_table_size(const flow_table_t *self);         /* live flows */
uint32_t flow_table_size_of(const flow_table_t *self, uint32_t collector);
uint32_t flow_table_capacity(const flow_table_t *self);
uint64_t flow_table_evicted(const flow_table_t *self);      /* live ones, for newer ones */

/* Slots 0 to flow_table_slots() - 1 hold all flows; NULL where none is alive. */
uint32_t flow_table_slots(const flow_table_t *self);
const struct flow *flow_table_at(const flow_table_t *self, uint32_t slot);

#endif
