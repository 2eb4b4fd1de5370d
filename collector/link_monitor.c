#include "link_monitor.h"

#include <assert.h>
#include <errno.h>
#include <linux/netlink.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"

#define MAX_INTERFACES 1024          /* interfaces whose disappearance a re-listing can tell */
#define ANSWER_TIMEOUT_S 2

struct link_monitor {
    int event_fd;               /* multicast groups, never blocks */
    int query_fd;               /* dumps, with a time-out */
    uint32_t next_request;
    struct link_events events;
    bool follow_routes;
    uint32_t default_ifindex;   /* 0 = no default route */
    uint32_t best_metric;       /* of the route dump that is running */
    uint32_t best_ifindex;
    bool found_filter;          /* of the filter dump that is running */
    uint32_t link_count;
    uint32_t links[MAX_INTERFACES];  /* ifindexes that exist */
    uint32_t listed_count;
    uint32_t listed[MAX_INTERFACES]; /* ifindexes of the link dump that is running */
    char buffer[32768] __attribute__((aligned(NLMSG_ALIGNTO)));
};

typedef void message_fn(link_monitor_t *self, const struct nlmsghdr *message);

static int open_socket(uint32_t groups)
{
    struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = groups };
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | (groups ? SOCK_NONBLOCK : 0),
                    NETLINK_ROUTE);
    struct timeval timeout = { .tv_sec = ANSWER_TIMEOUT_S };

    if (fd < 0)
        return -errno;
    if ((groups == 0 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout) != 0)
        || bind(fd, (struct sockaddr *) &address, sizeof address) != 0) {
        int rc = -errno;
        close(fd);
        return rc;
    }
    return fd;
}

static const struct rtattr *find_attribute(const struct rtattr *first, size_t size, int type)
{
    for (const struct rtattr *at = first; RTA_OK(at, size); at = RTA_NEXT(at, size))
        if (at->rta_type == type)
            return at;
    return NULL;
}

static uint32_t read_u32(const struct rtattr *attribute, uint32_t fallback)
{
    uint32_t value = fallback;

    if (attribute && RTA_PAYLOAD(attribute) >= sizeof value)
        memcpy(&value, RTA_DATA(attribute), sizeof value);
    return value;
}

static bool has_index(const uint32_t *indexes, uint32_t count, uint32_t ifindex)
{
    for (uint32_t i = 0; i < count; i++)
        if (indexes[i] == ifindex)
            return true;
    return false;
}

static void remember(uint32_t *indexes, uint32_t *count, uint32_t ifindex)
{
    if (*count < MAX_INTERFACES && !has_index(indexes, *count, ifindex))
        indexes[(*count)++] = ifindex;
}

static void forget(link_monitor_t *self, uint32_t ifindex)
{
    for (uint32_t i = 0; i < self->link_count; i++)
        if (self->links[i] == ifindex)
            self->links[i] = self->links[--self->link_count];
}

/* ---- what the kernel sends ---- */

static void on_link_message(link_monitor_t *self, const struct nlmsghdr *message)
{
    const struct ifinfomsg *info = NLMSG_DATA(message);
    char name[IFNAMSIZ];

    if (message->nlmsg_len < NLMSG_LENGTH(sizeof *info))
        return;
    uint32_t ifindex = (uint32_t) info->ifi_index;
    if (message->nlmsg_type == RTM_DELLINK) {
        if (info->ifi_family != AF_UNSPEC)  /* a bridge port has left, not the interface */
            return;
        forget(self, ifindex);
        self->events.on_link_gone(ifindex, self->events.arg);
        return;
    }
    const struct rtattr *attribute = find_attribute(IFLA_RTA(info), IFLA_PAYLOAD(message),
                                                    IFLA_IFNAME);
    if (!attribute)
        return;
    snprintf(name, sizeof name, "%.*s", (int) RTA_PAYLOAD(attribute),
             (const char *) RTA_DATA(attribute));
    for (char *c = name; *c != '\0'; c++)   /* the kernel allows nearly every byte, messages text */
        if (*c <= ' ' || *c > '~')
            *c = '?';
    remember(self->links, &self->link_count, ifindex);
    remember(self->listed, &self->listed_count, ifindex);
    self->events.on_link(name, ifindex, info->ifi_type, self->events.arg);
}

