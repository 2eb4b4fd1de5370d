#include "api_lists.h"

#include <civetweb.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "list_fanout.h"
#include "list_merge.h"
#include "query_params.h"
#include "row_json.h"

#define MAX_TTL_S (100ll * 365 * 24 * 3600)

enum {
    READER_WAIT_MS = 250,       /* of any number of threads: others must not wait behind them */
    FETCH_WAIT_MS = 1000,       /* of readers only */
    PAGE_TEXT_MAX = 8 * 1024 * 1024,    /* 2000 entries, every byte of their reasons escaped */
};

/* Answer for a call that brought no reply. */
static int reply_no_collector(struct http_exchange *exchange, int error)
{
    if (error == -ENOMEM)
        return http_reply_error(exchange, 500, NULL, "out of memory");
    if (error == -EBADMSG || error == -EFBIG)
        return http_reply_error(exchange, 500, NULL, "the collector's answer cannot be understood");
    return http_reply_away(exchange, "the collector does not answer: is ntc-collector running?");
}

/* Have one collector do it, and tell the client how that went. */
static int change_one(struct http_exchange *exchange, struct list_request *request, uint32_t peer)
{
    struct text_buffer text = text_buffer_of(1024);
    struct json_writer json = json_writer_of(&text);
    struct list_reply reply;
    bus_client_t *bus = collector_peers_bus(exchange->gateway->peers, peer);
    int rc = list_client_call(bus, request, &reply);

    if (rc < 0)
        return reply_no_collector(exchange, rc);
    collector_peers_learn(exchange->gateway->peers, peer, reply.collector_id);
    int status = list_fanout_status(reply.code);
    if (status == 200) {
        const char *prefix = reply.prefix[0] != '\0' ? reply.prefix : request->prefix;
        json_put_object(&json, NULL);
        json_put_bool(&json, "ok", true);
        json_put_string(&json, "ip", prefix);
        json_put_signed(&json, "version", row_json_version(prefix));
        list_fanout_write_condition(&json, request, reply.unconfirmed_until_unix_ns);
        if (request->collector_id[0] != '\0')
            json_put_string(&json, "collector", request->collector_id);
        json_put_object_end(&json);
        status = http_reply_json(exchange, 200, &text);
    } else {
        list_fanout_refuse(exchange, &reply);
    }
    list_reply_clear(&reply);
    return status;
}

/* Have the collector of that id do it, or all, and tell the client how that went. */
static int change(struct http_exchange *exchange, struct list_request *request,
                  const char *collector)
{
    struct list_targets targets;
    int status = list_fanout_choose(exchange, collector, &targets);

    if (status != 0)
        return status;
    strcpy(request->collector_id, targets.id);
    request->client = exchange->access.client;
    if (request->confirm_s > 0)
        request->change_id = bus_client_request_id();   /* of all collectors' changes the same */
    return targets.size == 1 ? change_one(exchange, request, targets.peers[0])
                             : list_fanout_change(exchange, request, &targets);
}

/* Put the canonical form of `ip` into the request.  Returns 0, or the status answered. */
static int take_prefix(struct http_exchange *exchange, struct list_request *request, const char *ip)
{
    struct ip_prefix prefix;
    char why[200];

    if (ip_prefix_parse(ip, &prefix, why, sizeof why) < 0)
        return http_reply_error(exchange, 400, NULL, "ip: %s", why);
    ip_prefix_format(&prefix, request->prefix);
    return 0;
}

/* ---- add ---- */

static int take_ttl(struct http_exchange *exchange, struct list_request *request, const json_t *ttl)
{
    if (!json_is_integer(ttl))
        return 0;
    json_int_t seconds = json_integer_value(ttl);
    if (seconds < 1 || seconds > MAX_TTL_S)
        return http_reply_error(exchange, 400, NULL,
                                "ttl: %lld is no number of seconds from 1 to %lld; "
                                "leave it out for an entry that stays",
                                (long long) seconds, MAX_TTL_S);
    request->ttl_s = (uint64_t) seconds;
    return 0;
}

static int take_condition(struct http_exchange *exchange, struct list_request *request,
                          const json_t *confirm_s)
{
    if (!json_is_integer(confirm_s))
        return 0;
    json_int_t seconds = json_integer_value(confirm_s);
    if (seconds < 1 || seconds > LIST_CONFIRM_MAX_S)
        return http_reply_error(exchange, 400, NULL,
                                "confirm_s: %lld is no number of seconds from 1 to %d; leave it "
                                "out for a change that is final", (long long) seconds,
                                LIST_CONFIRM_MAX_S);
    request->confirm_s = (uint32_t) seconds;
    return 0;
}

