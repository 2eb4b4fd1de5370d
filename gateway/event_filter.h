/* event_filter - which records or flows a client asked for.
 */
#ifndef EVENT_FILTER_H
#define EVENT_FILTER_H

#include <stdbool.h>

#include "ip_addr.h"
#include "packet_batch.h"
#include "query_params.h"

/* A plain value without padding that matters: compare with event_filter_equal(). */
struct event_filter {
    bool has_prefix;
    struct ip_prefix prefix;    /* source or destination */
    uint16_t port;              /* source or destination, 0 = any */
    uint8_t group;              /* 1 + enum packet_group, 0 = any */
    uint8_t action;             /* 1 + enum packet_action, 0 = any */
    uint8_t direction;          /* 1 + enum packet_direction, 0 = any */
    char collector[COLLECTOR_ID_SIZE];  /* "" = any */
};

/* The parameters that event_filter_parse() reads, to be listed among a request's known names. */
#define EVENT_FILTER_PARAMS "ip", "port", "proto", "action", "direction", "collector"

/* Read the filter from the parameters; absent ones match everything.
 * Returns 0, or -EINVAL with a sentence in `why`. */
int event_filter_parse(struct event_filter *ret_filter, const struct query_params *params,
                       char why[QUERY_WHY_SIZE]);

/* Whether records of that collector are wanted at all. */
bool event_filter_wants(const struct event_filter *self, const char *collector);

/* Whether a record of a collector that is wanted matches the rest. */
bool event_filter_matches(const struct event_filter *self, const struct packet_record *record);

bool event_filter_equal(const struct event_filter *a, const struct event_filter *b);

#endif
