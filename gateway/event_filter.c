#include "event_filter.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "packet_words.h"

static int parse_prefix(struct event_filter *filter, const char *text, char why[QUERY_WHY_SIZE])
{
    char sentence[QUERY_WHY_SIZE - 8];

    if (ip_prefix_parse(text, &filter->prefix, sentence, sizeof sentence) < 0) {
        snprintf(why, QUERY_WHY_SIZE, "ip: %s", sentence);
        return -EINVAL;
    }
    filter->has_prefix = true;
    return 0;
}

int event_filter_parse(struct event_filter *ret_filter, const struct query_params *params,
                       char why[QUERY_WHY_SIZE])
{
    struct event_filter filter = { 0 };
    const char *ip = query_params_get(params, "ip");
    uint32_t port;
    int group, action, direction;

    if ((ip && parse_prefix(&filter, ip, why) < 0)
        || query_params_ascii(params, "collector", filter.collector, sizeof filter.collector, why)
               < 0
        || query_params_number(params, "port", 1, 65535, 0, &port, why) < 0
        || query_params_word(params, "proto", PACKET_GROUP_WORDS, PACKET_GROUPS, &group, why) < 0
        || query_params_word(params, "action", PACKET_ACTION_WORDS, PACKET_ACTIONS, &action, why)
               < 0
        || query_params_word(params, "direction", PACKET_DIRECTION_WORDS, PACKET_DIRECTIONS,
                             &direction, why)
               < 0)
        return -EINVAL;
    filter.port = (uint16_t) port;
    filter.group = (uint8_t) (1 + group);
    filter.action = (uint8_t) (1 + action);
    filter.direction = (uint8_t) (1 + direction);
    *ret_filter = filter;
    return 0;
}

bool event_filter_wants(const struct event_filter *self, const char *collector)
{
    return self->collector[0] == '\0' || strcmp(self->collector, collector) == 0;
}

bool event_filter_matches(const struct event_filter *self, const struct packet_record *record)
{
    return (self->action == 0 || self->action == 1 + record->action)
           && (self->direction == 0 || self->direction == 1 + record->direction)
           && (self->group == 0 || self->group == 1 + packet_group_of(record->protocol))
           && (self->port == 0 || self->port == record->src_port || self->port == record->dst_port)
           && (!self->has_prefix || ip_prefix_contains(&self->prefix, record->src_addr)
               || ip_prefix_contains(&self->prefix, record->dst_addr));
}

bool event_filter_equal(const struct event_filter *a, const struct event_filter *b)
{
    return a->has_prefix == b->has_prefix && a->port == b->port && a->group == b->group
           && a->action == b->action && a->direction == b->direction
           && strcmp(a->collector, b->collector) == 0
           && (!a->has_prefix || ip_prefix_compare(&a->prefix, &b->prefix) == 0);
}
