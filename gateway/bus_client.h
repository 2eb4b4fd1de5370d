/* bus_client - questions of HTTP threads to one REP peer, sent by the reactor thread.
 *
 * The socket is a DEALER, so many questions can be under way and a peer that never answers blocks
 * none but its own.  A question is sent once more, byte for byte, when half its time is over: the
 * peers answer a repeated request_id without doing it again.
 */
#ifndef BUS_CLIENT_H
#define BUS_CLIENT_H

#include <czmq.h>
#include <pthread.h>

#define BUS_CALL_MS 1000        /* a question takes no longer, answered or not */

typedef struct bus_client bus_client_t;

/* Connect to `endpoint` (the peer need not be there yet), with answers read in `loop`; `keys` is
 * bus.keys.  Returns 0, -ENOMEM or another -errno. */
int bus_client_open(zloop_t *loop, const char *endpoint, int queue, const char *keys,
                    bus_client_t **ret_client);

/* Fail all questions with -ESHUTDOWN and take no more.  Reactor thread. */
void bus_client_stop(bus_client_t *self);

/* After bus_client_stop(), when no thread calls any more. */
void bus_client_destroy(bus_client_t **self_p);

/* A question under way.  The fields are bus_client's own. */
struct bus_call {
    uint64_t id;                /* frame in front of the delimiter: the peer sends it back */
    const uint8_t *question;
    size_t size;
    uint64_t began_ns;
    unsigned sent;              /* how often */
    bool is_done;
    int rc;
    uint8_t *answer;
    size_t answer_size;
    pthread_cond_t done;
    struct bus_call *next;
};

/* Ask, and go on; any thread but the reactor's.  `call` and `question` must stay until
 * bus_client_end().  Several peers asked so take no longer than one. */
void bus_client_begin(bus_client_t *self, struct bus_call *call, const uint8_t *question,
                      size_t size);

/* Wait for the answer to a question; the rest is as for bus_client_call(). */
int bus_client_end(bus_client_t *self, struct bus_call *call, uint8_t **ret_answer,
                   size_t *ret_answer_size);

/* Ask and wait for the answer, at most BUS_CALL_MS.  Any thread but the reactor's.  The caller
 * frees *ret_answer. Returns 0, -EHOSTUNREACH when the peer is not there, -ETIMEDOUT when it does
 * not answer, -ENOMEM, or -ESHUTDOWN. */
int bus_client_call(bus_client_t *self, const uint8_t *question, size_t size,
                    uint8_t **ret_answer, size_t *ret_answer_size);

/* A random number for a request_id, never 0. */
uint64_t bus_client_request_id(void);

#endif