static void on_route_message(link_monitor_t *self, const struct nlmsghdr *message)
{
    const struct rtmsg *route = NLMSG_DATA(message);

    if (message->nlmsg_len < NLMSG_LENGTH(sizeof *route) || message->nlmsg_type != RTM_NEWROUTE
        || route->rtm_dst_len != 0 || route->rtm_type != RTN_UNICAST
        || route->rtm_table != RT_TABLE_MAIN)
        return;
    size_t size = RTM_PAYLOAD(message);
    uint32_t ifindex = read_u32(find_attribute(RTM_RTA(route), size, RTA_OIF), 0);
    uint32_t metric = read_u32(find_attribute(RTM_RTA(route), size, RTA_PRIORITY), 0);
    if (ifindex != 0 && (self->best_ifindex == 0 || metric < self->best_metric)) {
        self->best_ifindex = ifindex;
        self->best_metric = metric;
    }
}

static void on_filter_message(link_monitor_t *self, const struct nlmsghdr *message)
{
    /* A chain without filters may be listed by its head alone; only a handle is a filter. */
    const struct tcmsg *filter = NLMSG_DATA(message);

    if (message->nlmsg_type == RTM_NEWTFILTER
        && message->nlmsg_len >= NLMSG_LENGTH(sizeof *filter) && filter->tcm_handle != 0)
        self->found_filter = true;
}

/* ---- dumps ---- */

/* Send a dump request and hand every answer to `on_message`.  Returns 0 or -errno. */
static int dump(link_monitor_t *self, struct nlmsghdr *request, uint16_t type,
                message_fn *on_message)
{
    request->nlmsg_type = type;
    request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    request->nlmsg_seq = ++self->next_request;
    if (send(self->query_fd, request, request->nlmsg_len, 0) < 0)
        return -errno;
    for (;;) {
        ssize_t size = recv(self->query_fd, self->buffer, sizeof self->buffer, 0);
        if (size < 0)
            return -errno;
        size_t left = (size_t) size;
        for (const struct nlmsghdr *message = (const void *) self->buffer; NLMSG_OK(message, left);
             message = NLMSG_NEXT(message, left)) {
            if (message->nlmsg_seq != self->next_request)
                continue;
            if (message->nlmsg_type == NLMSG_DONE)
                return 0;
            if (message->nlmsg_type == NLMSG_ERROR)
                return -EIO;
            on_message(self, message);
        }
    }
}

static void find_default_route(link_monitor_t *self)
{
    static const unsigned char FAMILIES[] = { AF_INET, AF_INET6 };

    self->best_ifindex = 0;
    for (size_t i = 0; i < sizeof FAMILIES && self->best_ifindex == 0; i++) {
        struct {
            struct nlmsghdr head;
            struct rtmsg body;
        } request = { .head.nlmsg_len = sizeof request, .body.rtm_family = FAMILIES[i] };
        dump(self, &request.head, RTM_GETROUTE, on_route_message);
    }
    self->default_ifindex = self->best_ifindex;
}

void link_monitor_list(link_monitor_t *self)
{
    struct {
        struct nlmsghdr head;
        struct ifinfomsg body;
    } request = { .head.nlmsg_len = sizeof request };

    if (self->follow_routes)
        find_default_route(self);
    self->listed_count = 0;
    int rc = dump(self, &request.head, RTM_GETLINK, on_link_message);
    if (rc != 0) {
        log_error("cannot list the interfaces: %s", strerror(-rc));
        return;
    }
    for (uint32_t i = self->link_count; i-- > 0;) {
        uint32_t ifindex = self->links[i];
        if (has_index(self->listed, self->listed_count, ifindex))
            continue;
        forget(self, ifindex);
        self->events.on_link_gone(ifindex, self->events.arg);
    }
}

