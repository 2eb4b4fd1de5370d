#include "connection_cap.h"

#include <arpa/inet.h>
#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "socket_takeover.h"

struct connection_cap {
    pthread_mutex_t lock;
    const access_t *access;
    uint32_t per_address;
    int end;
    struct takeover_peer *known;    /* by descriptor, as of the last look; all zeros = none */
    bool *is_new;                   /* by descriptor: was not there at the look before */
};

connection_cap_t *connection_cap_new(int end, uint32_t per_address, const access_t *access)
{
    assert(end > 0 && per_address > 0 && access);

    connection_cap_t *self = calloc(1, sizeof *self);
    if (!self)
        return NULL;
    pthread_mutex_init(&self->lock, NULL);
    self->access = access;
    self->per_address = per_address;
    self->end = end;
    self->known = calloc((size_t) end, sizeof *self->known);
    self->is_new = calloc((size_t) end, sizeof *self->is_new);
    if (!self->known || !self->is_new)
        connection_cap_destroy(&self);
    return self;
}

void connection_cap_destroy(connection_cap_t **self_p)
{
    assert(self_p);
    if (!*self_p)
        return;
    pthread_mutex_destroy(&(*self_p)->lock);
    free((*self_p)->known);
    free((*self_p)->is_new);
    free(*self_p);
    *self_p = NULL;
}

static bool is_unlimited(const connection_cap_t *self, uint32_t addr)
{
    char text[INET_ADDRSTRLEN];

    inet_ntop(AF_INET, &addr, text, sizeof text);
    return access_peer_is_unlimited(self->access, text);
}

static uint32_t count(const connection_cap_t *self, uint32_t addr)
{
    uint32_t of_addr = 0;

    for (int fd = 0; fd < self->end; fd++)
        of_addr += self->known[fd].port != 0 && self->known[fd].addr == addr;
    return of_addr;
}

static void turn_away(int fd)
{
    static const char ANSWER[] = "HTTP/1.1 503 Service Unavailable\r\n"
                                 "Content-Type: application/json\r\n"
                                 "Retry-After: 2\r\nConnection: close\r\n\r\n"
                                 "{\"ok\":false,\"error\":\"too many connections from here\"}";
    ssize_t sent = send(fd, ANSWER, sizeof ANSWER - 1, MSG_NOSIGNAL | MSG_DONTWAIT);

    (void) sent;
    shutdown(fd, SHUT_RDWR);
}

/* See who is there now, and who was not the last time. */
static void look(connection_cap_t *self, uint16_t port)
{
    for (int fd = 0; fd < self->end; fd++) {
        struct takeover_peer peer = { 0 };
        socket_takeover_peer(fd, port, &peer);
        self->is_new[fd] = peer.port != 0 && memcmp(&peer, &self->known[fd], sizeof peer) != 0;
        self->known[fd] = peer;
    }
}

void connection_cap_enforce(connection_cap_t *self, uint16_t port)
{
    pthread_mutex_lock(&self->lock);
    look(self, port);
    for (int fd = 0; fd < self->end; fd++) {
        uint32_t addr = self->known[fd].addr;
        if (!self->is_new[fd] || count(self, addr) <= self->per_address || is_unlimited(self, addr))
            continue;
        turn_away(fd);
        self->known[fd] = (struct takeover_peer) { 0 };
    }
    pthread_mutex_unlock(&self->lock);
}
