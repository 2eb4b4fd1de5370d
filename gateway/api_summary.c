#include "api_summary.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "clock.h"
#include "collector_totals.h"
#include "metrics_page.h"
#include "packet_words.h"
#include "row_json.h"

enum {
    SUMMARY_MAX = 4 * 1024 * 1024,      /* 256 collectors with 64 interfaces each */
    METRICS_MAX = 8 * 1024 * 1024,
};

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

/* `age_s` is that of the snapshot: the aggregator's own figure stands still with it. */
static void write_collector(struct json_writer *json, const struct collector_state *collector,
                            double age_s)
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
    json_put_number(json, "age_s", collector->age_s + age_s, 3);
    json_put_number(json, "uptime_s", (double) (up_ns / NS_PER_S), 0);
    write_interfaces(json, status);
    write_list(json, "blacklist", &status->blacklist);
    write_list(json, "whitelist", &status->whitelist);
    json_put_unsigned(json, "list_version", status->list_version);
    row_json_process(json, "process", &status->cost);
    json_put_object_end(json);
}

static void write_processes(struct json_writer *json, struct gateway *gateway,
                            const struct latest_view *view)
{
    struct process_cost own = process_cost_read();

    json_put_array(json, "collectors");
    for (uint32_t i = 0; i < view->snapshot->collector_count; i++)
        write_collector(json, &view->snapshot->collectors[i], view->age_s);
    json_put_array_end(json);
    write_unheard(json, view->snapshot);

    json_put_object(json, "aggregator");
    json_put_string(json, "state", PEER_STATE_WORDS[view->state]);
    json_put_number(json, "age_s", view->age_s, 3);
    json_put_string(json, "version", view->snapshot->version);
    row_json_process(json, "process", &view->snapshot->cost);
    json_put_object_end(json);

    json_put_object(json, "gateway");
    json_put_string(json, "version", NTC_VERSION);
    json_put_unsigned(json, "sse_clients", sse_clients_count(gateway->sse));
    json_put_unsigned(json, "sse_capacity", sse_clients_capacity(gateway->sse));
    row_json_process(json, "process", &own);
    json_put_object_end(json);
}

int api_summary_get(struct http_exchange *exchange, int unused)
{
    struct gateway *gateway = exchange->gateway;
    uint64_t now_ns = clock_monotonic_ns();
    struct latest_view view = latest_take(gateway->latest, now_ns);
    const struct snapshot *snapshot = view.snapshot;
    struct text_buffer text = text_buffer_of(SUMMARY_MAX);
    struct json_writer json = json_writer_of(&text);
    struct collector_totals totals = { 0 };

    (void) unused;
    for (uint32_t i = 0; i < snapshot->collector_count; i++)
        collector_totals_add(&totals, &snapshot->collectors[i]);
    json_put_object(&json, NULL);
    json_put_time(&json, "time", clock_wall_ns());
    json_put_string(&json, "version", NTC_VERSION);
    json_put_number(&json, "uptime_s", (double) ((now_ns - gateway->started_ns) / NS_PER_S), 0);
    json_put_string(&json, "timezone", gateway->timezone);
    write_rates(&json, "now", snapshot->packets_per_second_now, snapshot->bytes_per_second_now);
    write_rates(&json, "minute", snapshot->packets_per_second, snapshot->bytes_per_second);
    json_put_unsigned(&json, "active_ips", snapshot->active_ips);
    json_put_unsigned(&json, "active_flows", snapshot->active_flows);
    write_totals(&json, &totals);
    write_ledger(&json, &totals);
    write_tops(&json, snapshot);
    write_tables(&json, snapshot);
    write_processes(&json, gateway, &view);
    json_put_object_end(&json);
    latest_release(&view);
    return http_reply_json(exchange, 200, &text);
}

int api_summary_metrics(struct http_exchange *exchange, int unused)
{
    struct gateway *gateway = exchange->gateway;
    struct text_buffer text = text_buffer_of(METRICS_MAX);
    struct metrics_input input = {
        .view = latest_take(gateway->latest, clock_monotonic_ns()),
        .cost = process_cost_read(),
        .sse_clients = sse_clients_count(gateway->sse),
        .sse_missed = sse_clients_missed(gateway->sse),
    };

    (void) unused;
    /* An idle connection is closed after a second without a word.  A scraper comes back later than
     * that, finds it closed and may count the scrape as failed. */
    exchange->must_close = true;
    metrics_page_write(&text, &input);
    latest_release(&input.view);
    if (text.failed)
        http_reply_error(exchange, 500, NULL, "the answer is too large");
    else
        http_reply(exchange, 200, METRICS_TYPE, NULL, text.data, text.size);
    text_buffer_free(&text);
    return 200;
}
