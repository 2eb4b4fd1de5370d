/* fuzz_bus - hostile peers of a receiver, inside this process: nothing has to be waited for. */
#ifndef FUZZ_BUS_H
#define FUZZ_BUS_H

#include <czmq.h>
#include <sys/eventfd.h>

#include "fuzz_script.h"

/* Write an endpoint that has not been used before: libzmq gives one up a while after its socket. */
static inline void fuzz_bus_endpoint(char endpoint[64], const char *name)
{
    static unsigned count;

    snprintf(endpoint, 64, "inproc://%s-%u", name, ++count);
}

static inline zsock_t *fuzz_bus_bind(int type, const char *endpoint)
{
    zsock_t *socket = zsock_new(type);

    FUZZ_ASSERT(socket);
    zsock_set_linger(socket, 0);
    FUZZ_ASSERT(zsock_bind(socket, "%s", endpoint) == 0);
    return socket;
}

/* Take in what the peers said when they came: an XPUB must know who subscribes. */
static inline void fuzz_bus_hear(zsock_t *socket)
{
    char bytes[64];

    zmq_pollitem_t item = { .socket = zsock_resolve(socket), .events = ZMQ_POLLIN };
    while (zmq_poll(&item, 1, 0) > 0)
        if (zmq_recv(zsock_resolve(socket), bytes, sizeof bytes, ZMQ_DONTWAIT) < 0)
            break;
}

static inline void fuzz_bus_send(zsock_t *socket, const void *bytes, size_t size, int flags)
{
    zmq_send(zsock_resolve(socket), bytes, size, flags | ZMQ_DONTWAIT);
}

/* Send the body under the topic, or what looks like it, as `kind` says: mostly as it should be. */
static inline void fuzz_bus_publish(zsock_t *socket, const char *topic,
                                    const struct fuzz_message *message)
{
    size_t length = strlen(topic);

    switch (message->kind >> 5) {
    case 7:     /* a topic without a body */
        fuzz_bus_send(socket, topic, length, 0);
        break;
    case 6:     /* the topic of somebody else, with zeros maybe, and longer than ours */
        fuzz_bus_send(socket, message->bytes, message->size, ZMQ_SNDMORE);
        fuzz_bus_send(socket, message->bytes, message->size, 0);
        break;
    case 5:     /* one frame too many */
        fuzz_bus_send(socket, topic, length, ZMQ_SNDMORE);
        fuzz_bus_send(socket, message->bytes, message->size, ZMQ_SNDMORE);
        fuzz_bus_send(socket, message->bytes, message->size, 0);
        break;
    default:
        fuzz_bus_send(socket, topic, length, ZMQ_SNDMORE);
        fuzz_bus_send(socket, message->bytes, message->size, 0);
    }
}

static inline int fuzz_bus_on_end(zloop_t *loop, zmq_pollitem_t *item, void *arg)
{
    (void) loop;
    (void) item;
    (void) arg;
    return -1;
}

/* Run the loop until all that waits has been handled: this handler is the last in its turn. */
static inline void fuzz_bus_turn(zloop_t *loop)
{
    zmq_pollitem_t item = { .fd = eventfd(1, EFD_CLOEXEC), .events = ZMQ_POLLIN };

    FUZZ_ASSERT(item.fd >= 0 && zloop_poller(loop, &item, fuzz_bus_on_end, NULL) == 0);
    zloop_start(loop);
    zloop_poller_end(loop, &item);
    close(item.fd);
}

#endif
