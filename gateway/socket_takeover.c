#include "socket_takeover.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_BASE = 2048 };

/* Both ends of an IPv4 connection.  Returns false when `fd` is none. */
static bool ends_of(int fd, struct sockaddr_in *ret_own, struct sockaddr_in *ret_peer)
{
    socklen_t own_size = sizeof *ret_own, peer_size = sizeof *ret_peer;

    return getpeername(fd, (struct sockaddr *) ret_peer, &peer_size) == 0
           && ret_peer->sin_family == AF_INET && peer_size == sizeof *ret_peer
           && getsockname(fd, (struct sockaddr *) ret_own, &own_size) == 0;
}

int socket_takeover_base(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < 2 * MAX_BASE)
        return (int) limit.rlim_cur / 2;
    return MAX_BASE;
}

int socket_takeover_find(const char *peer_addr, uint16_t peer_port, uint16_t port)
{
    struct in_addr wanted;
    struct sockaddr_in own, peer;

    if (inet_pton(AF_INET, peer_addr, &wanted) != 1)
        return -ENOENT;
    for (int fd = 3, end = socket_takeover_base(); fd < end; fd++)
        if (ends_of(fd, &own, &peer) && peer.sin_addr.s_addr == wanted.s_addr
            && peer.sin_port == htons(peer_port) && own.sin_port == htons(port))
            return fd;
    return -ENOENT;
}

int socket_takeover_take(int fd)
{
    int taken = fcntl(fd, F_DUPFD_CLOEXEC, socket_takeover_base());
    int dummy = taken < 0 ? -1 : socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (dummy < 0 || dup3(dummy, fd, O_CLOEXEC) < 0) {
        int error = errno;
        if (taken >= 0)
            close(taken);
        if (dummy >= 0)
            close(dummy);
        return -error;
    }
    close(dummy);
    return taken;
}

void socket_takeover_shut_all(uint16_t port)
{
    struct sockaddr_in own, peer;

    for (int fd = 3, end = socket_takeover_base(); fd < end; fd++)
        if (ends_of(fd, &own, &peer) && own.sin_port == htons(port))
            shutdown(fd, SHUT_RDWR);
}
