#include "collector_health.h"

#include <stdlib.h>

#include "clock.h"

unsigned collector_health_notes(const struct collector_state *state, double age_s)
{
    unsigned notes = 0;

    if (state->away)
        return 0;
    if (state->idle_s >= COLLECTOR_IDLE_S)
        notes |= COLLECTOR_IDLE;
    if (state->restarts > 0 && state->restarted_s + age_s < COLLECTOR_NEWS_S)
        notes |= COLLECTOR_RESTARTED;
    if (state->returns > 0 && state->returned_s + age_s < COLLECTOR_NEWS_S)
        notes |= COLLECTOR_RETURNED;
    if (state->clock_error_ns / (int64_t) NS_PER_S >= COLLECTOR_CLOCK_S
        || state->clock_error_ns / (int64_t) NS_PER_S <= -COLLECTOR_CLOCK_S)
        notes |= COLLECTOR_CLOCK;
    if (state->has_rival)
        notes |= COLLECTOR_RIVAL;
    return notes;
}

void collector_health_write(struct json_writer *json, const char *key, unsigned notes)
{
    static const char *const WORDS[] = { "idle", "restarted", "returned", "clock", "rival" };

    json_put_array(json, key);
    for (unsigned i = 0; i < sizeof WORDS / sizeof WORDS[0]; i++)
        if (notes >> i & 1)
            json_put_string(json, NULL, WORDS[i]);
    json_put_array_end(json);
}
