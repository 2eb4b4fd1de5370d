/* connection_cap - how many connections one address may hold.
 *
 * civetweb does not say who has connected before the request is there, and peers that send none are
 * just those that must be counted.  So this looks at the descriptors themselves.
 */
#ifndef CONNECTION_CAP_H
#define CONNECTION_CAP_H

#include "access.h"

typedef struct connection_cap connection_cap_t;

/* For connections on descriptors below `end`, at most `per_address` each.  `access` says who is not
 * capped, and must outlive the object.
 * Returns an object the caller destroys, or NULL when memory is short. */
connection_cap_t *connection_cap_new(int end, uint32_t per_address, const access_t *access);
void connection_cap_destroy(connection_cap_t **self_p);

/* Look at all connections to our `port`; shut those that are new and too many, with a 503.  Any
 * thread. */
void connection_cap_enforce(connection_cap_t *self, uint16_t port);

#endif
