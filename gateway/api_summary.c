#include "api_summary.h"

#include <civetweb.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "clock.h"
#include "collector_health.h"
#include "collector_totals.h"
#include "http_server.h"
#include "metrics_page.h"
#include "packet_words.h"
#include "query_params.h"
#include "row_json.h"
#include "table_client.h"

static void write_rates(struct json_writer *json, const char *key, double packets, double bytes)
{
    json_put_object(json, key);
    json_put_number(json, "packets_per_second", packets, 3);
    json_put_number(json, "bytes_per_second", bytes, 3);
    json_put_object_end(json);
}

static void write_totals(struct json_writer *json, const struct collector_totals *totals)
{
    json_put_array(json, "totals");
    for (unsigned i = 0; i < STATUS_COUNTERS; i++) {
        if (totals->packets[i] == 0)
            continue;
        json_put_object(json, NULL);
        json_put_string(json, "proto", PACKET_GROUP_WORDS[i / PACKET_ACTIONS / PACKET_DIRECTIONS]);
        json_put_string(json, "direction",
                    PACKET_DIRECTION_WORDS[i / PACKET_ACTIONS % PACKET_DIRECTIONS]);
        json_put_string(json, "action", PACKET_ACTION_WORDS[i % PACKET_ACTIONS]);
        json_put_unsigned(json, "packets", totals->packets[i]);
        json_put_unsigned(json, "bytes", totals->bytes[i]);
        json_put_object_end(json);
    }
    json_put_array_end(json);
}

static void write_ledger(struct json_writer *json, const struct collector_totals *totals)
{
    json_put_object(json, "ledger");
    json_put_unsigned(json, "counted_packets", totals->counted_packets);
    json_put_unsigned(json, "without_record_packets", totals->without_record_packets);
    json_put_unsigned(json, "accounted_packets", totals->accounted_packets);
    json_put_unsigned(json, "in_flight_packets", totals->in_flight_packets);
    json_put_signed(json, "difference_packets", totals->difference_packets);
    json_put_array(json, "lost");
    for (uint32_t i = 0; i < totals->loss_count; i++) {
        json_put_object(json, NULL);
        json_put_string(json, "stage", totals->losses[i].stage);
        json_put_unsigned(json, "packets", totals->losses[i].packets);
        json_put_unsigned(json, "bytes", totals->losses[i].bytes);
        json_put_unsigned(json, "records", totals->losses[i].records);
        json_put_object_end(json);
    }
    json_put_array_end(json);
    json_put_object_end(json);
}

static void write_top_rows(struct json_writer *json, const char *key, const struct top_rows *top)
{
    json_put_array(json, key);
    for (uint32_t i = 0; i < top->size; i++)
        row_json_address(json, &top->rows[i]);
    json_put_array_end(json);
}

static void write_tops(struct json_writer *json, const struct snapshot *snapshot)
{
    json_put_object(json, "top");
    write_top_rows(json, "packets", &snapshot->top_packets);
    write_top_rows(json, "bytes", &snapshot->top_bytes);
    write_top_rows(json, "ports", &snapshot->top_ports);
    write_top_rows(json, "syn", &snapshot->top_syn);
    write_top_rows(json, "ack", &snapshot->top_ack);
    json_put_object_end(json);
    json_put_array(json, "top_flows");
    for (uint32_t i = 0; i < snapshot->top_flow_count; i++)
        row_json_flow(json, &snapshot->top_flows[i], snapshot);
    json_put_array_end(json);
}

static void write_tables(struct json_writer *json, const struct snapshot *snapshot)
{
    json_put_array(json, "tables");
    for (uint32_t i = 0; i < snapshot->table_count; i++) {
        json_put_object(json, NULL);
        json_put_string(json, "name", snapshot->tables[i].name);
        json_put_unsigned(json, "size", snapshot->tables[i].size);
        json_put_unsigned(json, "capacity", snapshot->tables[i].capacity);
        json_put_unsigned(json, "evicted", snapshot->tables[i].evicted);
        json_put_unsigned(json, "refused", snapshot->tables[i].refused);
        json_put_object_end(json);
    }
    json_put_array_end(json);
}

static void write_unheard(struct json_writer *json, const struct snapshot *snapshot)
{
    json_put_array(json, "unheard");
    for (uint32_t i = 0; i < snapshot->unheard_count; i++) {
        json_put_object(json, NULL);
        json_put_string(json, "endpoint", snapshot->unheard[i].endpoint);
        json_put_string(json, "problem", snapshot->unheard[i].problem);
        json_put_object_end(json);
    }
    json_put_array_end(json);
}

static void write_list(struct json_writer *json, const char *key, const struct list_state *list)
{
    json_put_object(json, key);
    json_put_unsigned(json, "hosts", list->hosts);
    json_put_unsigned(json, "prefixes", list->prefixes);
    json_put_object_end(json);
}

