#include "api_events.h"

#include <civetweb.h>
#include <string.h>

#include "clock.h"
#include "http_server.h"

/* Without an aggregator nobody here knows the collectors: then any may be asked for. */
static bool is_known(struct gateway *gateway, const char *collector)
{
    struct latest_view view = latest_take(gateway->latest, clock_monotonic_ns());
    bool is_known = view.state == PEER_AWAY;

    for (uint32_t i = 0; i < view.snapshot->collector_count && !is_known; i++)
        is_known = strcmp(view.snapshot->collectors[i].status.collector_id, collector) == 0;
    latest_release(&view);
    return is_known;
}

int api_events_get(struct http_exchange *exchange, int unused)
{
    static const char *const KNOWN[] = { EVENT_FILTER_PARAMS, NULL };
    struct query_params params;
    struct event_filter filter;
    char why[QUERY_WHY_SIZE];

    (void) unused;
    if (query_params_parse(&params, exchange->info->query_string, KNOWN, why) < 0
        || event_filter_parse(&filter, &params, why) < 0)
        return http_reply_error(exchange, 400, NULL, "%s", why);
    if (filter.collector[0] != '\0' && !is_known(exchange->gateway, filter.collector))
        return http_reply_error(exchange, 404, NULL, "collector: there is no \"%s\"",
                                filter.collector);
    return http_server_stream(exchange, &filter);
}
