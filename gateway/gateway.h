/* gateway - what the handlers of HTTP requests work with; main() owns it.
 */
#ifndef GATEWAY_H
#define GATEWAY_H

#include "access.h"
#include "bus_client.h"
#include "config.h"
#include "latest.h"
#include "sse_clients.h"
#include "ui_files.h"

struct gateway {
    const struct config *config;
    latest_t *latest;
    sse_clients_t *sse;
    bus_client_t *commands;     /* to the collector */
    bus_client_t *queries;      /* to the aggregator */
    access_t *access;
    ui_files_t *ui;
    char timezone[64];          /* name of the zone that events are shown in */
    uint64_t started_ns;        /* monotonic */
};

#endif
