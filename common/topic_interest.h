/* topic_interest - whether anybody subscribes to a topic of an XPUB socket.
 *
 * Subscriptions are prefixes: "snapshot", "snap" and "" all ask for the topic "snapshot".  What
 * nobody asks for is not even encoded.  libzmq tells only the last leaving of each prefix, also
 * when a peer dies, so there is nothing to count and miscount.
 */
#ifndef TOPIC_INTEREST_H
#define TOPIC_INTEREST_H

#include <stdbool.h>

#include "bus_message.h"

struct topic_interest {
    const char *topic;          /* shorter than BUS_TOPIC_SIZE */
    uint32_t lengths;           /* bit n: somebody subscribes to its first n characters */
};

/* Take a message as the socket hands it out: 1 or 0, then the prefix.  Anything else is skipped.
 * Returns true if a subscriber has joined that wants the topic. */
bool topic_interest_take(struct topic_interest *self, const uint8_t *bytes, size_t size);

static inline bool topic_interest_exists(const struct topic_interest *self)
{
    return self->lengths != 0;
}

#endif
