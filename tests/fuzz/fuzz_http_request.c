#include <string.h>

#include "access.h"
#include "clock.h"
#include "event_filter.h"
#include "fuzz.h"

/* Cut the next line out of *rest, as civetweb hands headers over; NULL when it is empty. */
static const char *next_line(char **rest)
{
    char *line = *rest, *end = line ? strchr(line, '\n') : NULL;

    if (end)
        *end = '\0';
    *rest = end ? end + 1 : NULL;
    return line && line[0] != '\0' ? line : NULL;
}

static void check_query(const char *query)
{
    static const char *const KNOWN[] = { EVENT_FILTER_PARAMS, "limit", NULL };
    struct query_params params;
    struct event_filter filter;
    uint32_t limit;
    char why[QUERY_WHY_SIZE];

    if (query_params_parse(&params, query, KNOWN, why) < 0) {
        FUZZ_ASSERT(strlen(why) > 0);
        return;
    }
    FUZZ_ASSERT(params.count <= QUERY_MAX_PARAMS);
    if (event_filter_parse(&filter, &params, why) == 0)
        FUZZ_ASSERT(event_filter_equal(&filter, &filter));
    if (query_params_number(&params, "limit", 1, 1000, 100, &limit, why) == 0)
        FUZZ_ASSERT(limit >= 1 && limit <= 1000);
}

/* A query and the headers that decide who may do what, one per line.  Nobody has a token
 * to change anything. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct config config;
    static access_t *rules;
    char *text = malloc(size + 1), *rest = text;

    if (!rules) {
        config_defaults(&config);
        strcpy(config.server.trusted_proxies.items[config.server.trusted_proxies.size++],
               "10.0.0.0/8");
        strcpy(config.server.read_token, "0123456789abcdef");
        rules = access_new(&config, "");
    }
    memcpy(text, bytes, size);
    text[size] = '\0';
    check_query(next_line(&rest));
    struct access_request request = {
        .peer = "10.0.0.1", .host = next_line(&rest), .origin = next_line(&rest),
        .fetch_site = next_line(&rest), .fetch_mode = next_line(&rest),
        .authorization = next_line(&rest), .cookie = next_line(&rest),
        .forwarded_for = next_line(&rest),
    };
    struct access_verdict verdict = access_judge(rules, &request, ACCESS_CHANGE, NS_PER_S);
    FUZZ_ASSERT(verdict.status != 200 && !verdict.may_change);
    request.peer = "127.0.0.1";
    request.is_forwarded = true;
    FUZZ_ASSERT(access_judge(rules, &request, ACCESS_ADMIN, NS_PER_S).status != 200);
    free(text);
    return 0;
}
