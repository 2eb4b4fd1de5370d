#include "tc_attachment.h"

#include <assert.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fnmatch.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "link_monitor.h"
#include "log.h"
#include "tc_hook.h"

/* linux/if_arp.h has it, but cannot be included beside net/if.h. */
#ifndef ARPHRD_IP6GRE
#define ARPHRD_IP6GRE 823
#endif

struct tc_attachment {
    link_monitor_t *monitor;
    const struct config_network *network;
    const kernel_source_t *source;
    uint32_t interface_count;
    struct interface_state interfaces[STATUS_MAX_INTERFACES];
    unsigned types[STATUS_MAX_INTERFACES];      /* ARPHRD_* of each */
    bool made_clsact[STATUS_MAX_INTERFACES];
    bool active;                /* tc_attachment_attach() has been called */
};

static bool is_glob(const char *pattern)
{
    return strpbrk(pattern, "*?[") != NULL;
}

/* Does the configuration ask for this interface?  A glob leaves out the loopback device: what it
 * carries never leaves the host. */
static bool is_wanted(const tc_attachment_t *self, const char *name)
{
    if (self->network->interfaces.size == 0)
        return link_monitor_is_default_route(self->monitor, name);
    for (uint32_t i = 0; i < self->network->interfaces.size; i++) {
        const char *pattern = self->network->interfaces.items[i];
        if (strcmp(pattern, name) == 0)
            return true;
        if (is_glob(pattern) && strcmp(name, "lo") != 0 && fnmatch(pattern, name, 0) == 0)
            return true;
    }
    return false;
}

static struct interface_state *find_name(tc_attachment_t *self, const char *name)
{
    for (uint32_t i = 0; i < self->interface_count; i++)
        if (strcmp(self->interfaces[i].name, name) == 0)
            return &self->interfaces[i];
    return NULL;
}

/* The entry of this name, made if need be.  Entries of interfaces that are away give way when the
 * table is full.  Returns NULL when it is full of interfaces that are there. */
static struct interface_state *take_name(tc_attachment_t *self, const char *name)
{
    struct interface_state *state = find_name(self, name);

    if (state)
        return state;
    if (self->interface_count < STATUS_MAX_INTERFACES)
        state = &self->interfaces[self->interface_count++];
    for (uint32_t i = 0; !state && i < self->interface_count; i++)
        if (self->interfaces[i].ifindex == 0)
            state = &self->interfaces[i];
    if (!state)
        return NULL;
    memset(state, 0, sizeof *state);
    snprintf(state->name, sizeof state->name, "%s", name);
    self->made_clsact[state - self->interfaces] = false;
    return state;
}

/* How frames of a device begin at TC.  Returns an enum link_kind, or -EAFNOSUPPORT for devices
 * whose link header we cannot skip. */
static int link_kind_of(unsigned type)
{
    switch (type) {
    case ARPHRD_ETHER:
    case ARPHRD_LOOPBACK:
        return LINK_ETHERNET;
    case ARPHRD_NONE:           /* tun, WireGuard */
    case ARPHRD_PPP:
    case ARPHRD_RAWIP:
    case ARPHRD_TUNNEL:
    case ARPHRD_TUNNEL6:
    case ARPHRD_SIT:
    case ARPHRD_IPGRE:
    case ARPHRD_IP6GRE:
        return LINK_BARE_IP;
    default:
        return -EAFNOSUPPORT;
    }
}

bool tc_attachment_can_watch(unsigned link_type)
{
    return link_kind_of(link_type) >= 0;
}

static struct tc_hook hook_of(const tc_attachment_t *self, const struct interface_state *state,
                              int direction)
{
    return (struct tc_hook) { .pin_path = self->network->pin_path, .ifindex = state->ifindex,
                              .direction = (enum packet_direction) direction,
                              .clsact_only = self->network->clsact_only };
}

/* The program for one direction of the interface, whose type we know. */
static int program_of(const tc_attachment_t *self, const struct interface_state *state,
                      int direction)
{
    enum link_kind link = (enum link_kind) link_kind_of(self->types[state - self->interfaces]);

    return kernel_source_program_fd(self->source, (enum packet_direction) direction, link);
}

static bool is_attached(const tc_attachment_t *self, const struct interface_state *state)
{
    for (int direction = 0; direction < PACKET_DIRECTIONS; direction++) {
        struct tc_hook hook = hook_of(self, state, direction);
        if (!tc_hook_is_attached(&hook, program_of(self, state, direction)))
            return false;
    }
    return true;
}

static int attach(tc_attachment_t *self, struct interface_state *state)
{
    int rc = link_kind_of(self->types[state - self->interfaces]);

    for (int direction = 0; rc >= 0 && direction < PACKET_DIRECTIONS; direction++) {
        struct tc_hook hook = hook_of(self, state, direction);
        rc = tc_hook_attach(&hook, program_of(self, state, direction),
                            &self->made_clsact[state - self->interfaces]);
    }
    return rc < 0 ? rc : 0;
}

static void attach_and_tell(tc_attachment_t *self, struct interface_state *state)
{
    int rc = attach(self, state);

    if (rc == 0) {
        state->attached = true;
        state->error[0] = '\0';
        log_info("watching %s", state->name);
        return;
    }
    state->attached = false;
    const char *hint = rc == -EPERM ? "; this needs CAP_NET_ADMIN"
        : rc == -ENOENT || rc == -EOPNOTSUPP ? "; are the modules sch_ingress and cls_bpf there?"
        : rc == -EAFNOSUPPORT ? "; neither Ethernet nor a device of bare IP packets"
        : rc == -EINVAL ? "; another kind of TC filter has our priority 10" : "";
    snprintf(state->error, sizeof state->error, "%s", strerror(-rc));
    log_error("cannot attach to %s: %s%s", state->name, strerror(-rc), hint);
}

