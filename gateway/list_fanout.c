#include "list_fanout.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "row_json.h"

enum {
    RESULTS_MAX = 1024 * 1024,  /* a few hundred bytes for each collector */
    NAMED = 5,                  /* collectors named in a sentence; of more, how many */
};

int list_fanout_choose(struct http_exchange *exchange, const char *id,
                       struct list_targets *ret_targets)
{
    collector_peers_t *peers = exchange->gateway->peers;

    if (id && strlen(id) >= sizeof ret_targets->id)
        return http_reply_error(exchange, 404, NULL, "collector: there is no \"%.63s...\"", id);
    snprintf(ret_targets->id, sizeof ret_targets->id, "%s", id ? id : "");
    ret_targets->size = list_client_find(peers, id, ret_targets->peers);
    if (ret_targets->size > 0)
        return 0;
    return http_reply_error(exchange, 404, NULL, "collector: none that answers is called \"%s\"; "
                            "GET /api/summary names all", id);
}

int list_fanout_status(enum list_code code)
{
    switch (code) {
    case LIST_OK:
        return 200;
    case LIST_BAD_REQUEST:
        return 400;
    case LIST_NOT_ALLOWED:
        return 403;
    case LIST_NOT_FOUND:
        return 404;
    case LIST_FULL:
    case LIST_REFUSED_VERSION:
    case LIST_LOCK_OUT:
        return 409;
    case LIST_NOT_SAVED:
        return 507;
    case LIST_NOT_ENFORCED:
        break;
    }
    return 500;
}

/* A word for programs beside the sentence; NULL where the status says it all. */
static const char *word_of(enum list_code code)
{
    return code == LIST_LOCK_OUT ? "lock_out" : code == LIST_FULL ? "full"
           : code == LIST_REFUSED_VERSION ? "changed" : NULL;
}

int list_fanout_refuse(struct http_exchange *exchange, const struct list_reply *reply)
{
    const char *why = reply->error[0] != '\0' ? reply->error : "the collector refused";
    const char *word = word_of(reply->code);

    return word ? http_reply_conflict(exchange, word, "%s", why)
                : http_reply_error(exchange, list_fanout_status(reply->code), NULL, "%s", why);
}

/* ---- the results of a change ---- */

static int status_of(const struct list_answer *answer)
{
    if (answer->rc == 0)
        return list_fanout_status(answer->reply.code);
    return answer->rc == -EBADMSG || answer->rc == -ENOMEM ? 500 : 503;
}

static const char *why(const struct list_answer *answer)
{
    if (answer->rc == 0)
        return answer->reply.error[0] != '\0' ? answer->reply.error : "the collector refused";
    if (answer->rc == -ENOMEM)
        return "out of memory";
    return answer->rc == -EBADMSG ? "its answer cannot be understood" : "does not answer";
}

/* What people call it: its id, or where it should be. */
static void name_of(collector_peers_t *peers, uint32_t peer, char name[CONFIG_ITEM_SIZE])
{
    collector_peers_id(peers, peer, name);
    if (name[0] == '\0')
        snprintf(name, CONFIG_ITEM_SIZE, "%s", collector_peers_endpoint(peers, peer));
}

/* How it went on the whole. */
struct outcome {
    uint32_t done;              /* made the change, or had nothing to change */
    uint32_t failed;
    int status;                 /* 200, or the highest of those that failed */
    bool is_absent_fine;        /* some had what is removed or settled: the others need not */
};

static bool is_done(const struct outcome *outcome, int status)
{
    return status == 200 || (status == 404 && outcome->is_absent_fine);
}

static struct outcome judge(const struct list_answer *answers, uint32_t count, enum list_op op)
{
    struct outcome outcome = { .status = 200 };

    for (uint32_t i = 0; i < count && op != LIST_OP_ADD; i++)
        outcome.is_absent_fine |= status_of(&answers[i]) == 200;
    for (uint32_t i = 0; i < count; i++) {
        int status = status_of(&answers[i]);
        if (is_done(&outcome, status)) {
            outcome.done++;
            continue;
        }
        outcome.failed++;
        if (status > outcome.status)
            outcome.status = status;
    }
    return outcome;
}

