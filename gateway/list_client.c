#include "list_client.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_RESTARTS = 3,
    MAX_PAGES = 4096,           /* more than the largest lists of the configuration need */
};

/* Ask and decode.  The encoded answer is handed out too if ret_bytes is not NULL. */
static int call(bus_client_t *bus, struct list_request *request, struct list_reply *ret_reply,
                struct list_page *ret_page)
{
    uint8_t *question = NULL, *answer = NULL;
    size_t size, answer_size;

    request->request_id = bus_client_request_id();
    int rc = list_request_encode(request, &question, &size);
    if (rc == 0)
        rc = bus_client_call(bus, question, size, &answer, &answer_size);
    free(question);
    if (rc == 0)
        rc = list_reply_decode(ret_reply, answer, answer_size);
    if (rc == 0 && ret_page)
        *ret_page = (struct list_page) { answer, answer_size };
    else
        free(answer);
    return rc;
}

int list_client_call(bus_client_t *bus, struct list_request *request, struct list_reply *ret_reply)
{
    assert(bus && request && ret_reply);
    return call(bus, request, ret_reply, NULL);
}

/* Wait for the answer to a question of list_client_ask(). */
static void receive(collector_peers_t *peers, struct bus_call *call, struct list_answer *answer)
{
    uint8_t *bytes = NULL;
    size_t size = 0;

    answer->rc = bus_client_end(collector_peers_bus(peers, answer->peer), call, &bytes, &size);
    if (answer->rc == 0)
        answer->rc = list_reply_decode(&answer->reply, bytes, size);
    free(bytes);
    if (answer->rc == 0)
        collector_peers_learn(peers, answer->peer, answer->reply.collector_id);
}

void list_client_ask(collector_peers_t *peers, struct list_request *request,
                     struct list_answer *answers, uint32_t count)
{
    assert(peers && request && (answers || count == 0));

    struct bus_call *calls = calloc(count + 1, sizeof *calls);
    uint8_t *question = NULL;
    size_t size = 0;

    request->request_id = bus_client_request_id();
    int rc = calls ? list_request_encode(request, &question, &size) : -ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        answers[i].reply = (struct list_reply) { 0 };
        answers[i].rc = rc;
        if (rc == 0)
            bus_client_begin(collector_peers_bus(peers, answers[i].peer), &calls[i], question,
                             size);
    }
    for (uint32_t i = 0; rc == 0 && i < count; i++)
        receive(peers, &calls[i], &answers[i]);
    free(question);
    free(calls);
}

void list_answers_clear(struct list_answer *answers, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (answers[i].rc == 0)
            list_reply_clear(&answers[i].reply);
}

/* Ask all peers who they are.  Returns how many answered. */
static uint32_t introduce(collector_peers_t *peers)
{
    struct list_request request = { .op = LIST_OP_LIST, .limit = 1 };
    uint32_t size = collector_peers_size(peers), live = 0;
    struct list_answer *answers = calloc(size, sizeof *answers);

    if (!answers)
        return 0;
    for (uint32_t i = 0; i < size; i++)
        answers[i].peer = i;
    list_client_ask(peers, &request, answers, size);
    for (uint32_t i = 0; i < size; i++)
        live += answers[i].rc == 0;
    list_answers_clear(answers, size);
    free(answers);
    return live;
}

static uint32_t find_known(collector_peers_t *peers, const char *id, uint32_t *ret_found)
{
    char known[COLLECTOR_ID_SIZE];
    uint32_t found = 0;

    for (uint32_t i = 0; i < collector_peers_size(peers); i++) {
        collector_peers_id(peers, i, known);
        if (!id || strcmp(known, id) == 0)
            ret_found[found++] = i;
    }
    return found;
}

uint32_t list_client_find(collector_peers_t *peers, const char *id, uint32_t *ret_found)
{
    assert(peers && ret_found);

    uint32_t found = find_known(peers, id, ret_found);
    if (found > 0)
        return found;
    introduce(peers);
    return find_known(peers, id, ret_found);
}

bool list_client_all_live(collector_peers_t *peers)
{
    return introduce(peers) == collector_peers_size(peers);
}

void list_pages_clear(struct list_pages *pages)
{
    for (uint32_t i = 0; i < pages->count; i++)
        free(pages->pages[i].bytes);
    free(pages->pages);
    *pages = (struct list_pages) { 0 };
}

/* Room for one more page.  Returns 0, -ENOMEM, or -EFBIG. */
static int reserve(struct list_pages *pages)
{
    if (pages->count < pages->capacity)
        return 0;
    if (pages->count == MAX_PAGES)
        return -EFBIG;
    uint32_t capacity = pages->capacity > 0 ? 2 * pages->capacity : 16;
    struct list_page *grown = realloc(pages->pages, capacity * sizeof *grown);
    if (!grown)
        return -ENOMEM;
    pages->pages = grown;
    pages->capacity = capacity;
    return 0;
}

/* Fetch the page behind request->after.  *version: of the pages before, 0 = this is the first.
 * Returns 1 when more follow, 0 at the end, -ESTALE when the list has changed and `is_strict`. */
static int fetch_page(bus_client_t *bus, struct list_request *request, struct list_pages *pages,
                      uint64_t *version, bool is_strict)
{
    struct list_reply reply;
    int rc = reserve(pages);

    if (rc == 0)
        rc = call(bus, request, &reply, &pages->pages[pages->count]);
    if (rc < 0)
        return rc;
    pages->count++;
    if (reply.code != LIST_OK)
        rc = -EBADMSG;
    else if (is_strict && *version != 0 && reply.list_version != *version)
        rc = -ESTALE;
    else if (reply.more && reply.entry_count == 0)
        rc = -EBADMSG;          /* else we would ask for the same page for ever */
    else if (reply.more)
        rc = 1;
    *version = reply.list_version;
    if (rc == 1)
        strcpy(request->after, reply.entries[reply.entry_count - 1].prefix);
    list_reply_clear(&reply);
    return rc;
}

static int fetch_all(bus_client_t *bus, enum list_name list, struct list_pages *pages,
                     bool is_strict)
{
    struct list_request request = { .op = LIST_OP_LIST, .list = list, .limit = LIST_PAGE_MAX };
    uint64_t version = 0;
    int rc;

    do
        rc = fetch_page(bus, &request, pages, &version, is_strict);
    while (rc == 1);
    return rc;
}

int list_client_fetch(bus_client_t *bus, enum list_name list, struct list_pages *ret_pages)
{
    assert(bus && ret_pages);

    int rc = -ESTALE;
    for (int tries = 0; rc == -ESTALE; tries++) {
        *ret_pages = (struct list_pages) { 0 };
        rc = fetch_all(bus, list, ret_pages, tries < MAX_RESTARTS);
        if (rc < 0)
            list_pages_clear(ret_pages);
    }
    return rc;
}
