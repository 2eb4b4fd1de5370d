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

bool list_client_is_live(bus_client_t *bus)
{
    struct list_request request = { .op = LIST_OP_LIST, .limit = 1 };
    struct list_reply reply;

    if (list_client_call(bus, &request, &reply) < 0)
        return false;
    list_reply_clear(&reply);
    return true;
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
