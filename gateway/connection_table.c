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
    uint64_t next_due_ns = 0;
    uint16_t least = 0;

    for (uint32_t i = 0; i < self->capacity; i++) {
        struct connection *connection = &self->connections[i];
        if (connection->state != READY)
            continue;
        uint32_t which = share_of(connection->addr);
        uint16_t share = self->shares[which];
        uint64_t due_ns = self->begun_ns[which] + CONNECTION_TURN_NS;
        if (due_ns < connection->since_ns)
            due_ns = connection->since_ns;
        if (!next || share < least || (share == least && due_ns < next_due_ns)) {
            next = connection;
            least = share;
            next_due_ns = due_ns;
        }
    }
    return next;
}

void connection_table_count_served(struct connection_table *self,
                                   const struct connection *connection, int one)
{
    uint32_t which = share_of(connection->addr);

    self->served += (uint32_t) one;
    self->shares[which] = (uint16_t) (self->shares[which] + one);
    if (one > 0)
        self->begun_ns[which] = connection->since_ns;
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
