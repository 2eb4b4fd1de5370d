/* socket_takeover - find the TCP connections that civetweb holds, and take one away from it.
 *
 * civetweb keeps one thread per connection and has no way to hand one over.  But its descriptors
 * are normal ones: the four-tuple names the one of a running request, and another socket can be put
 * in its place, which civetweb then closes.
 */
#ifndef SOCKET_TAKEOVER_H
#define SOCKET_TAKEOVER_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

/* One connection: both in network order, so that it can be compared with memcmp(). */
struct takeover_peer {
    uint32_t addr;
    uint16_t port;
    uint16_t zero;
};

/* Whether `fd` is a connection to our `port`, and from where. */
bool socket_takeover_peer(int fd, uint16_t port, struct takeover_peer *ret_peer);

/* Find the connection from `peer_addr` (IPv4 text), `peer_port` to our `port` among the descriptors
 * below `end`.  Returns it, or -ENOENT. */
int socket_takeover_find(int end, const char *peer_addr, uint16_t peer_port, uint16_t port);

/* A copy of `fd`, at least `base`, which the caller closes.  Returns it, or -errno. */
int socket_takeover_copy(int fd, int base);

/* Leave an unconnected socket in the place of `fd` for civetweb to close: the copy then is the only
 * one.  Returns 0 or -errno (then nothing has changed). */
int socket_takeover_detach(int fd);

#endif