/* Append "2 of 5 collectors did not do it: pi1: does not answer; pi2: ...".  A collector's words
 * go into bodies only. */
static void name_failed(collector_peers_t *peers, const struct list_answer *answers, uint32_t count,
                        const struct outcome *outcome, bool is_change, struct text_buffer *text)
{
    char name[CONFIG_ITEM_SIZE];
    uint32_t named = 0;

    text_buffer_printf(text, "%u of %u collectors %s: ", outcome->failed, count,
                       is_change ? "did not do it" : "did not tell");
    for (uint32_t i = 0; i < count && named < NAMED; i++) {
        if (is_done(outcome, status_of(&answers[i])))
            continue;
        name_of(peers, answers[i].peer, name);
        text_buffer_printf(text, "%s%s", named++ > 0 ? "; " : "", name);
        if (is_change)
            text_buffer_printf(text, ": %s", why(&answers[i]));
    }
    if (outcome->failed > named)
        text_buffer_printf(text, "; and %u more", outcome->failed - named);
}

void list_fanout_name_failed(collector_peers_t *peers, const struct list_answer *answers,
                             uint32_t count, struct text_buffer *text)
{
    struct outcome outcome = judge(answers, count, LIST_OP_LIST);

    name_failed(peers, answers, count, &outcome, false, text);
}

static void write_sentence(struct json_writer *json, collector_peers_t *peers,
                           const struct list_answer *answers, uint32_t count,
                           const struct outcome *outcome)
{
    struct text_buffer text = text_buffer_of(LIST_FANOUT_SENTENCE);

    name_failed(peers, answers, count, outcome, true, &text);
    text_buffer_append(&text, "", 1);
    json_put_string(json, "error", text.failed ? "some collectors did not do it" : text.data);
    text_buffer_free(&text);
    for (uint32_t i = 0; i < count; i++)    /* forcing helps if it helps with one of them */
        if (answers[i].rc == 0 && answers[i].reply.code == LIST_LOCK_OUT) {
            json_put_string(json, "code", word_of(LIST_LOCK_OUT));
            break;
        }
}

static void write_results(struct json_writer *json, collector_peers_t *peers,
                          const struct list_answer *answers, uint32_t count,
                          const struct outcome *outcome)
{
    char id[COLLECTOR_ID_SIZE];

    json_put_array(json, "collectors");
    for (uint32_t i = 0; i < count; i++) {
        int status = status_of(&answers[i]);
        bool is_fine = is_done(outcome, status);
        collector_peers_id(peers, answers[i].peer, id);
        json_put_object(json, NULL);
        if (id[0] != '\0')
            json_put_string(json, "id", id);
        else
            json_put_null(json, "id");
        json_put_string(json, "endpoint", collector_peers_endpoint(peers, answers[i].peer));
        json_put_bool(json, "ok", is_fine);
        json_put_bool(json, "changed", status == 200 && answers[i].reply.changed);
        json_put_signed(json, "status", is_fine ? 200 : status);
        if (!is_fine)
            json_put_string(json, "error", why(&answers[i]));
        if (answers[i].rc == 0 && word_of(answers[i].reply.code))
            json_put_string(json, "code", word_of(answers[i].reply.code));
        json_put_object_end(json);
    }
    json_put_array_end(json);
}

/* A change that waits is named by its id: its collectors say which prefix it is. */
static const char *prefix_of(const struct list_request *request, const struct list_answer *answers,
                             uint32_t count)
{
    for (uint32_t i = 0; i < count && request->prefix[0] == '\0'; i++)
        if (answers[i].rc == 0 && answers[i].reply.prefix[0] != '\0')
            return answers[i].reply.prefix;
    return request->prefix;
}

static uint64_t latest_until(const struct list_answer *answers, uint32_t count)
{
    uint64_t latest = 0;

    for (uint32_t i = 0; i < count; i++)
        if (answers[i].rc == 0 && answers[i].reply.unconfirmed_until_unix_ns > latest)
            latest = answers[i].reply.unconfirmed_until_unix_ns;
    return latest;
}

