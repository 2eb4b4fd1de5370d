/* surroundings - the addresses that should not be blocked without a second thought.
 *
 * Those of this host and of its default gateways, as the kernel says now.  What cannot be read is
 * left out: it only saves somebody from a mistake.
 */
#ifndef SURROUNDINGS_H
#define SURROUNDINGS_H

#include "ip_addr.h"

#define SURROUNDINGS_MAX 32     /* addresses of each kind */

struct address_list {
    unsigned size;
    struct ip_addr items[SURROUNDINGS_MAX];
};

struct surroundings {
    struct address_list host;           /* of this host, loopback left out; getifaddrs(3) */
    struct address_list gateways;       /* of the default routes; /proc/net/route, ipv6_route */
};

/* Read both lists.  Blocks for the microseconds the kernel needs; any thread. */
void surroundings_read(struct surroundings *ret_surroundings);

/* Add the gateway of a line of /proc/net/route, or of /proc/net/ipv6_route, if it is a default
 * route with a gateway.  For tests; any text may come. */
void surroundings_add_route(struct address_list *gateways, const char *line);
void surroundings_add_route6(struct address_list *gateways, const char *line);

#endif