static void write_interfaces(struct json_writer *json, const struct collector_status *status)
{
    json_put_array(json, "interfaces");
    for (uint32_t i = 0; i < status->interface_count; i++) {
        json_put_object(json, NULL);
        json_put_string(json, "name", status->interfaces[i].name);
        json_put_unsigned(json, "ifindex", status->interfaces[i].ifindex);
        json_put_bool(json, "attached", status->interfaces[i].attached);
        json_put_string(json, "error", status->interfaces[i].error);
        json_put_object_end(json);
    }
    json_put_array_end(json);
}

/* What a collector does beside others: with one it stands at the top already. */
static void write_share(struct json_writer *json, const struct collector_state *collector)
{
    struct collector_totals totals = { 0 };

    collector_totals_add(&totals, collector);
    write_rates(json, "now", collector->packets_per_second_now, collector->bytes_per_second_now);
    write_rates(json, "minute", collector->packets_per_second, collector->bytes_per_second);
    json_put_unsigned(json, "active_ips", collector->active_ips);
    json_put_unsigned(json, "active_flows", collector->active_flows);
    write_ledger(json, &totals);
}

/* `age_s` is that of the snapshot: the aggregator's own figure stands still with it. */
static void write_collector(struct json_writer *json, const struct collector_state *collector,
                            double age_s, bool has_others)
{
    const struct collector_status *status = &collector->status;
    uint64_t up_ns
        = status->clock_ns > status->started_ns ? status->clock_ns - status->started_ns : 0;
    char boot_id[20];

    snprintf(boot_id, sizeof boot_id, "%016" PRIx64, status->boot_id);
    json_put_object(json, NULL);
    json_put_string(json, "id", status->collector_id);
    json_put_string(json, "boot_id", boot_id);
    json_put_string(json, "version", status->version);
    json_put_string(json, "source", status->source);
    json_put_string(json, "state", collector->away ? "away" : "live");
    collector_health_write(json, "notes", collector_health_notes(collector, age_s));
    json_put_number(json, "age_s", collector->age_s + age_s, 3);
    json_put_number(json, "idle_s", collector->idle_s + age_s, 3);
    json_put_number(json, "clock_error_s", (double) collector->clock_error_ns / NS_PER_S, 3);
    json_put_unsigned(json, "restarts", collector->restarts);
    json_put_unsigned(json, "returns", collector->returns);
    json_put_number(json, "uptime_s", (double) (up_ns / NS_PER_S), 0);
    write_interfaces(json, status);
    write_list(json, "blacklist", &status->blacklist);
    write_list(json, "whitelist", &status->whitelist);
    json_put_unsigned(json, "list_version", status->list_version);
    row_json_process(json, "process", &status->cost);
    if (has_others)
        write_share(json, collector);
    json_put_object_end(json);
}

static void write_connections(struct json_writer *json, struct http_front_counters counters)
{
    json_put_object(json, "connections");
    json_put_unsigned(json, "accepted", counters.accepted);
    json_put_unsigned(json, "refused", counters.refused);
    json_put_unsigned(json, "timed_out", counters.timed_out);
    json_put_unsigned(json, "evicted", counters.evicted);
    json_put_unsigned(json, "malformed", counters.malformed);
    json_put_object_end(json);
}

static void write_processes(struct json_writer *json, struct gateway *gateway,
                            const struct latest_view *view)
{
    struct process_cost own = process_cost_read();
    const struct snapshot *snapshot = view->snapshot;

    json_put_array(json, "collectors");
    for (uint32_t i = 0; i < snapshot->collector_count; i++)
        write_collector(json, &snapshot->collectors[i], view->age_s,
                        snapshot->collector_count > 1);
    json_put_array_end(json);
    write_unheard(json, view->snapshot);

    json_put_object(json, "aggregator");
    json_put_string(json, "state", PEER_STATE_WORDS[view->state]);
    json_put_number(json, "age_s", view->age_s, 3);
    json_put_string(json, "version", snapshot->version);
    row_json_process(json, "process", &snapshot->cost);
    json_put_object_end(json);

    json_put_object(json, "gateway");
    json_put_string(json, "version", NTC_VERSION);
    json_put_unsigned(json, "sse_clients", sse_clients_count(gateway->sse));
    json_put_unsigned(json, "sse_capacity", sse_clients_capacity(gateway->sse));
    write_connections(json, http_server_counters(gateway->server));
    row_json_process(json, "process", &own);
    json_put_object_end(json);
}

/* Write the summary of `shown`, a snapshot of all collectors or of one, without the time; the
 * processes and tables are those of `view`.  `collector` is the one asked for, "" = all. */
