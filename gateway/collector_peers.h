/* collector_peers - where each collector takes commands, and which collector it is.
 *
 * The configuration names endpoints; people name collectors.  Whoever answers at an endpoint says
 * its id with every answer, so what is known here follows the collectors when they move.
 */
#ifndef COLLECTOR_PEERS_H
#define COLLECTOR_PEERS_H

#include <semaphore.h>

#include "bus_client.h"
#include "config.h"
#include "list_command.h"

typedef struct collector_peers collector_peers_t;

/* Connect to the commands of every collector of bus.collectors, or of the one in bus.directory;
 * answers are read in `loop`.  Returns 0, -ENOMEM or another -errno. */
int collector_peers_open(zloop_t *loop, const struct config *config,
                         collector_peers_t **ret_peers);

/* Fail all questions with -ESHUTDOWN and take no more.  Reactor thread. */
void collector_peers_stop(collector_peers_t *self);

/* After collector_peers_stop(), when no thread calls any more. */
void collector_peers_destroy(collector_peers_t **self_p);

uint32_t collector_peers_size(const collector_peers_t *self);      /* 1 or more */
bus_client_t *collector_peers_bus(const collector_peers_t *self, uint32_t peer);

/* The places of those who fetch a whole list from it: taken before, given back after. */
sem_t *collector_peers_fetches(collector_peers_t *self, uint32_t peer);

/* The endpoint of its events, as the configuration has it. */
const char *collector_peers_endpoint(const collector_peers_t *self, uint32_t peer);

/* The id that answered there last, "" = none yet.  Any thread. */
void collector_peers_id(collector_peers_t *self, uint32_t peer, char id[COLLECTOR_ID_SIZE]);

/* Note who answered.  Any thread. */
void collector_peers_learn(collector_peers_t *self, uint32_t peer, const char *id);

#endif
