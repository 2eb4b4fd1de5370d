/* sse_clients - the connections that get live events, served by one thread for all.
 *
 * A client is a descriptor, a position in its channel of the feed, and the rest of one event.
 * Writes never wait: who does not read falls behind in the ring, and is told how many events it
 * missed. After each round the thread rests at least as long as the round took, so that it takes
 * half a core at most however many clients there are.
 */
#ifndef SSE_CLIENTS_H
#define SSE_CLIENTS_H

#include "event_filter.h"
#include "latest.h"
#include "packet_batch.h"

typedef struct sse_clients sse_clients_t;

/* Start the thread, for at most `capacity` clients.  `latest` gives interface names; it must
 * outlive the object.  Returns 0, -ENOMEM or another -errno. */
int sse_clients_open(uint32_t capacity, latest_t *latest, sse_clients_t **ret_clients);

/* Disconnect all clients, end the thread, free the object. */
void sse_clients_destroy(sse_clients_t **self_p);

/* Disconnect all clients and take no more; the object stays.  Returns when it is done. */
void sse_clients_stop(sse_clients_t *self);

/* Take a slot for a client at `addr`, of which at most `per_address` may hold one (0 = no limit).
 * Events from now on are kept for it.  Any thread.
 * Returns the slot, -EAGAIN when all are taken, -EDQUOT when the address has its share, -ENOSPC
 * when there are too many different filters, -ENOMEM, or -ESHUTDOWN. */
int sse_clients_reserve(sse_clients_t *self, const struct event_filter *filter,
                        const uint8_t addr[16], uint32_t per_address);

/* Give a slot back that has not been started. */
void sse_clients_cancel(sse_clients_t *self, int slot);

/* Serve the slot's client on `fd`, a stream socket, which is closed in the end. */
void sse_clients_start(sse_clients_t *self, int slot, int fd);

/* Show the records of a batch.  One thread. */
void sse_clients_add(sse_clients_t *self, const struct packet_view *view);

/* The numbering of records starts anew: what lies between is not missed. */
void sse_clients_restart(sse_clients_t *self);

/* A descriptor that becomes readable when the first client comes or the last one goes.  Read it
 * (8 bytes), then ask sse_clients_count(). */
int sse_clients_demand_fd(const sse_clients_t *self);

uint32_t sse_clients_count(const sse_clients_t *self);      /* slots taken now */
uint32_t sse_clients_capacity(const sse_clients_t *self);
uint64_t sse_clients_missed(const sse_clients_t *self);     /* events told as missed, all clients */

#endif
