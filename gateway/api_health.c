#include "api_health.h"

#include "clock.h"
#include "list_client.h"

int api_health_alive(struct http_exchange *exchange, int unused)
{
    static const char ANSWER[] = "{\"ok\":true}";

    (void) unused;
    return http_reply(exchange, 200, HTTP_TYPE_JSON, NULL, ANSWER, sizeof ANSWER - 1);
}

/* The aggregator hears the collectors every second; without it, ask them. */
static bool is_collector_live(struct gateway *gateway, const struct latest_view *view)
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

int api_health_ready(struct http_exchange *exchange, int unused)
{
    struct text_buffer text = text_buffer_of(1024);
    struct json_writer json = json_writer_of(&text);
    struct latest_view view = latest_take(exchange->gateway->latest, clock_monotonic_ns());
    bool has_aggregator = view.state == PEER_LIVE;
    bool has_collector = is_collector_live(exchange->gateway, &view);
    bool is_ready = has_aggregator && has_collector;

    (void) unused;
    latest_release(&view);
    json_put_object(&json, NULL);
    json_put_bool(&json, "ok", is_ready);
    if (!is_ready) {
        json_put_array(&json, "missing");
        if (!has_collector)
            json_put_string(&json, NULL, "collector");
        if (!has_aggregator)
            json_put_string(&json, NULL, "aggregator");
        json_put_array_end(&json);
    }
    json_put_object_end(&json);
    return http_reply_json(exchange, is_ready ? 200 : 503, &text);
}