static void on_link(const char *name, uint32_t ifindex, unsigned type, void *arg)
{
    tc_attachment_t *self = arg;

    for (uint32_t i = 0; i < self->interface_count; i++) {      /* renamed */
        struct interface_state *known = &self->interfaces[i];
        if (known->ifindex == ifindex && strcmp(known->name, name) != 0) {
            log_info("%s is now called %s", known->name, name);
            snprintf(known->name, sizeof known->name, "%s", name);
            return;
        }
    }
    struct interface_state *state = find_name(self, name);
    if (state && state->ifindex == ifindex && state->attached)
        return;
    if (!is_wanted(self, name))
        return;
    state = take_name(self, name);
    if (!state) {
        log_error("cannot watch %s: %d interfaces are watched already", name,
                  STATUS_MAX_INTERFACES);
        return;
    }
    if (state->ifindex != ifindex) {
        state->ifindex = ifindex;
        state->attached = false;
        self->made_clsact[state - self->interfaces] = false;
    }
    self->types[state - self->interfaces] = type;
    attach_and_tell(self, state);
}

static void on_link_gone(uint32_t ifindex, void *arg)
{
    tc_attachment_t *self = arg;

    for (uint32_t i = 0; i < self->interface_count; i++) {
        struct interface_state *state = &self->interfaces[i];
        if (state->ifindex != ifindex || ifindex == 0)
            continue;
        log_warning("%s has vanished; it will be watched again when it returns", state->name);
        state->ifindex = 0;
        state->attached = false;
        state->error[0] = '\0';
    }
}

/* Somebody removed our program: put it back, a blocked address stays blocked. */
static void restore(tc_attachment_t *self, struct interface_state *state)
{
    if (!state->attached || is_attached(self, state))
        return;
    log_warning("somebody removed our TC program from %s: putting it back", state->name);
    attach_and_tell(self, state);
}

static void on_filter_gone(uint32_t ifindex, void *arg)
{
    tc_attachment_t *self = arg;

    for (uint32_t i = 0; i < self->interface_count; i++)
        if (self->interfaces[i].ifindex == ifindex)
            restore(self, &self->interfaces[i]);
}

void tc_attachment_check(tc_attachment_t *self)
{
    for (uint32_t i = 0; i < self->interface_count; i++)
        restore(self, &self->interfaces[i]);
}

int tc_attachment_open(tc_attachment_t **ret_self, const struct config_network *network,
                       const kernel_source_t *source)
{
    assert(ret_self && network && source);

    tc_attachment_t *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    self->network = network;
    self->source = source;
    struct link_events events = { on_link, on_link_gone, on_filter_gone, self };
    int rc = link_monitor_open(&self->monitor, &events, network->interfaces.size == 0);
    if (rc != 0) {
        tc_attachment_destroy(&self);
        return rc;
    }
    *ret_self = self;
    return 0;
}

uint32_t tc_attachment_attach(tc_attachment_t *self)
{
    uint32_t attached = 0;

    tc_hook_remove_stale(self->network->pin_path);
    link_monitor_list(self->monitor);
    for (uint32_t i = 0; i < self->network->interfaces.size; i++) {
        const char *name = self->network->interfaces.items[i];
        if (!is_glob(name) && !find_name(self, name) && take_name(self, name))
            log_warning("there is no interface \"%s\"; it will be watched when it appears", name);
    }
    for (uint32_t i = 0; i < self->interface_count; i++)
        attached += self->interfaces[i].attached;
    if (attached == 0 && self->network->interfaces.size == 0)
        log_warning("there is no default route; its interface will be watched when it appears");
    return attached;
}

int tc_attachment_fd(const tc_attachment_t *self)
{
    return link_monitor_fd(self->monitor);
}

void tc_attachment_on_links(tc_attachment_t *self)
{
    link_monitor_on_readable(self->monitor);
}

uint32_t tc_attachment_states(const tc_attachment_t *self, struct interface_state *states)
{
    memcpy(states, self->interfaces, self->interface_count * sizeof *states);
    return self->interface_count;
}

static void detach(tc_attachment_t *self, struct interface_state *state)
{
    for (int direction = 0; direction < PACKET_DIRECTIONS; direction++) {
        struct tc_hook hook = hook_of(self, state, direction);
        int rc = tc_hook_detach(&hook);
        if (rc != 0)
            log_warning("cannot detach from %s: %s", state->name, strerror(-rc));
    }
    state->attached = false;
    if (self->made_clsact[state - self->interfaces]
        && !link_monitor_has_filters(self->monitor, state->ifindex)) {
        DECLARE_LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int) state->ifindex,
                            .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
        bpf_tc_hook_destroy(&hook);
    }
}

void tc_attachment_detach(tc_attachment_t *self)
{
    for (uint32_t i = 0; i < self->interface_count; i++)
        if (self->interfaces[i].attached)
            detach(self, &self->interfaces[i]);
}

void tc_attachment_destroy(tc_attachment_t **self_p)
{
    assert(self_p);

    if (!*self_p)
        return;
    link_monitor_destroy(&(*self_p)->monitor);
    free(*self_p);
    *self_p = NULL;
}
