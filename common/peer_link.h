/* peer_link - a socket that is connected to one endpoint, and keeps being so.
 *
 * An ipc endpoint is plain, a tcp endpoint always encrypted, with the keys of bus.keys.  libzmq
 * does not connect again by itself after a peer refused us, broke the protocol or sent a message
 * that was too long (libzmq issue 4196): whoever is there later would never be heard.  So whoever
 * is silent for longer than it should is connected anew, with the keys as they are then.
 */
#ifndef PEER_LINK_H
#define PEER_LINK_H

#include <czmq.h>

#define PEER_LINK_PROBLEM_SIZE 512

typedef struct peer_link peer_link_t;

/* Make a socket of `type` and connect it; the peer need not be there yet, nor its key.  `queue`
 * messages are kept; `keys` is bus.keys.  The peer says something every second if `is_chatty`,
 * else it answers only.
 * Returns 0 with a link the caller destroys, -ENOMEM, or another -errno when the endpoint is not
 * understood. */
int peer_link_open(peer_link_t **ret_self, int type, const char *endpoint, int queue,
                   const char *keys, bool is_chatty);

void peer_link_destroy(peer_link_t **self_p);

zsock_t *peer_link_socket(const peer_link_t *self);
const char *peer_link_endpoint(const peer_link_t *self);

/* Something has been received. */
void peer_link_heard(peer_link_t *self);

/* How long ago that was, or the last connect for want of it, in ns. */
uint64_t peer_link_silence(const peer_link_t *self);

/* Connect anew.  What the queues hold is lost. */
void peer_link_reconnect(peer_link_t *self);

/* Somebody waits for a peer that nothing can be sent to: if the last attempt to connect over tcp
 * has ended, connect anew now, four times a second at most. */
void peer_link_hasten(peer_link_t *self);

/* Whether peer_link_on_second() must be called: for chatty peers and tcp endpoints. */
bool peer_link_needs_seconds(const peer_link_t *self);

/* A second has passed: connect anew to a chatty peer that was silent for three, or a tcp peer that
 * was not connected for three.
 * Returns a sentence for people when there is a new reason for the silence of a tcp peer, else
 * NULL. */
const char *peer_link_on_second(peer_link_t *self);

/* Whether a chatty peer has been heard, and not been silent for three seconds since. */
bool peer_link_is_heard(const peer_link_t *self);

/* Why a tcp peer is not there, as peer_link_on_second() last said; "" = nothing known. */
const char *peer_link_problem(const peer_link_t *self);

#endif
