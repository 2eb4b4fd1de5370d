/* snapshot_publisher - sends a snapshot every second to whoever subscribes to the topic "snapshot".
 *
 * A subscriber that joins gets the last one at once, all others of the topic get it again:
 * snapshots are numbered.  While nobody subscribes, none is made.
 */
#ifndef SNAPSHOT_PUBLISHER_H
#define SNAPSHOT_PUBLISHER_H

#include "batch_receiver.h"
#include "topic_interest.h"

typedef struct snapshot_publisher snapshot_publisher_t;

/* Send over `socket` (XPUB) what `aggregate` knows, and where `receiver` hears nothing; `boot_id`
 * is random.  All must outlive the publisher.  Returns one the caller destroys, or NULL when memory
 * is short. */
snapshot_publisher_t *snapshot_publisher_new(zsock_t *socket, const aggregate_t *aggregate,
                                             const batch_receiver_t *receiver, uint64_t boot_id);

/* Free the publisher and set *self_p to NULL.  Does nothing when *self_p is NULL. */
void snapshot_publisher_destroy(snapshot_publisher_t **self_p);

/* A second has passed: make and send a snapshot, if anybody wants it.  `bad_messages` goes with it.
 * A snapshot that memory is too short for is left out; its number is missing. */
void snapshot_publisher_on_second(snapshot_publisher_t *self, uint64_t bad_messages);

/* Take a message that the socket handed out, see topic_interest_take(). */
void snapshot_publisher_on_subscription(snapshot_publisher_t *self, const uint8_t *bytes,
                                        size_t size, uint64_t bad_messages);

#endif