void list_fanout_write_condition(struct json_writer *json, const struct list_request *request,
                                 uint64_t unconfirmed_until_unix_ns)
{
    if (unconfirmed_until_unix_ns == 0)
        return;
    row_json_change_id(json, request->change_id);
    json_put_time(json, "unconfirmed_until", unconfirmed_until_unix_ns);
}

int list_fanout_change(struct http_exchange *exchange, struct list_request *request,
                       const struct list_targets *targets)
{
    collector_peers_t *peers = exchange->gateway->peers;
    struct list_answer *answers = calloc(targets->size, sizeof *answers);
    struct text_buffer text = text_buffer_of(RESULTS_MAX);
    struct json_writer json = json_writer_of(&text);

    if (!answers)
        return http_reply_error(exchange, 500, NULL, "out of memory");
    for (uint32_t i = 0; i < targets->size; i++)
        answers[i].peer = targets->peers[i];
    list_client_ask(peers, request, answers, targets->size);
    struct outcome outcome = judge(answers, targets->size, request->op);

    json_put_object(&json, NULL);
    json_put_bool(&json, "ok", outcome.failed == 0);
    if (outcome.failed > 0)
        write_sentence(&json, peers, answers, targets->size, &outcome);
    const char *ip = prefix_of(request, answers, targets->size);
    json_put_string(&json, "ip", ip);
    json_put_signed(&json, "version", row_json_version(ip));
    list_fanout_write_condition(&json, request, latest_until(answers, targets->size));
    write_results(&json, peers, answers, targets->size, &outcome);
    json_put_object_end(&json);
    list_answers_clear(answers, targets->size);
    free(answers);
    return http_reply_json(exchange, outcome.status, &text);
}

/* ---- changes that wait to be confirmed ---- */

/* Was this change written already, for a collector before? */
static bool is_repeated(const struct list_answer *answers, uint32_t before, uint64_t change_id)
{
    for (uint32_t i = 0; i < before; i++)
        for (uint32_t row = 0; answers[i].rc == 0 && row < answers[i].reply.entry_count; row++)
            if (answers[i].reply.entries[row].change_id == change_id)
                return true;
    return false;
}

static void write_waiting(struct json_writer *json, const struct list_entry_row *row)
{
    json_put_object(json, NULL);
    row_json_change_id(json, row->change_id);
    json_put_string(json, "list", row->list == LIST_WHITE ? "whitelist" : "blacklist");
    json_put_string(json, "ip", row->prefix);
    json_put_signed(json, "version", row_json_version(row->prefix));
    json_put_string(json, "action", row->removed ? "remove" : "add");
    json_put_time(json, "unconfirmed_until", row->unconfirmed_until_unix_ns);
    json_put_object_end(json);
}

int list_fanout_unconfirmed(struct http_exchange *exchange, const struct list_targets *targets)
{
    collector_peers_t *peers = exchange->gateway->peers;
    struct list_request request = { .op = LIST_OP_UNCONFIRMED };
    struct list_answer *answers = calloc(targets->size, sizeof *answers);
    struct text_buffer text = text_buffer_of(RESULTS_MAX);
    struct json_writer json = json_writer_of(&text);
    uint32_t told = 0;

    if (!answers)
        return http_reply_error(exchange, 500, NULL, "out of memory");
    for (uint32_t i = 0; i < targets->size; i++)
        answers[i].peer = targets->peers[i];
    list_client_ask(peers, &request, answers, targets->size);
    json_put_array(&json, NULL);
    for (uint32_t i = 0; i < targets->size; i++) {
        told += answers[i].rc == 0;
        for (uint32_t row = 0; answers[i].rc == 0 && row < answers[i].reply.entry_count; row++)
            if (!is_repeated(answers, i, answers[i].reply.entries[row].change_id))
                write_waiting(&json, &answers[i].reply.entries[row]);
    }
    json_put_array_end(&json);
    list_answers_clear(answers, targets->size);
    free(answers);
    if (told > 0)
        return http_reply_json(exchange, 200, &text);
    text_buffer_free(&text);
    return http_reply_away(exchange, "no collector answers: is ntc-collector running?");
}
