#include "api_events.h"

#include <civetweb.h>

#include "http_server.h"

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
    return http_server_stream(exchange, &filter);
}
