#include "connection_table.h"

#include <stdlib.h>
#include <unistd.h>

enum { EVICT_TRIES = 64 };

void connection_free(struct connection *connection)
{
    connection->state = FREE;
    connection->client.fd = -1;
}

void connection_drop(struct connection *connection)
{
    close(connection->client.fd);       /* leaves the epoll by itself */
    connection_free(connection);
}

struct connection *connection_table_find_free(struct connection_table *self)
{
    for (uint32_t i = 0; i < self->capacity; i++)
        if (self->connections[i].state == FREE)
            return &self->connections[i];
    return NULL;
}

struct connection *connection_table_oldest(struct connection_table *self,
                                           enum connection_state state)
{
    struct connection *found = NULL;

    for (uint32_t i = 0; i < self->capacity; i++) {
        struct connection *connection = &self->connections[i];
        if (connection->state == state && (!found || connection->since_ns < found->since_ns))
            found = connection;
    }
    return found;
}

static uint32_t share_of(uint32_t addr)
{
    return (addr * 2654435761u) >> 20 & (CONNECTION_SHARES - 1);
}

struct connection *connection_table_next(struct connection_table *self)
{
    struct connection *next = NULL;
    uint16_t least = UINT16_MAX;

    for (uint32_t i = 0; i < self->capacity; i++) {
        struct connection *connection = &self->connections[i];
        if (connection->state != READY)
            continue;
        uint16_t share = self->shares[share_of(connection->addr)];
        if (!next || share < least
            || (share == least && connection->since_ns < next->since_ns)) {
            next = connection;
            least = share;
        }
    }
    return next;
}

void connection_table_count_served(struct connection_table *self,
                                   const struct connection *connection, int one)
{
    uint16_t *share = &self->shares[share_of(connection->addr)];

    self->served += (uint32_t) one;
    *share = (uint16_t) (*share + one);
}

struct connection *connection_table_evict(struct connection_table *self)
{
    struct connection *victim = connection_table_oldest(self, WAITING);

    for (int tries = 0; !victim && tries < EVICT_TRIES; tries++) {
        struct connection *any = &self->connections[(uint32_t) random() % self->capacity];
        victim = any->state == READY ? any : NULL;
    }
    if (victim)
        connection_drop(victim);
    return victim;
}

uint32_t connection_table_count_of(const struct connection_table *self, uint32_t addr)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < self->capacity; i++)
        count += self->connections[i].state != FREE && self->connections[i].addr == addr;
    return count;
}
