#include "list_merge.h"

#include <civetweb.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "row_json.h"

enum {
    ROWS_AT_ONCE = 8192,        /* of all collectors together */
    LEAST_ROWS = 64,            /* of one */
    MAX_PAGES = 128 * 1024,     /* of one: more than the largest lists of the configuration need */
    PIECE = 64 * 1024,          /* of text */
    TEXT_MAX = 1024 * 1024,     /* an entry and the names of all collectors fit many times */
    SAME_NS = 2 * 1000 * 1000 * 1000,   /* expiries of one change differ by less */
};

/* Where the list of one collector is being read. */
struct cursor {
    uint32_t peer;
    char id[COLLECTOR_ID_SIZE];
    struct list_reply page;
    uint32_t at;                /* entry of the page; page.entry_count = no more */
    uint32_t pages;
    struct ip_prefix prefix;    /* of that entry */
};

struct merge {
    struct http_exchange *exchange;
    enum list_name list;
    uint32_t limit;             /* rows of a page */
    uint32_t size;
    struct cursor *cursors;     /* of those that answer */
    uint64_t now_unix_ns;
};

static bool is_at_end(const struct cursor *cursor)
{
    return cursor->at >= cursor->page.entry_count;
}

/* Read the entry under the cursor.  Returns 0 or -EBADMSG. */
static int read_prefix(struct cursor *cursor)
{
    char why[160];

    if (is_at_end(cursor))
        return 0;
    return ip_prefix_parse(cursor->page.entries[cursor->at].prefix, &cursor->prefix, why,
                           sizeof why) == 0 ? 0 : -EBADMSG;
}

/* Fetch the page behind the last entry.  Returns 0 or -errno. */
static int next_page(struct merge *self, struct cursor *cursor)
{
    struct list_request request = { .op = LIST_OP_LIST, .list = self->list, .limit = self->limit };
    struct list_answer answer = { .peer = cursor->peer };

    if (++cursor->pages > MAX_PAGES)
        return -EFBIG;
    strcpy(request.after, cursor->page.entries[cursor->page.entry_count - 1].prefix);
    list_client_ask(self->exchange->gateway->peers, &request, &answer, 1);
    if (answer.rc != 0)
        return answer.rc;
    list_reply_clear(&cursor->page);
    cursor->page = answer.reply;
    cursor->at = 0;
    return cursor->page.code == LIST_OK && (cursor->page.entry_count > 0 || !cursor->page.more)
        ? 0 : -EBADMSG;
}

static int step(struct merge *self, struct cursor *cursor)
{
    int rc = 0;

    cursor->at++;
    if (is_at_end(cursor) && cursor->page.more)
        rc = next_page(self, cursor);
    return rc == 0 ? read_prefix(cursor) : rc;
}

/* The cursor whose entry comes first, NULL at the end of all lists. */
static struct cursor *first_of(struct merge *self)
{
    struct cursor *first = NULL;

    for (uint32_t i = 0; i < self->size; i++) {
        struct cursor *cursor = &self->cursors[i];
        if (!is_at_end(cursor)
            && (!first || ip_prefix_compare(&cursor->prefix, &first->prefix) < 0))
            first = cursor;
    }
    return first;
}

/* Add what another collector has under the same prefix.  Returns whether it differs. */
static bool combine(struct list_entry_row *sum, const struct list_entry_row *entry)
{
    uint64_t a = sum->expires_unix_ns, b = entry->expires_unix_ns;
    bool differs = strcmp(sum->reason, entry->reason) != 0 || (a == 0) != (b == 0)
        || (a > b ? a - b : b - a) > SAME_NS;

    if (a != 0 && (b == 0 || b > a))
        sum->expires_unix_ns = b;
    sum->hit_packets += entry->hit_packets;
    sum->hit_bytes += entry->hit_bytes;
    if (entry->last_hit_unix_ns > sum->last_hit_unix_ns)
        sum->last_hit_unix_ns = entry->last_hit_unix_ns;
    return differs;
}

/* Write the entry that `first` stands at and step over it in every list.  Returns 0 or -errno. */
static int write_entry(struct merge *self, struct json_writer *json, const struct cursor *first)
{
    struct list_entry_row sum = first->page.entries[first->at];
    struct ip_prefix prefix = first->prefix;
    uint32_t holders = 0;
    bool differs = false;
    int rc = 0;

    for (uint32_t i = 0; i < self->size; i++) {
        const struct cursor *cursor = &self->cursors[i];
        if (cursor != first && !is_at_end(cursor)
            && ip_prefix_compare(&cursor->prefix, &prefix) == 0)
            differs |= combine(&sum, &cursor->page.entries[cursor->at]);
    }
    json_put_object(json, NULL);
    row_json_list_entry(json, &sum, self->now_unix_ns);
    json_put_bool(json, "differs", differs);
    json_put_array(json, "collectors");
    for (uint32_t i = 0; i < self->size && rc == 0; i++) {
        struct cursor *cursor = &self->cursors[i];
        if (is_at_end(cursor) || ip_prefix_compare(&cursor->prefix, &prefix) != 0)
            continue;
        json_put_string(json, NULL, cursor->id);
        holders++;
        rc = step(self, cursor);
    }
    json_put_array_end(json);
    json_put_bool(json, "everywhere", holders == self->size);
    json_put_object_end(json);
    return rc;
}

