/* http_server - the one door to civetweb: its options, its threads, its connections.
 *
 * civetweb listens on the loopback only; http_front hands it the connections whose request is
 * there.  It hands every request to routes, and ends the connection after it.
 */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include <stdint.h>

#include "event_filter.h"
#include "gateway.h"
#include "http_front.h"

struct http_exchange;

typedef struct http_server http_server_t;

/* Listen on server.listen and server.port and serve with `gateway`, which must outlive the object.
 * `why` gets a sentence when that fails.
 * Returns 0, -EADDRINUSE, -ENOMEM or another -errno. */
int http_server_open(struct gateway *gateway, http_server_t **ret_server, char why[512]);

/* Answer nothing more, end all threads, free the object: within a few milliseconds if the handlers
 * return, so stop what they wait for first. */
void http_server_destroy(http_server_t **self_p);

uint16_t http_server_port(const http_server_t *self);       /* the one bound to, also with port 0 */

struct http_front_counters http_server_counters(const http_server_t *self);

/* The descriptor of a request's connection, or -ENOENT. */
int http_server_descriptor(const struct http_exchange *exchange);

/* Turn a request into a client for live events; answers an error if that cannot be.
 * Returns the HTTP status. */
int http_server_stream(struct http_exchange *exchange, const struct event_filter *filter);

/* Keep clients for live events in their civetweb threads, as when their descriptor cannot be found.
 * For tests. */
void http_server_keep_streams(http_server_t *self);

#endif
