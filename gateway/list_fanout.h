/* list_fanout - list commands to several collectors at once, each collector's answer told.
 *
 * Every collector keeps its own lists, so a change can succeed at some and fail at others.  Then
 * the answer is an error, and repeating the change is safe: it does nothing where it is done.
 */
#ifndef LIST_FANOUT_H
#define LIST_FANOUT_H

#include "http_exchange.h"
#include "list_client.h"

/* The collectors that a request is for. */
struct list_targets {
    uint32_t size;                      /* 1 or more */
    uint32_t peers[CONFIG_MAX_ITEMS];
    char id[COLLECTOR_ID_SIZE];         /* the one asked for, "" = all */
};

/* Find the collectors of `id`; NULL = all.  Returns 0, or the status that was answered. */
int list_fanout_choose(struct http_exchange *exchange, const char *id,
                       struct list_targets *ret_targets);

/* The HTTP status for what a collector says. */
int list_fanout_status(enum list_code code);

/* Tell what a collector said to a change that it did not make.  Returns the status. */
int list_fanout_refuse(struct http_exchange *exchange, const struct list_reply *reply);

/* Write "change" and "unconfirmed_until" of a change that waits to be confirmed; nothing if it is
 * final (0). */
void list_fanout_write_condition(struct json_writer *json, const struct list_request *request,
                                 uint64_t unconfirmed_until_unix_ns);

/* Answer with the changes that wait to be confirmed at those collectors that answer.
 * Returns the status. */
int list_fanout_unconfirmed(struct http_exchange *exchange, const struct list_targets *targets);

#define LIST_FANOUT_SENTENCE 2400    /* bytes that name five collectors that failed, and why */

/* Append who of `count` did not answer: "1 of 2 collectors did not tell: pi2".  It is printable and
 * short enough for a header. */
void list_fanout_name_failed(collector_peers_t *peers, const struct list_answer *answers,
                             uint32_t count, struct text_buffer *text);

/* Have several collectors make a change and answer.  Returns the status: 200, or the highest of
 * those that failed.  A removal has failed only when no collector had the entry. */
int list_fanout_change(struct http_exchange *exchange, struct list_request *request,
                       const struct list_targets *targets);

#endif
