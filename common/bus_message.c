#include "bus_message.h"

#include <assert.h>
#include <errno.h>

static void free_bytes(void *bytes, void *hint)
{
    (void) hint;
    free(bytes);
}

int bus_message_send(zsock_t *socket, const char *topic, uint8_t *bytes, size_t size)
{
    assert(socket && topic && strlen(topic) < BUS_TOPIC_SIZE);

    void *handle = zsock_resolve(socket);
    zmq_msg_t head, body;

    if (zmq_msg_init_data(&body, bytes, size, free_bytes, NULL) != 0) {
        free(bytes);
        return -EAGAIN;
    }
    zmq_msg_init_size(&head, strlen(topic));    /* so short that it is kept in zmq_msg_t itself */
    memcpy(zmq_msg_data(&head), topic, strlen(topic));

    /* libzmq looks at the queue limit before the first frame only, and rolls that frame back should
     * the pipe break before the second: peers get both or none. */
    if (zmq_msg_send(&head, handle, ZMQ_SNDMORE | ZMQ_DONTWAIT) >= 0
        && zmq_msg_send(&body, handle, ZMQ_DONTWAIT) >= 0)
        return 0;
    zmq_msg_close(&head);
    zmq_msg_close(&body);
    return -EAGAIN;
}

/* Drop the frames that follow `frame`, and `frame` itself. */
static void drop_rest(void *handle, zmq_msg_t *frame)
{
    while (zmq_msg_more(frame) && zmq_msg_recv(frame, handle, ZMQ_DONTWAIT) >= 0)
        ;
    zmq_msg_close(frame);
}

int bus_message_receive(zsock_t *socket, struct bus_message *ret_message)
{
    assert(socket && ret_message);

    void *handle = zsock_resolve(socket);
    zmq_msg_t head;

    zmq_msg_init(&head);
    if (zmq_msg_recv(&head, handle, ZMQ_DONTWAIT) < 0) {
        zmq_msg_close(&head);
        return -EAGAIN;
    }
    size_t length = zmq_msg_size(&head);
    if (!zmq_msg_more(&head) || length >= BUS_TOPIC_SIZE
        || memchr(zmq_msg_data(&head), '\0', length) != NULL) {
        drop_rest(handle, &head);
        return -EBADMSG;
    }
    zmq_msg_init(&ret_message->body);
    zmq_msg_recv(&ret_message->body, handle, ZMQ_DONTWAIT);     /* a message arrives whole */
    if (zmq_msg_more(&ret_message->body)) {
        drop_rest(handle, &ret_message->body);
        zmq_msg_close(&head);
        return -EBADMSG;
    }
    memcpy(ret_message->topic, zmq_msg_data(&head), length);
    ret_message->topic[length] = '\0';
    zmq_msg_close(&head);
    return 0;
}

void bus_message_release(struct bus_message *message)
{
    assert(message);
    zmq_msg_close(&message->body);
}
