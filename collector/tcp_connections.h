/* tcp_connections - the connections to our two ports, found among our own descriptors.
 *
 * libzmq can neither end one connection of a bound socket nor limit how many it accepts.  So we end
 * them under its hands, by shutdown(): it takes that for the peer's doing.  No descriptor is needed
 * for it: a flood leaves none.
 */
#ifndef TCP_CONNECTIONS_H
#define TCP_CONNECTIONS_H

#include <stdint.h>

#define TCP_CONNECTIONS_MANY 256        /* fewer than these do no harm */
#define TCP_CONNECTIONS_OF_ONE 32       /* aggregator and gateway of one host have three */

typedef struct tcp_connections tcp_connections_t;

/* Look for connections to `port` and the one behind it.  Returns 0, or -errno when our descriptors
 * cannot be listed. */
int tcp_connections_open(tcp_connections_t **ret_self, uint16_t port);

void tcp_connections_destroy(tcp_connections_t **self_p);

/* End all connections.  Returns how many there were. */
unsigned tcp_connections_cut(tcp_connections_t *self);

/* When there are more than TCP_CONNECTIONS_MANY, end those of every IPv4 address or IPv6 /64
 * network that has more than TCP_CONNECTIONS_OF_ONE.  Returns how many were ended.
 * Cost: two system calls per descriptor. */
unsigned tcp_connections_thin_out(tcp_connections_t *self);

#endif