static void reply_merged(struct merge *self, const char *headers)
{
    struct http_exchange *exchange = self->exchange;
    struct text_buffer text = text_buffer_of(TEXT_MAX);
    struct json_writer json = json_writer_of(&text);
    const struct cursor *first;
    bool is_whole = true;

    http_reply_begin(exchange, 200, HTTP_TYPE_JSON, headers);
    json_put_array(&json, NULL);
    while (is_whole && (first = first_of(self)) != NULL) {
        is_whole = write_entry(self, &json, first) == 0 && !text.failed;
        if (is_whole && text.size > PIECE) {
            is_whole = http_reply_piece(exchange, text.data, text.size);
            text_buffer_clear(&text);
        }
    }
    json_put_array_end(&json);
    if (is_whole && http_reply_piece(exchange, text.data, text.size))
        http_reply_end(exchange);       /* else the missing end tells that it is not whole */
    text_buffer_free(&text);
}

/* Ask for the first page of all; cursors are for those that answer.  The others are written into
 * `missing` as a sentence.  Returns 0 or -errno. */
static int open_cursors(struct merge *self, const struct list_targets *targets,
                        struct text_buffer *missing)
{
    struct list_request request = { .op = LIST_OP_LIST, .list = self->list, .limit = self->limit };
    struct list_answer *answers = calloc(targets->size, sizeof *answers);
    collector_peers_t *peers = self->exchange->gateway->peers;
    int rc = answers ? 0 : -ENOMEM;

    for (uint32_t i = 0; rc == 0 && i < targets->size; i++)
        answers[i].peer = targets->peers[i];
    if (rc == 0)
        list_client_ask(peers, &request, answers, targets->size);
    for (uint32_t i = 0; rc == 0 && i < targets->size; i++) {
        struct cursor *cursor = &self->cursors[self->size];
        if (answers[i].rc != 0 || answers[i].reply.code != LIST_OK)
            continue;
        *cursor = (struct cursor) { .peer = answers[i].peer, .page = answers[i].reply };
        answers[i].reply = (struct list_reply) { 0 };
        collector_peers_id(peers, cursor->peer, cursor->id);
        self->size++;
        rc = read_prefix(cursor);
    }
    if (rc == 0 && self->size < targets->size)
        list_fanout_name_failed(peers, answers, targets->size, missing);
    if (answers)
        list_answers_clear(answers, targets->size);
    free(answers);
    return rc;
}

int list_merge_reply(struct http_exchange *exchange, enum list_name list,
                     const struct list_targets *targets, bool is_partial)
{
    uint32_t limit = ROWS_AT_ONCE / targets->size;
    struct merge merge = {
        .exchange = exchange, .list = list, .now_unix_ns = clock_wall_ns(),
        .limit = limit > LIST_PAGE_MAX ? LIST_PAGE_MAX : limit < LEAST_ROWS ? LEAST_ROWS : limit,
        .cursors = calloc(targets->size, sizeof *merge.cursors),
    };
    struct text_buffer missing = text_buffer_of(LIST_FANOUT_SENTENCE);
    char headers[LIST_FANOUT_SENTENCE + 64];
    int status = 200;

    int rc = merge.cursors ? open_cursors(&merge, targets, &missing) : -ENOMEM;
    snprintf(headers, sizeof headers, "Cache-Control: no-store\r\nNTC-Missing: %.*s\r\n",
             (int) missing.size, missing.data ? missing.data : "");
    if (rc != 0)
        status = http_reply_error(exchange, 500, NULL, "a collector's list cannot be read: %s",
                                  strerror(-rc));
    else if (missing.size > 0 && !is_partial)
        status = http_reply_away(exchange, "%.*s; ?partial=1 shows what the others have",
                                 (int) missing.size, missing.data);
    else
        reply_merged(&merge, missing.size > 0 ? headers : NULL);
    for (uint32_t i = 0; i < merge.size; i++)
        list_reply_clear(&merge.cursors[i].page);
    free(merge.cursors);
    text_buffer_free(&missing);
    return status;
}