bool link_monitor_has_filters(link_monitor_t *self, uint32_t ifindex)
{
    static const uint32_t PARENTS[] = { TC_H_MIN_INGRESS, TC_H_MIN_EGRESS };

    self->found_filter = false;
    for (size_t i = 0; i < 2; i++) {
        struct {
            struct nlmsghdr head;
            struct tcmsg body;
        } request = { .head.nlmsg_len = sizeof request,
                      .body.tcm_ifindex = (int) ifindex,
                      .body.tcm_parent = TC_H_MAKE(TC_H_CLSACT, PARENTS[i]) };
        if (dump(self, &request.head, RTM_GETTFILTER, on_filter_message) != 0)
            return true;        /* not sure: leave it standing */
    }
    return self->found_filter;
}

/* ---- events ---- */

static void on_event(link_monitor_t *self, const struct nlmsghdr *message, bool *routes_changed)
{
    const struct tcmsg *tc = NLMSG_DATA(message);

    switch (message->nlmsg_type) {
    case RTM_NEWLINK:
    case RTM_DELLINK:
        on_link_message(self, message);
        break;
    case RTM_NEWROUTE:
    case RTM_DELROUTE:
        *routes_changed = true;
        break;
    case RTM_DELTFILTER:
    case RTM_DELQDISC:
        if (message->nlmsg_len >= NLMSG_LENGTH(sizeof *tc))
            self->events.on_filter_gone((uint32_t) tc->tcm_ifindex, self->events.arg);
        break;
    default:
        break;
    }
}

/* A default route that has gone leaves its interface watched: better to enforce too long. */
static void follow_default_route(link_monitor_t *self)
{
    uint32_t before = self->default_ifindex;

    find_default_route(self);
    if (self->default_ifindex == 0)
        self->default_ifindex = before;
    else if (self->default_ifindex != before)
        link_monitor_list(self);
}

void link_monitor_on_readable(link_monitor_t *self)
{
    char events[16384] __attribute__((aligned(NLMSG_ALIGNTO)));
    bool routes_changed = false, overrun = false;

    for (;;) {
        ssize_t size = recv(self->event_fd, events, sizeof events, MSG_DONTWAIT);
        if (size < 0 && errno == ENOBUFS) {
            overrun = true;
            continue;
        }
        if (size < 0 && errno == EINTR)
            continue;
        if (size <= 0)
            break;
        size_t left = (size_t) size;
        for (const struct nlmsghdr *message = (const void *) events; NLMSG_OK(message, left);
             message = NLMSG_NEXT(message, left))
            on_event(self, message, &routes_changed);
    }
    if (overrun) {
        log_warning("the kernel had more to say of interfaces than we could read: listing again");
        link_monitor_list(self);
    } else if (routes_changed && self->follow_routes) {
        follow_default_route(self);
    }
}

int link_monitor_open(link_monitor_t **ret_self, const struct link_events *events,
                      bool follow_routes)
{
    assert(ret_self && events && events->on_link && events->on_link_gone && events->on_filter_gone);

    uint32_t groups = RTMGRP_LINK | RTMGRP_TC
        | (follow_routes ? RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE : 0);
    link_monitor_t *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    self->events = *events;
    self->follow_routes = follow_routes;
    self->query_fd = -1;
    self->event_fd = open_socket(groups);   /* before the first listing: nothing is missed */
    int rc = self->event_fd < 0 ? self->event_fd : 0;
    if (rc == 0) {
        self->query_fd = open_socket(0);
        rc = self->query_fd < 0 ? self->query_fd : 0;
    }
    if (rc != 0) {
        link_monitor_destroy(&self);
        return rc;
    }
    *ret_self = self;
    return 0;
}

int link_monitor_fd(const link_monitor_t *self)
{
    return self->event_fd;
}

bool link_monitor_is_default_route(const link_monitor_t *self, const char *name)
{
    char device[IFNAMSIZ];

    return self->default_ifindex != 0 && if_indextoname(self->default_ifindex, device)
        && strcmp(device, name) == 0;
}

void link_monitor_destroy(link_monitor_t **self_p)
{
    assert(self_p);

    if (!*self_p)
        return;
    if ((*self_p)->event_fd >= 0)
        close((*self_p)->event_fd);
    if ((*self_p)->query_fd >= 0)
        close((*self_p)->query_fd);
    free(*self_p);
    *self_p = NULL;
}
