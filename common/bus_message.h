/* bus_message - send and receive one topic and one body on a PUB/SUB socket, without copying.
 */
#ifndef BUS_MESSAGE_H
#define BUS_MESSAGE_H

#include <czmq.h>

#define BUS_TOPIC_SIZE 16       /* longest topic and its NUL */

#define TOPIC_PACKETS "packets"
#define TOPIC_STATUS "status"
#define TOPIC_LIVE "live"       /* never sent: who subscribes to it wants packets without delay */
#define TOPIC_SNAPSHOT "snapshot"
#define TOPIC_FLOWS "flows"

struct bus_message {
    char topic[BUS_TOPIC_SIZE];
    zmq_msg_t body;             /* zmq_msg_data(), zmq_msg_size() */
};

/* Send `bytes` under `topic` without waiting.  Takes `bytes` (from malloc) in any case.
 * Returns 0, or -EAGAIN when the socket cannot take it now (nothing was sent). */
int bus_message_send(zsock_t *socket, const char *topic, uint8_t *bytes, size_t size);

/* Take the next message without waiting.  Release it with bus_message_release().
 * Returns 0, -EAGAIN when there is none, or -EBADMSG when the peer sent something that is not a
 * topic and one body: it is gone then, call again. */
int bus_message_receive(zsock_t *socket, struct bus_message *ret_message);

void bus_message_release(struct bus_message *message);

#endif
