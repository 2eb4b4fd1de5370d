#include "socket_takeover.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FIRST = 3 };             /* standard input, output and error are none of ours */

bool socket_takeover_peer(int fd, uint16_t port, struct takeover_peer *ret_peer)
{
    struct sockaddr_in own, peer;
    socklen_t own_size = sizeof own, peer_size = sizeof peer;

    if (getpeername(fd, (struct sockaddr *) &peer, &peer_size) < 0 || peer.sin_family != AF_INET
        || getsockname(fd, (struct sockaddr *) &own, &own_size) < 0 || own.sin_port != htons(port))
        return false;
    *ret_peer = (struct takeover_peer) { .addr = peer.sin_addr.s_addr, .port = peer.sin_port };
    return true;
}

int socket_takeover_find(int end, const char *peer_addr, uint16_t peer_port, uint16_t port)
{
    struct takeover_peer peer;
    struct in_addr wanted;

    if (inet_pton(AF_INET, peer_addr, &wanted) != 1)
        return -ENOENT;
    for (int fd = FIRST; fd < end; fd++)
        if (socket_takeover_peer(fd, port, &peer) && peer.addr == wanted.s_addr
            && peer.port == htons(peer_port))
            return fd;
    return -ENOENT;
}

int socket_takeover_copy(int fd, int base)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, base);

    return copy < 0 ? -errno : copy;
}

int socket_takeover_detach(int fd)
{
    int dummy = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (dummy < 0)
        return -errno;
    int rc = dup3(dummy, fd, O_CLOEXEC) < 0 ? -errno : 0;
    close(dummy);
    return rc;
}
