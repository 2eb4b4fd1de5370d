#include "api_health.h"

#include "clock.h"
#include "collector_health.h"
#include "list_client.h"

int api_health_alive(struct http_exchange *exchange, int unused)
{
    static const char ANSWER[] = "{\"ok\":true}";

    (void) unused;
    return http_reply(exchange, 200, HTTP_TYPE_JSON, NULL, ANSWER, sizeof ANSWER - 1);
}

/* The aggregator hears the collectors every second; without it, ask them. */
static bool are_collectors_live(struct gateway *gateway, const struct latest_view *view)
{
    if (view->state != PEER_LIVE)
        return list_client_all_live(gateway->peers);
    if (view->snapshot->unheard_count > 0)
        return false;
    for (uint32_t i = 0; i < view->snapshot->collector_count; i++)
        if (view->snapshot->collectors[i].away)
            return false;
    return view->snapshot->collector_count > 0;
}

/* Whether there is more to say than that all are there, or that the only one is not. */
static bool has_news(const struct snapshot *snapshot)
{
    for (uint32_t i = 0; i < snapshot->collector_count; i++)
        if (collector_health_notes(&snapshot->collectors[i], 0) & (COLLECTOR_CLOCK
                                                                  | COLLECTOR_RIVAL))
            return true;
    return snapshot->collector_count > 1;
}

static void write_collectors(struct json_writer *json, const struct latest_view *view)
{
    json_put_array(json, "collectors");
    for (uint32_t i = 0; i < view->snapshot->collector_count; i++) {
        const struct collector_state *state = &view->snapshot->collectors[i];
        json_put_object(json, NULL);
        json_put_string(json, "id", state->status.collector_id);
        json_put_string(json, "state", state->away ? "away" : "live");
        collector_health_write(json, "notes", collector_health_notes(state, view->age_s));
        json_put_object_end(json);
    }
    json_put_array_end(json);
}

static void write_unheard(struct json_writer *json, const struct snapshot *snapshot)
{
    json_put_array(json, "unheard");
    for (uint32_t i = 0; i < snapshot->unheard_count; i++)
        json_put_string(json, NULL, snapshot->unheard[i].endpoint);
    json_put_array_end(json);
}

int api_health_ready(struct http_exchange *exchange, int unused)
{
    struct text_buffer text = text_buffer_of(128 * 1024);
    struct json_writer json = json_writer_of(&text);
    struct latest_view view = latest_take(exchange->gateway->latest, clock_monotonic_ns());
    bool has_aggregator = view.state == PEER_LIVE;
    bool has_collectors = are_collectors_live(exchange->gateway, &view);
    bool is_ready = has_aggregator && has_collectors;
    bool has_several = view.snapshot->collector_count > 1
        || collector_peers_size(exchange->gateway->peers) > 1;

    (void) unused;
    json_put_object(&json, NULL);
    json_put_bool(&json, "ok", is_ready);
    if (!is_ready) {
        json_put_array(&json, "missing");
        if (!has_collectors)
            json_put_string(&json, NULL, "collector");
        if (!has_aggregator)
            json_put_string(&json, NULL, "aggregator");
        json_put_array_end(&json);
    }
    if (has_aggregator && has_news(view.snapshot))
        write_collectors(&json, &view);
    if (has_aggregator && has_several && view.snapshot->unheard_count > 0)
        write_unheard(&json, view.snapshot);
    json_put_object_end(&json);
    latest_release(&view);
    return http_reply_json(exchange, is_ready ? 200 : 503, &text);
}
