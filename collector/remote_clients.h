/* remote_clients - aggregators and gateways on other hosts: who may connect, and until when.
 *
 * We answer libzmq's question about every key ourselves (ZAP, ZeroMQ RFC 27), from the files of
 * bus.keys/clients.  Order of life: open, then listen; the sockets are closed before the clients
 * are destroyed.  So there is no moment at which a port is open and nobody answers for its keys.
 */
#ifndef REMOTE_CLIENTS_H
#define REMOTE_CLIENTS_H

#include <czmq.h>

#include "config.h"

typedef struct remote_clients remote_clients_t;

/* Read our keys and those of the clients, and begin to answer for them.
 * Returns 0, -ENOMEM, or another -errno with a sentence in `why`. */
int remote_clients_open(remote_clients_t **ret_self, const struct config *config, char *why,
                        size_t why_size);

/* After the sockets that listen. */
void remote_clients_destroy(remote_clients_t **self_p);

/* Bind the sockets of events and of commands also to bus.listen and to the port behind it; both
 * must live on.  An address that this host does not have yet is tried again every second.
 * Returns 0, or -errno with a sentence in `why`. */
int remote_clients_listen(remote_clients_t *self, zsock_t *events, zsock_t *commands, char *why,
                          size_t why_size);

/* Readable when a key is asked for; call remote_clients_on_request() then. */
zsock_t *remote_clients_socket(const remote_clients_t *self);

/* Say who may connect, to a bounded number of peers.  Returns true when there may be more. */
bool remote_clients_on_request(remote_clients_t *self);

/* A second has passed: whose file is gone is cut off, also in the middle of a connection. */
void remote_clients_on_second(remote_clients_t *self);

/* Whether the sender of `message`, which came over tcp, may change the lists now.  `self` may be
 * NULL: then nobody may. */
bool remote_clients_may_change(remote_clients_t *self, zmq_msg_t *message);

#endif
