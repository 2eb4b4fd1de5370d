/* link_monitor - tells by rtnetlink which interfaces come, go, or lose a TC filter.
 *
 * Events lost to a full socket buffer are made up for by listing everything again.
 */
#ifndef LINK_MONITOR_H
#define LINK_MONITOR_H

#include <stdbool.h>
#include <stdint.h>

typedef struct link_monitor link_monitor_t;

struct link_events {
    /* There, new or changed.  `type` is ARPHRD_*. */
    void (*on_link)(const char *name, uint32_t ifindex, unsigned type, void *arg);
    void (*on_link_gone)(uint32_t ifindex, void *arg);
    void (*on_filter_gone)(uint32_t ifindex, void *arg);    /* a TC filter or qdisc was removed */
    void *arg;
};

/* Open the socket.  With `follow_routes` the devices of default routes are kept in mind, and a new
 * one is told through on_link.  Returns 0 or -errno. */
int link_monitor_open(link_monitor_t **ret_self, const struct link_events *events,
                      bool follow_routes);

/* Tell every interface that exists now, and those we thought existed that do not.  Blocks for the
 * time the kernel needs to answer. */
void link_monitor_list(link_monitor_t *self);

/* Read what the kernel has to say.  Never blocks. */
void link_monitor_on_readable(link_monitor_t *self);

int link_monitor_fd(const link_monitor_t *self);

/* True if `name` is the device of the default route: the IPv4 one with the lowest metric, else the
 * IPv6 one.  Needs follow_routes. */
bool link_monitor_is_default_route(const link_monitor_t *self, const char *name);

/* True if any TC filter stands in the clsact of this interface. */
bool link_monitor_has_filters(link_monitor_t *self, uint32_t ifindex);

void link_monitor_destroy(link_monitor_t **self_p);

#endif
