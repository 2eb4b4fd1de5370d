/* gateway - the parts of the process and how they hang together.
 *
 * The reactor's thread receives and asks on the bus; civetweb's threads answer requests from what
 * is here; one thread serves live events.
 */
#ifndef GATEWAY_H
#define GATEWAY_H

#include <czmq.h>
#include <semaphore.h>

#include "access.h"
#include "bus_client.h"
#include "collector_peers.h"
#include "config.h"
#include "latest.h"
#include "page_cache.h"
#include "sse_clients.h"
#include "ui_files.h"

struct bus_receiver;
struct http_server;

struct gateway {
    const struct config *config;
    latest_t *latest;
    page_cache_t *metrics_page;
    page_cache_t *summary_page; /* without the time */
    sse_clients_t *sse;
    collector_peers_t *peers;   /* to the collectors */
    bus_client_t *queries;      /* to the aggregator */
    access_t *access;
    ui_files_t *ui;
    struct bus_receiver *receiver;
    struct http_server *server;
    sem_t list_readers;         /* places of requests for a whole list */
    char token_path[PATH_MAX];
    int token_error;            /* why there is no admin token, -errno; 0 = there is one */
    char timezone[64];          /* name of the zone that events are shown in */
    uint64_t started_ns;        /* monotonic */
};

/* Open everything in `loop`, whose thread runs it later; HTTP is served from now on.  `config` must
 * outlive the gateway.  `ui_path` is the folder of the web page, "" = the default one,
 * NULL = the plain page.
 * Returns 0, or -errno with a sentence in `why`; close the gateway in both cases. */
int gateway_open(struct gateway *self, zloop_t *loop, const struct config *config,
                 const char *ui_path, char why[512]);

/* End all threads and close everything, within a few milliseconds.  The loop must have ended and
 * still exist.  Does nothing on a zeroed gateway. */
void gateway_close(struct gateway *self);

#endif