static void write_shown(struct text_buffer *text, struct gateway *gateway,
                        const struct snapshot *shown, const struct latest_view *view,
                        const char *collector)
{
    struct json_writer json = json_writer_of(text);
    struct collector_totals totals = { 0 };
    uint64_t up_ns = clock_monotonic_ns() - gateway->started_ns;

    for (uint32_t i = 0; i < shown->collector_count; i++)
        collector_totals_add(&totals, &shown->collectors[i]);
    json_put_object(&json, NULL);
    json_put_string(&json, "version", NTC_VERSION);
    json_put_number(&json, "uptime_s", (double) (up_ns / NS_PER_S), 0);
    json_put_string(&json, "timezone", gateway->timezone);
    if (collector[0] != '\0')
        json_put_string(&json, "collector", collector);
    write_rates(&json, "now", shown->packets_per_second_now, shown->bytes_per_second_now);
    write_rates(&json, "minute", shown->packets_per_second, shown->bytes_per_second);
    json_put_unsigned(&json, "active_ips", shown->active_ips);
    json_put_unsigned(&json, "active_flows", shown->active_flows);
    write_totals(&json, &totals);
    write_ledger(&json, &totals);
    write_tops(&json, shown);
    write_tables(&json, view->snapshot);
    write_processes(&json, gateway, view);
    json_put_object_end(&json);
}

static void write_all(struct text_buffer *text, const struct latest_view *view, void *arg)
{
    write_shown(text, arg, view->snapshot, view, "");
}

/* What both pages show of the gateway itself. */
static struct page_stamp stamp_of(const struct gateway *gateway)
{
    return (struct page_stamp) {
        { sse_clients_count(gateway->sse), sse_clients_missed(gateway->sse) },
    };
}

/* Answer with the time of the answer, and then the members of `object`. */
static int reply_summary(struct http_exchange *exchange, const struct text_buffer *object)
{
    struct text_buffer text = text_buffer_of(SUMMARY_MAX + 64);
    struct json_writer json = json_writer_of(&text);

    json_put_object(&json, NULL);
    json_put_time(&json, "time", clock_wall_ns());
    text_buffer_puts(&text, ",");
    if (object && !object->failed)
        text_buffer_append(&text, object->data + 1, object->size - 1);
    else
        text.failed = true;
    return http_reply_json(exchange, 200, &text);
}

static int reply_all(struct http_exchange *exchange)
{
    struct gateway *gateway = exchange->gateway;
    struct cached_page page = page_cache_take(gateway->summary_page, gateway->latest,
                                              clock_monotonic_ns(), stamp_of(gateway), write_all,
                                              gateway);
    int status = reply_summary(exchange, page.text);

    page_cache_release(&page);
    return status;
}

/* The aggregator makes the summary of one collector when it is asked for. */
static int reply_one(struct http_exchange *exchange, struct table_query *query)
{
    struct text_buffer text = text_buffer_of(SUMMARY_MAX);
    struct table_page page = { 0 };
    int status = table_client_fetch(exchange, query, &page);

    if (status != 200)
        return status;
    struct latest_view view = latest_take(exchange->gateway->latest, clock_monotonic_ns());
    write_shown(&text, exchange->gateway, page.summary ? page.summary : view.snapshot, &view,
                query->collector_id);
    latest_release(&view);
    table_page_clear(&page);
    status = reply_summary(exchange, &text);
    text_buffer_free(&text);
    return status;
}

int api_summary_get(struct http_exchange *exchange, int unused)
{
    static const char *const KNOWN[] = { "collector", NULL };
    struct table_query query = { .table = QUERY_SUMMARY, .limit = 1 };
    struct query_params params;
    char why[QUERY_WHY_SIZE];

    (void) unused;
    if (query_params_parse(&params, exchange->info->query_string, KNOWN, why) < 0
        || query_params_ascii(&params, "collector", query.collector_id,
                              sizeof query.collector_id, why) < 0)
        return http_reply_error(exchange, 400, NULL, "%s", why);
    return query.collector_id[0] != '\0' ? reply_one(exchange, &query) : reply_all(exchange);
}

static void write_metrics(struct text_buffer *text, const struct latest_view *view, void *arg)
{
    const struct gateway *gateway = arg;
    struct metrics_input input = {
        .view = *view,
        .cost = process_cost_read(),
        .sse_clients = sse_clients_count(gateway->sse),
        .sse_missed = sse_clients_missed(gateway->sse),
        .connections = http_server_counters(gateway->server),
    };

    metrics_page_write(text, &input);
}

int api_summary_metrics(struct http_exchange *exchange, int unused)
{
    struct gateway *gateway = exchange->gateway;
    struct cached_page page = page_cache_take(gateway->metrics_page, gateway->latest,
                                              clock_monotonic_ns(), stamp_of(gateway),
                                              write_metrics, gateway);

    (void) unused;
    if (!page.text || page.text->failed)
        http_reply_error(exchange, 500, NULL, "the answer is too large");
    else
        http_reply(exchange, 200, METRICS_TYPE, NULL, page.text->data, page.text->size);
    page_cache_release(&page);
    return 200;
}
