/* socket_takeover - take the TCP connection of a running request away from civetweb.
 *
 * civetweb keeps one thread per connection and has no way to hand one over.  But its descriptor is a
 * normal one: while the handler runs, the four-tuple names it, and another socket can be put in its
 * place, which civetweb then closes.
 */
#ifndef SOCKET_TAKEOVER_H
#define SOCKET_TAKEOVER_H

#include <stdint.h>

/* The descriptor above which taken connections live; only those below are searched.  Half of
 * RLIMIT_NOFILE, at most 2048. */
int socket_takeover_base(void);

/* Find the descriptor of the connection from `peer_addr` (IPv4 text), `peer_port` to our `port`.
 * Returns it, or -ENOENT. */
int socket_takeover_find(const char *peer_addr, uint16_t peer_port, uint16_t port);

/* Move the connection `fd` to a new descriptor, which the caller closes, and leave an unconnected
 * socket behind for civetweb to close.
 * Returns the new descriptor, or -errno (then nothing has changed). */
int socket_takeover_take(int fd);

/* Shut down every connection to our `port` that has not been taken: its reader wakes up at once. */
void socket_takeover_shut_all(uint16_t port);

#endif
