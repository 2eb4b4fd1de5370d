/* surroundings - the addresses without which this host is cut off.
 *
 * Its own, those of its default gateways and of its DNS servers, as the system says now.  What
 * cannot be read is left out: it only saves somebody from a mistake.
 */
#ifndef SURROUNDINGS_H
#define SURROUNDINGS_H

#include "ip_addr.h"

#define SURROUNDINGS_MAX 128    /* addresses of each kind; a router with containers has dozens */

struct address_list {
    unsigned size;
    struct ip_addr items[SURROUNDINGS_MAX];
};

/* Addresses of loopback are left out everywhere: they never cross an interface that is watched. */
struct surroundings {
    struct address_list host;           /* getifaddrs(3) */
    struct address_list gateways;       /* of default routes; /proc/self/net/route, ipv6_route */
    struct address_list name_servers;   /* /etc/resolv.conf, and what stands behind a local one */
};

/* Read all lists.  Blocks for the microseconds that the kernel needs. */
void surroundings_read(struct surroundings *ret_surroundings);

/* Add the gateway of a line of /proc/net/route, or of /proc/net/ipv6_route, if it is a default
 * route with a gateway.  For tests; any text may come. */
void surroundings_add_route(struct address_list *gateways, const char *line);
void surroundings_add_route6(struct address_list *gateways, const char *line);

/* Add the server of a line "nameserver ADDRESS" of resolv.conf(5).  For tests; any text
 * may come. */
void surroundings_add_name_server(struct address_list *name_servers, const char *line);

/* True for 127.0.0.0/8, ::1 and the unspecified addresses. */
bool surroundings_is_local(const struct ip_addr *addr);

#endif
