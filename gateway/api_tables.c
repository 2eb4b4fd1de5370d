#include "api_tables.h"

#include <civetweb.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "event_filter.h"
#include "row_json.h"
#include "table_client.h"

enum {
    DEFAULT_LIMIT = 100,
    PAGE_TEXT_MAX = 8 * 1024 * 1024,    /* 1000 addresses with their seconds take up to 2 MiB */
};

/* Names that ?sort= takes, and what the aggregator calls them. */
struct sort_name {
    const char *name;
    const char *column;
};

static const struct sort_name FLOW_SORTS[] = {
    { "bytes", "bytes" }, { "packets", "packets" }, { "first", "first" }, { "last", "last" },
    { "src", "src" }, { "dst", "dst" }, { "port", "port" }, { "duration", "duration" },
};

static const struct sort_name ADDRESS_SORTS[] = {
    { "packets_per_second", "packets_per_second" }, { "bytes_per_second", "bytes_per_second" },
    { "unique_dst_ports", "unique_dst_ports" }, { "syn_count", "syn" }, { "ack_count", "ack" },
    { "last", "last" }, { "ip", "ip" },
};

#define COUNT(array) ((int) (sizeof(array) / sizeof((array)[0])))

static int parse_sort(struct table_query *query, const struct query_params *params,
                      const struct sort_name *sorts, int count, char why[QUERY_WHY_SIZE])
{
    static const char *const ORDERS[] = { "asc", "desc" };
    const char *names[8];
    int chosen, order;

    for (int i = 0; i < count; i++)
        names[i] = sorts[i].name;
    if (query_params_word(params, "sort", names, count, &chosen, why) < 0
        || query_params_word(params, "order", ORDERS, 2, &order, why) < 0)
        return -EINVAL;
    snprintf(query->sort, sizeof query->sort, "%s", sorts[chosen < 0 ? 0 : chosen].column);
    query->ascending = order == 0;
    return 0;
}

static int parse_page(struct table_query *query, const struct query_params *params,
                      char why[QUERY_WHY_SIZE])
{
    if (query_params_number(params, "limit", 1, QUERY_MAX_LIMIT, DEFAULT_LIMIT, &query->limit, why)
            < 0
        || query_params_number(params, "offset", 0, QUERY_MAX_DEPTH - 1, 0, &query->offset, why)
               < 0)
        return -EINVAL;
    if (query->offset + query->limit > QUERY_MAX_DEPTH) {
        snprintf(why, QUERY_WHY_SIZE, "offset: %u and limit: %u reach deeper than %d: filter more",
                 query->offset, query->limit, QUERY_MAX_DEPTH);
        return -EINVAL;
    }
    return 0;
}

static void take_filter(struct table_query *query, const struct event_filter *filter)
{
    query->has_addr = filter->has_prefix;
    memcpy(query->addr, filter->prefix.addr.bytes, 16);
    query->addr_bits = filter->prefix.bits;
    query->port = filter->port;
    query->group = filter->group;
    query->action = filter->action;
    query->direction = filter->direction;
    strcpy(query->collector_id, filter->collector);
}

static void begin_page(struct json_writer *json, const struct table_page *page)
{
    json_put_object(json, NULL);
    json_put_unsigned(json, "total", page->total);
    json_put_time(json, "unix_time", page->unix_ns);
}

