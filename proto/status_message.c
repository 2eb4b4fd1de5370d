#include "status_message.h"

#include <assert.h>
#include <string.h>

#include "wire_message.h"

void loss_messages_fill(struct loss_messages *self, const struct loss *losses, uint32_t count)
{
    assert(count <= STATUS_MAX_LOSSES);

    for (uint32_t i = 0; i < count; i++) {
        self->messages[i] = (Ntc__Loss) NTC__LOSS__INIT;
        self->messages[i].stage = (char *) losses[i].stage;
        self->messages[i].records = losses[i].records;
        self->messages[i].packets = losses[i].packets;
        self->messages[i].bytes = losses[i].bytes;
        self->list[i] = &self->messages[i];
    }
}

void cost_message_fill(Ntc__ProcessCost *self, const struct process_cost *cost)
{
    *self = (Ntc__ProcessCost) NTC__PROCESS_COST__INIT;
    self->cpu_seconds = cost->cpu_seconds;
    self->resident_bytes = cost->resident_bytes;
    self->open_fds = cost->open_fds;
}

static void fill_interfaces(struct status_message *self, const struct collector_status *status)
{
    assert(status->interface_count <= STATUS_MAX_INTERFACES);

    for (uint32_t i = 0; i < status->interface_count; i++) {
        const struct interface_state *state = &status->interfaces[i];
        Ntc__Interface *message = &self->interfaces[i];
        *message = (Ntc__Interface) NTC__INTERFACE__INIT;
        message->name = (char *) state->name;
        message->ifindex = state->ifindex;
        message->attached = state->attached;
        message->error = (char *) state->error;
        self->interface_list[i] = message;
    }
}

static void fill_list_state(Ntc__ListState *message, const struct list_state *state)
{
    *message = (Ntc__ListState) NTC__LIST_STATE__INIT;
    message->hosts = state->hosts;
    message->prefixes = state->prefixes;
}

void status_message_fill(struct status_message *self, const struct collector_status *status)
{
    Ntc__CollectorStatus *message = &self->message;

    *message = (Ntc__CollectorStatus) NTC__COLLECTOR_STATUS__INIT;
    message->collector_id = (char *) status->collector_id;
    message->boot_id = status->boot_id;
    message->version = (char *) status->version;
    message->source = (char *) status->source;
    message->next_seq = status->next_seq;
    message->clock_ns = status->clock_ns;
    message->wall_offset_ns = status->wall_offset_ns;
    message->started_ns = status->started_ns;
    message->n_packets = message->n_bytes = STATUS_COUNTERS;
    message->packets = (uint64_t *) status->packets;
    message->bytes = (uint64_t *) status->bytes;
    message->not_ip_packets = status->not_ip_packets;
    message->not_ip_bytes = status->not_ip_bytes;
    message->unparsed_packets = status->unparsed_packets;
    message->unparsed_bytes = status->unparsed_bytes;
    message->due_low = status->due_low;
    message->due_high = status->due_high;
    message->published_packets = status->published_packets;
    message->published_bytes = status->published_bytes;
    message->list_version = status->list_version;

    loss_messages_fill(&self->losses, status->losses, status->loss_count);
    message->n_losses = status->loss_count;
    message->losses = self->losses.list;
    fill_interfaces(self, status);
    message->n_interfaces = status->interface_count;
    message->interfaces = self->interface_list;
    fill_list_state(&self->blacklist, &status->blacklist);
    fill_list_state(&self->whitelist, &status->whitelist);
    cost_message_fill(&self->cost, &status->cost);
    message->blacklist = &self->blacklist;
    message->whitelist = &self->whitelist;
    message->cost = &self->cost;
}

bool loss_messages_read(Ntc__Loss *const *list, size_t count, struct loss *ret_losses,
                        uint32_t *ret_count)
{
    if (count > STATUS_MAX_LOSSES)
        return false;
    for (size_t i = 0; i < count; i++) {
        struct loss *loss = &ret_losses[i];
        if (!wire_message_ascii(loss->stage, sizeof loss->stage, list[i]->stage)
            || loss->stage[0] == '\0')
            return false;
        loss->records = list[i]->records;
        loss->packets = list[i]->packets;
        loss->bytes = list[i]->bytes;
    }
    *ret_count = (uint32_t) count;
    return true;
}

bool cost_message_read(const Ntc__ProcessCost *message, struct process_cost *ret_cost)
{
    memset(ret_cost, 0, sizeof *ret_cost);
    if (!message)
        return true;
    ret_cost->cpu_seconds = message->cpu_seconds;
    ret_cost->resident_bytes = message->resident_bytes;
    ret_cost->open_fds = message->open_fds;
    return wire_message_is_amount(message->cpu_seconds);
}

static bool read_interfaces(const Ntc__CollectorStatus *message, struct collector_status *status)
{
    if (message->n_interfaces > STATUS_MAX_INTERFACES)
        return false;
    for (size_t i = 0; i < message->n_interfaces; i++) {
        const Ntc__Interface *from = message->interfaces[i];
        struct interface_state *state = &status->interfaces[i];
        if (!wire_message_utf8(state->name, sizeof state->name, from->name)
            || !wire_message_utf8(state->error, sizeof state->error, from->error)
            || state->name[0] == '\0')
            return false;
        state->ifindex = from->ifindex;
        state->attached = from->attached;
    }
    status->interface_count = (uint32_t) message->n_interfaces;
    return true;
}

static bool read_texts(const Ntc__CollectorStatus *message, struct collector_status *status)
{
    return wire_message_ascii(status->collector_id, sizeof status->collector_id,
                              message->collector_id)
        && status->collector_id[0] != '\0'
        && wire_message_ascii(status->version, sizeof status->version, message->version)
        && wire_message_ascii(status->source, sizeof status->source, message->source);
}

static void read_list_state(const Ntc__ListState *message, struct list_state *state)
{
    state->hosts = message ? message->hosts : 0;
    state->prefixes = message ? message->prefixes : 0;
}

bool status_message_read(const Ntc__CollectorStatus *message, struct collector_status *ret_status)
{
    if (message->n_packets != STATUS_COUNTERS || message->n_bytes != STATUS_COUNTERS)
        return false;
    memcpy(ret_status->packets, message->packets, sizeof ret_status->packets);
    memcpy(ret_status->bytes, message->bytes, sizeof ret_status->bytes);
    ret_status->boot_id = message->boot_id;
    ret_status->next_seq = message->next_seq;
    ret_status->clock_ns = message->clock_ns;
    ret_status->wall_offset_ns = message->wall_offset_ns;
    ret_status->started_ns = message->started_ns;
    ret_status->not_ip_packets = message->not_ip_packets;
    ret_status->not_ip_bytes = message->not_ip_bytes;
    ret_status->unparsed_packets = message->unparsed_packets;
    ret_status->unparsed_bytes = message->unparsed_bytes;
    ret_status->due_low = message->due_low;
    ret_status->due_high = message->due_high;
    ret_status->published_packets = message->published_packets;
    ret_status->published_bytes = message->published_bytes;
    ret_status->list_version = message->list_version;
    read_list_state(message->blacklist, &ret_status->blacklist);
    read_list_state(message->whitelist, &ret_status->whitelist);
    return ret_status->next_seq >= 1 && read_texts(message, ret_status)
        && read_interfaces(message, ret_status)
        && loss_messages_read(message->losses, message->n_losses, ret_status->losses,
                              &ret_status->loss_count)
        && cost_message_read(message->cost, &ret_status->cost);
}
