/* batch_receiver - takes in what the collectors publish.
 */
#ifndef BATCH_RECEIVER_H
#define BATCH_RECEIVER_H

#include <czmq.h>

#include "aggregate.h"
#include "flow_publisher.h"
#include "second_timer.h"

typedef struct batch_receiver batch_receiver_t;

/* Make a receiver that feeds `aggregate` and flushes `flows` after every turn; both outlive it.
 * What `seconds` calls is done together with a turn where it can; NULL = there is no such work.
 * Returns one the caller destroys, or NULL when memory is short. */
batch_receiver_t *batch_receiver_new(aggregate_t *aggregate, flow_publisher_t *flows,
                                     struct second_timer *seconds);

/* Close the sockets, free the receiver and set *self_p to NULL.  Does nothing when *self_p is
 * NULL. */
void batch_receiver_destroy(batch_receiver_t **self_p);

/* Subscribe to the events of one endpoint, whose publisher need not be there yet; `queue` messages
 * are kept, `keys` is bus.keys.  Returns 0, -ENOMEM, or another -errno when the endpoint is not
 * understood. */
int batch_receiver_connect(batch_receiver_t *self, zloop_t *loop, const char *endpoint, int queue,
                           const char *keys);

/* A second has passed: find out who is away and log it, and connect anew to endpoints that are
 * silent. */
void batch_receiver_on_second(batch_receiver_t *self);

/* Note in `snapshot`, which has none yet, the endpoints at which nothing is heard, and why.
 * Returns 0, or -ENOMEM: then it has none. */
int batch_receiver_fill_unheard(const batch_receiver_t *self, struct snapshot *snapshot);

uint64_t batch_receiver_bad_messages(const batch_receiver_t *self);    /* dropped since the start */

#endif