int api_tables_flows(struct http_exchange *exchange, int unused)
{
    static const char *const KNOWN[]
        = { "limit", "offset", "sort", "order", EVENT_FILTER_PARAMS, NULL };
    struct table_query query = { .table = QUERY_FLOWS };
    struct query_params params;
    struct event_filter filter;
    struct table_page page;
    char why[QUERY_WHY_SIZE];

    (void) unused;
    if (query_params_parse(&params, exchange->info->query_string, KNOWN, why) < 0
        || parse_page(&query, &params, why) < 0
        || parse_sort(&query, &params, FLOW_SORTS, COUNT(FLOW_SORTS), why) < 0
        || event_filter_parse(&filter, &params, why) < 0)
        return http_reply_error(exchange, 400, NULL, "%s", why);
    take_filter(&query, &filter);
    int status = table_client_fetch(exchange, &query, &page);
    if (status != 200)
        return status;

    struct text_buffer text = text_buffer_of(PAGE_TEXT_MAX);
    struct json_writer json = json_writer_of(&text);
    struct latest_view view = latest_take(exchange->gateway->latest, clock_monotonic_ns());
    begin_page(&json, &page);
    json_put_array(&json, "flows");
    for (uint32_t i = 0; i < page.flow_count; i++)
        row_json_flow(&json, &page.flows[i], view.snapshot);
    json_put_array_end(&json);
    json_put_object_end(&json);
    latest_release(&view);
    table_page_clear(&page);
    return http_reply_json(exchange, 200, &text);
}

int api_tables_addresses(struct http_exchange *exchange, int unused)
{
    static const char *const KNOWN[] = { "limit", "offset", "sort", "order", "ip",
                                         "collector", NULL };
    struct table_query query = { .table = QUERY_ADDRESSES };
    struct query_params params;
    struct event_filter filter;
    struct table_page page;
    char why[QUERY_WHY_SIZE];

    (void) unused;
    if (query_params_parse(&params, exchange->info->query_string, KNOWN, why) < 0
        || parse_page(&query, &params, why) < 0
        || parse_sort(&query, &params, ADDRESS_SORTS, COUNT(ADDRESS_SORTS), why) < 0
        || event_filter_parse(&filter, &params, why) < 0)
        return http_reply_error(exchange, 400, NULL, "%s", why);
    take_filter(&query, &filter);
    int status = table_client_fetch(exchange, &query, &page);
    if (status != 200)
        return status;

    struct text_buffer text = text_buffer_of(PAGE_TEXT_MAX);
    struct json_writer json = json_writer_of(&text);
    begin_page(&json, &page);
    json_put_array(&json, "ips");
    for (uint32_t i = 0; i < page.address_count; i++)
        row_json_address(&json, &page.addresses[i]);
    json_put_array_end(&json);
    json_put_object_end(&json);
    table_page_clear(&page);
    return http_reply_json(exchange, 200, &text);
}

static void write_column(struct json_writer *json, const char *key, const uint64_t *values,
                         uint32_t length)
{
    json_put_array(json, key);
    for (uint32_t i = 0; i < length; i++)
        json_put_unsigned(json, NULL, values[i]);
    json_put_array_end(json);
}

int api_tables_history(struct http_exchange *exchange, int unused)
{
    static const char *const KNOWN[] = { "seconds", "collector", NULL };
    struct table_query query = { .table = QUERY_HISTORY, .limit = 1 };
    struct query_params params;
    struct table_page page;
    char why[QUERY_WHY_SIZE];

    (void) unused;
    if (query_params_parse(&params, exchange->info->query_string, KNOWN, why) < 0
        || query_params_ascii(&params, "collector", query.collector_id,
                              sizeof query.collector_id, why) < 0
        || query_params_number(&params, "seconds", 1, HISTORY_MAX_S, HISTORY_MAX_S, &query.seconds,
                               why) < 0)
        return http_reply_error(exchange, 400, NULL, "%s", why);
    int status = table_client_fetch(exchange, &query, &page);
    if (status != 200)
        return status;

    const struct history *history = &page.history;
    struct text_buffer text = text_buffer_of(PAGE_TEXT_MAX);
    struct json_writer json = json_writer_of(&text);
    json_put_object(&json, NULL);
    json_put_unsigned(&json, "end", history->end_unix_s);
    json_put_unsigned(&json, "step", 1);
    json_put_object(&json, "series");
    for (uint32_t i = 0; i < history->series_count; i++) {
        json_put_object(&json, history->series[i].name);
        write_column(&json, "packets", history->series[i].packets, history->length);
        write_column(&json, "bytes", history->series[i].bytes, history->length);
        json_put_object_end(&json);
    }
    json_put_object_end(&json);
    json_put_object_end(&json);
    table_page_clear(&page);
    return http_reply_json(exchange, 200, &text);
}