static int take_reason(struct http_exchange *exchange, struct list_request *request,
                       const json_t *reason)
{
    const char *text = json_is_string(reason) ? json_string_value(reason) : "";

    if (strlen(text) >= LIST_REASON_SIZE)
        return http_reply_error(exchange, 400, NULL, "reason: is longer than %d bytes",
                                LIST_REASON_SIZE - 1);
    for (const char *c = text; *c != '\0'; c++)
        if ((unsigned char) *c < 0x20 || *c == 0x7f)
            return http_reply_error(exchange, 400, NULL, "reason: has a control character");
    strcpy(request->reason, text);
    return 0;
}

int api_lists_add(struct http_exchange *exchange, int list)
{
    static const struct body_field FIELDS[] = {
        { "ip", JSON_STRING, true }, { "ttl", JSON_INTEGER, false },
        { "reason", JSON_STRING, false }, { "force", JSON_TRUE, false },
        { "confirm_s", JSON_INTEGER, false },
        { "collector", JSON_STRING, false }, { 0 },
    };
    struct list_request request = { .op = LIST_OP_ADD, .list = (enum list_name) list };
    json_t *body = NULL;

    int status = http_read_body(exchange, FIELDS, &body);
    if (status != 200)
        return status;
    status = take_prefix(exchange, &request, json_string_value(json_object_get(body, "ip")));
    if (status == 0)
        status = take_ttl(exchange, &request, json_object_get(body, "ttl"));
    if (status == 0)
        status = take_reason(exchange, &request, json_object_get(body, "reason"));
    if (status == 0)
        status = take_condition(exchange, &request, json_object_get(body, "confirm_s"));
    request.force = json_is_true(json_object_get(body, "force"));
    if (status == 0)
        status = change(exchange, &request,
                        json_string_value(json_object_get(body, "collector")));
    json_decref(body);
    return status;
}

/* ---- remove ---- */

int api_lists_remove(struct http_exchange *exchange, int list)
{
    static const char *const KNOWN[] = { "ip", "force", "confirm_s", "collector", NULL };
    static const char *const TRUTHS[] = { "false", "true" };
    struct list_request request = { .op = LIST_OP_REMOVE, .list = (enum list_name) list };
    struct query_params params;
    char why[QUERY_WHY_SIZE];
    int force;

    if (query_params_parse(&params, exchange->info->query_string, KNOWN, why) < 0
        || query_params_word(&params, "force", TRUTHS, 2, &force, why) < 0
        || query_params_number(&params, "confirm_s", 1, LIST_CONFIRM_MAX_S, 0, &request.confirm_s,
                               why) < 0)
        return http_reply_error(exchange, 400, NULL, "%s", why);
    request.force = force == 1;
    const char *ip = query_params_get(&params, "ip");
    if (!ip)
        return http_reply_error(exchange, 400, NULL, "say which entry: ?ip=192.0.2.1");
    int status = take_prefix(exchange, &request, ip);
    return status == 0 ? change(exchange, &request, query_params_get(&params, "collector"))
                       : status;
}

/* ---- changes that wait to be confirmed ---- */

int api_lists_settle(struct http_exchange *exchange, int op)
{
    static const struct body_field FIELDS[] = {
        { "change", JSON_STRING, true }, { "collector", JSON_STRING, false }, { 0 },
    };
    struct list_request request = { .op = (enum list_op) op };
    json_t *body = NULL;

    int status = http_read_body(exchange, FIELDS, &body);
    if (status != 200)
        return status;
    const char *id = json_string_value(json_object_get(body, "change"));
    request.change_id = strtoull(id, NULL, 16);
    if (strlen(id) != 16 || strspn(id, "0123456789abcdef") != 16)
        status = http_reply_error(exchange, 400, NULL, "change: \"%.40s\" is no id of a change: "
                                  "the answer to the change has it, and GET /api/unconfirmed", id);
    else
        status = change(exchange, &request, json_string_value(json_object_get(body, "collector")));
    json_decref(body);
    return status;
}

int api_lists_unconfirmed(struct http_exchange *exchange, int unused)
{
    static const char *const KNOWN[] = { "collector", NULL };
    struct query_params params;
    struct list_targets targets;
    char why[QUERY_WHY_SIZE];

    (void) unused;
    if (query_params_parse(&params, exchange->info->query_string, KNOWN, why) < 0)
        return http_reply_error(exchange, 400, NULL, "%s", why);
    int status = list_fanout_choose(exchange, query_params_get(&params, "collector"), &targets);
    return status != 0 ? status : list_fanout_unconfirmed(exchange, &targets);
}

