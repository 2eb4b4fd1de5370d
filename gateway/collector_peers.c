#include "collector_peers.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus_endpoint.h"
#include "zsock_setup.h"

enum { FETCHES_MAX = 2 };       /* they keep the collector and this process busy */

struct peer {
    char events[CONFIG_ITEM_SIZE];
    bus_client_t *bus;
    sem_t fetches;
    char id[COLLECTOR_ID_SIZE]; /* under the lock */
};

struct collector_peers {
    pthread_mutex_t lock;
    uint32_t size;
    struct peer peers[];
};

static int open_peer(struct peer *peer, zloop_t *loop, const char *events,
                     const struct config *config)
{
    char commands[BUS_ENDPOINT_SIZE];
    int rc = bus_endpoint_commands(commands, events);

    snprintf(peer->events, sizeof peer->events, "%s", events);
    return rc == 0 ? bus_client_open(loop, commands, (int) config->bus.queue, config->bus.keys,
                                     &peer->bus)
                   : rc;
}

int collector_peers_open(zloop_t *loop, const struct config *config,
                         collector_peers_t **ret_peers)
{
    assert(loop && config && ret_peers);

    const struct config_list *endpoints = &config->bus.collectors;
    uint32_t size = endpoints->size > 0 ? endpoints->size : 1;
    char own[128];
    collector_peers_t *self = calloc(1, sizeof *self + size * sizeof self->peers[0]);
    int rc = self ? zsock_setup_endpoint(own, config->bus.directory, BUS_EVENTS) : -ENOMEM;

    if (self)
        pthread_mutex_init(&self->lock, NULL);
    for (uint32_t i = 0; rc == 0 && i < size; i++) {
        const char *events = endpoints->size > 0 ? endpoints->items[i] : own;
        self->size++;
        sem_init(&self->peers[i].fetches, 0, FETCHES_MAX);
        rc = open_peer(&self->peers[i], loop, events, config);
    }
    if (rc == 0)
        *ret_peers = self;
    else
        collector_peers_destroy(&self);
    return rc;
}

void collector_peers_stop(collector_peers_t *self)
{
    for (uint32_t i = 0; i < self->size; i++)
        bus_client_stop(self->peers[i].bus);
}

void collector_peers_destroy(collector_peers_t **self_p)
{
    assert(self_p);
    collector_peers_t *self = *self_p;

    if (!self)
        return;
    for (uint32_t i = 0; i < self->size; i++) {
        bus_client_destroy(&self->peers[i].bus);
        sem_destroy(&self->peers[i].fetches);
    }
    pthread_mutex_destroy(&self->lock);
    free(self);
    *self_p = NULL;
}

uint32_t collector_peers_size(const collector_peers_t *self) { return self->size; }

bus_client_t *collector_peers_bus(const collector_peers_t *self, uint32_t peer)
{
    assert(peer < self->size);
    return self->peers[peer].bus;
}

sem_t *collector_peers_fetches(collector_peers_t *self, uint32_t peer)
{
    assert(peer < self->size);
    return &self->peers[peer].fetches;
}

const char *collector_peers_endpoint(const collector_peers_t *self, uint32_t peer)
{
    assert(peer < self->size);
    return self->peers[peer].events;
}

void collector_peers_id(collector_peers_t *self, uint32_t peer, char id[COLLECTOR_ID_SIZE])
{
    assert(peer < self->size);
    pthread_mutex_lock(&self->lock);
    strcpy(id, self->peers[peer].id);
    pthread_mutex_unlock(&self->lock);
}

void collector_peers_learn(collector_peers_t *self, uint32_t peer, const char *id)
{
    assert(peer < self->size && strlen(id) < COLLECTOR_ID_SIZE);
    pthread_mutex_lock(&self->lock);
    strcpy(self->peers[peer].id, id);
    pthread_mutex_unlock(&self->lock);
}
