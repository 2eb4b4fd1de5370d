/* flow_publisher - sends the flows that ended to whoever subscribes to the topic "flows".
 */
#ifndef FLOW_PUBLISHER_H
#define FLOW_PUBLISHER_H

#include "collector_table.h"
#include "flow_batch.h"
#include "topic_interest.h"

typedef struct flow_publisher flow_publisher_t;

/* Make a publisher.  Returns one the caller destroys, or NULL when memory is short. */
flow_publisher_t *flow_publisher_new(void);

/* Free the publisher and set *self_p to NULL.  Does nothing when *self_p is NULL. */
void flow_publisher_destroy(flow_publisher_t **self_p);

/* Send over `socket` (XPUB); `collectors` gives names and wall clocks.  Both must outlive the
 * publisher.  Until then nobody subscribes. */
void flow_publisher_open(flow_publisher_t *self, zsock_t *socket,
                         const collector_table_t *collectors);

/* Take a message that the socket handed out, see topic_interest_take(). */
void flow_publisher_on_subscription(flow_publisher_t *self, const uint8_t *bytes, size_t size);

/* A flow has ended: it is kept for the next flush, and sent at once when the batch is full.  A
 * flow_ended_fn; `arg` is the publisher. */
void flow_publisher_on_ended(const struct ended_flow *flow, void *arg);

/* Send what was kept: one message per collector, each in the order in which its flows ended. */
void flow_publisher_flush(flow_publisher_t *self);

#endif
