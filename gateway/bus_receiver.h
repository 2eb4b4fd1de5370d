/* bus_receiver - takes snapshots always, and events only while somebody watches them.
 *
 * Without a subscriber the collectors encode nothing, so the sockets to them exist only while there
 * is a client for live events.
 */
#ifndef BUS_RECEIVER_H
#define BUS_RECEIVER_H

#include <czmq.h>

#include "config.h"
#include "latest.h"
#include "sse_clients.h"

typedef struct bus_receiver bus_receiver_t;

/* Subscribe in `loop`; snapshots go to `latest`, records to `sse`.  All must outlive the object.
 * Returns 0, -ENOMEM or another -errno. */
int bus_receiver_open(zloop_t *loop, const struct config *config, latest_t *latest,
                      sse_clients_t *sse, bus_receiver_t **ret_receiver);

void bus_receiver_destroy(bus_receiver_t **self_p);

#endif
