/* http_front - takes all connections, and gives civetweb only those whose request is all there.
 *
 * civetweb keeps a thread for each connection, from its first moment on: who connects and says
 * nothing, or says it slowly, holds one.  So one thread of ours accepts, watches any number of
 * connections without a thread for each, refuses requests of a bad shape, and lets civetweb accept
 * a connection within this host for each that is ready, in whose place it then puts the client's.
 * A connection serves one request, so every request passes here.
 *
 * When places run short, the one that has waited longest without a request goes, and who holds a
 * thread for long because he does not read his answer.
 */
#ifndef HTTP_FRONT_H
#define HTTP_FRONT_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "access.h"

#define HTTP_FRONT_WAITING 1024         /* connections whose request is not served yet */

typedef struct http_front http_front_t;

struct http_front_settings {
    const char *listen;         /* IPv4 text */
    uint16_t port;              /* 0 = any that is free */
    uint32_t threads;           /* requests that civetweb serves at once */
    uint32_t per_address;       /* connections of one address */
    int low_end;                /* descriptors below are civetweb's, ours above if they can */
    const access_t *access;     /* says whose connections are not counted */
};

/* One connection that civetweb serves. */
struct http_client {
    int fd;
    uint16_t inner_port;        /* which peer civetweb takes it for */
    char address[INET_ADDRSTRLEN];
};

/* Listen.  `why` gets a sentence when that fails.  What `settings` points to must outlive the
 * object.  Returns 0, -EADDRINUSE, -ENOMEM or another -errno. */
int http_front_open(const struct http_front_settings *settings, http_front_t **ret_front,
                    char why[512]);

/* Begin to serve with a civetweb that listens on `inner_port` of the loopback.  Returns 0 or
 * -errno. */
int http_front_start(http_front_t *self, uint16_t inner_port);

/* Take no more connections, end those that there are.  civetweb may still call the next two. */
void http_front_stop(http_front_t *self);

void http_front_destroy(http_front_t **self_p);

uint16_t http_front_port(const http_front_t *self);

/* civetweb begins with a connection that it has accepted, and has read nothing yet: put the
 * client's in its place.  Any thread.  Returns the client, valid until _release(), or NULL when no
 * client waits for it: then a stranger on this host has found the inner port.  The stranger may
 * also come first, so look at inner_port before the request is served. */
struct http_client *http_front_take(http_front_t *self);

/* civetweb is about to close it.  Any thread. */
void http_front_release(http_front_t *self, struct http_client *client);

/* Counters since the start: connections taken, refused because places or the address's share were
 * taken, ended because their request did not come or their answer was not read in time, and
 * requests of a bad shape. */
struct http_front_counters {
    uint64_t accepted, refused, timed_out, evicted, malformed;
};
struct http_front_counters http_front_counters(http_front_t *self);

#endif