/* ---- list ---- */

/* Append the entries of one page.  Returns false when it cannot be decoded. */
static bool write_page(struct json_writer *json, const struct list_page *page, uint64_t now_unix_ns)
{
    struct list_reply reply;

    if (list_reply_decode(&reply, page->bytes, page->size) < 0)
        return false;
    for (uint32_t i = 0; i < reply.entry_count; i++) {
        json_put_object(json, NULL);
        row_json_list_entry(json, &reply.entries[i], now_unix_ns);
        json_put_object_end(json);
    }
    list_reply_clear(&reply);
    return true;
}

/* The text of one page is in memory at a time. */
static int reply_pages(struct http_exchange *exchange, const struct list_pages *pages)
{
    struct text_buffer text = text_buffer_of(PAGE_TEXT_MAX);
    struct json_writer json = json_writer_of(&text);
    uint64_t now_unix_ns = clock_wall_ns();
    bool is_whole = true;

    http_reply_begin(exchange, 200, HTTP_TYPE_JSON, NULL);
    json_put_array(&json, NULL);
    for (uint32_t i = 0; i < pages->count && is_whole; i++) {
        is_whole = write_page(&json, &pages->pages[i], now_unix_ns) && !text.failed
                   && http_reply_piece(exchange, text.data, text.size);
        text_buffer_clear(&text);
    }
    json_put_array_end(&json);
    if (is_whole && http_reply_piece(exchange, text.data, text.size))
        http_reply_end(exchange);       /* else the missing end tells that it is not whole */
    text_buffer_free(&text);
    return 200;
}

static int reply_one_page(struct http_exchange *exchange, const struct list_page *page)
{
    struct text_buffer text = text_buffer_of(PAGE_TEXT_MAX);
    struct json_writer json = json_writer_of(&text);

    json_put_array(&json, NULL);
    if (!write_page(&json, page, clock_wall_ns())) {
        text_buffer_free(&text);
        return reply_no_collector(exchange, -ENOMEM);
    }
    json_put_array_end(&json);
    return http_reply_json(exchange, 200, &text);
}

/* A long list is work for the collector and memory here: others must not wait behind a flood of
 * such requests.  Returns false when none of the `places` became free. */
static bool take_place(sem_t *places, uint32_t wait_ms)
{
    uint64_t until_ns = clock_monotonic_ns() + wait_ms * NS_PER_MS;
    struct timespec until = { (time_t) (until_ns / NS_PER_S), (long) (until_ns % NS_PER_S) };
    int rc;

    while ((rc = sem_clockwait(places, CLOCK_MONOTONIC, &until)) != 0 && errno == EINTR)
        ;
    return rc == 0;
}

static int reply_too_many(struct http_exchange *exchange)
{
    return http_reply_away(exchange, "too many lists are being read now: try again");
}

/* The list of one collector. */
static int reply_list(struct http_exchange *exchange, enum list_name list, uint32_t peer)
{
    collector_peers_t *peers = exchange->gateway->peers;
    sem_t *fetches = collector_peers_fetches(peers, peer);
    struct list_pages pages;

    if (!take_place(fetches, FETCH_WAIT_MS))
        return reply_too_many(exchange);
    int rc = list_client_fetch(collector_peers_bus(peers, peer), list, &pages);
    sem_post(fetches);
    if (rc < 0)
        return reply_no_collector(exchange, rc);
    int status = pages.count == 1 ? reply_one_page(exchange, &pages.pages[0])
                                  : reply_pages(exchange, &pages);
    list_pages_clear(&pages);
    return status;
}

int api_lists_get(struct http_exchange *exchange, int list)
{
    static const char *const KNOWN[] = { "collector", "partial", NULL };
    struct query_params params;
    struct list_targets targets;
    char why[QUERY_WHY_SIZE];
    uint32_t partial;

    if (query_params_parse(&params, exchange->info->query_string, KNOWN, why) < 0
        || query_params_number(&params, "partial", 0, 1, 0, &partial, why) < 0)
        return http_reply_error(exchange, 400, NULL, "%s", why);
    if (!take_place(&exchange->gateway->list_readers, READER_WAIT_MS))
        return reply_too_many(exchange);
    int status = list_fanout_choose(exchange, query_params_get(&params, "collector"), &targets);
    if (status == 0)
        status = targets.size == 1
            ? reply_list(exchange, (enum list_name) list, targets.peers[0])
            : list_merge_reply(exchange, (enum list_name) list, &targets, partial == 1);
    sem_post(&exchange->gateway->list_readers);
    return status;
}
