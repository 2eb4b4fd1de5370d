/* query_service - answers queries over the whole tables, one at a time, at a REP socket.
 *
 * The longest answer is below ZSOCK_MAX_MESSAGE whatever the values: 1,000 addresses with their 60
 * seconds are at most 990 KB, an hour of history 870 KB.
 */
#ifndef QUERY_SERVICE_H
#define QUERY_SERVICE_H

#include <czmq.h>

#include "aggregate.h"

typedef struct query_service query_service_t;

/* Answer what comes in at `socket` (REP) from what `aggregate` knows.  Both must outlive the
 * service.  Returns one the caller destroys, or NULL when memory is short. */
query_service_t *query_service_new(zsock_t *socket, const aggregate_t *aggregate);

/* Free the service and set *self_p to NULL.  Does nothing when *self_p is NULL. */
void query_service_destroy(query_service_t **self_p);

/* Serve from now on.  Returns 0 or -ENOMEM. */
int query_service_start(query_service_t *self, zloop_t *loop);

uint64_t query_service_bad_messages(const query_service_t *self);  /* that were no query */

#endif
