#include "tcp_connections.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#define BUCKETS 1024            /* two addresses in one are ended together, and one comes back */

struct tcp_connections {
    uint16_t port;
    DIR *descriptors;           /* stays open */
};

static uint16_t port_of(const struct sockaddr_storage *addr)
{
    if (addr->ss_family == AF_INET)
        return ntohs(((const struct sockaddr_in *) (const void *) addr)->sin_port);
    if (addr->ss_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *) (const void *) addr)->sin6_port);
    return 0;
}

int tcp_connections_open(tcp_connections_t **ret_self, uint16_t port)
{
    assert(ret_self && port > 0);

    tcp_connections_t *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    self->port = port;
    self->descriptors = opendir("/proc/self/fd");
    if (!self->descriptors) {
        int error = errno;
        free(self);
        return -error;
    }
    *ret_self = self;
    return 0;
}

void tcp_connections_destroy(tcp_connections_t **self_p)
{
    assert(self_p);

    if (!*self_p)
        return;
    closedir((*self_p)->descriptors);
    free(*self_p);
    *self_p = NULL;
}

/* Whether the descriptor is a connection to one of the two ports. */
static bool is_connection(int fd, uint16_t port, struct sockaddr_storage *ret_peer)
{
    struct sockaddr_storage own;
    socklen_t own_size = sizeof own, peer_size = sizeof *ret_peer;

    if (getsockname(fd, (struct sockaddr *) &own, &own_size) != 0)
        return false;
    uint16_t own_port = port_of(&own);
    return own_port != 0 && (own_port == port || own_port == port + 1)
        && getpeername(fd, (struct sockaddr *) ret_peer, &peer_size) == 0;
}

/* The next connection, or -1 behind the last. */
static int next_connection(tcp_connections_t *self, struct sockaddr_storage *ret_peer)
{
    for (struct dirent *entry = readdir(self->descriptors); entry;
         entry = readdir(self->descriptors)) {
        int fd = atoi(entry->d_name);
        if (entry->d_name[0] != '.' && is_connection(fd, self->port, ret_peer))
            return fd;
    }
    return -1;
}

/* A descriptor that is closed and used again meanwhile is at worst another connection that has to
 * come back. */
unsigned tcp_connections_cut(tcp_connections_t *self)
{
    struct sockaddr_storage peer;
    unsigned cut = 0;
    int fd;

    rewinddir(self->descriptors);
    while ((fd = next_connection(self, &peer)) >= 0)
        cut += shutdown(fd, SHUT_RDWR) == 0;
    return cut;
}

static unsigned bucket_of(const struct sockaddr_storage *peer, uint32_t seed)
{
    static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
    uint32_t words[2] = { 0 };

    if (peer->ss_family == AF_INET) {
        memcpy(words, &((const struct sockaddr_in *) (const void *) peer)->sin_addr, 4);
    } else {
        const uint8_t *addr
            = ((const struct sockaddr_in6 *) (const void *) peer)->sin6_addr.s6_addr;
        bool is_mapped = memcmp(addr, mapped, sizeof mapped) == 0;
        memcpy(words, is_mapped ? addr + 12 : addr, is_mapped ? 4 : 8);
    }
    uint32_t hash = (words[0] ^ seed) * UINT32_C(0x9e3779b1);
    hash = ((hash ^ hash >> 15) + words[1]) * UINT32_C(0x85ebca77);
    return (hash ^ hash >> 13) % BUCKETS;
}

unsigned tcp_connections_thin_out(tcp_connections_t *self)
{
    uint16_t counts[BUCKETS] = { 0 };
    struct sockaddr_storage peer;
    unsigned all = 0, cut = 0;
    uint32_t seed;
    int fd;

    if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) != sizeof seed)
        seed = 0;
    rewinddir(self->descriptors);
    for (; next_connection(self, &peer) >= 0; all++)
        counts[bucket_of(&peer, seed)]++;
    if (all <= TCP_CONNECTIONS_MANY)
        return 0;
    rewinddir(self->descriptors);
    while ((fd = next_connection(self, &peer)) >= 0)
        if (counts[bucket_of(&peer, seed)] > TCP_CONNECTIONS_OF_ONE)
            cut += shutdown(fd, SHUT_RDWR) == 0;
    return cut;
}
