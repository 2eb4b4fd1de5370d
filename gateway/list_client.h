/* list_client - the blacklist and whitelist, which each collector keeps for itself.
 */
#ifndef LIST_CLIENT_H
#define LIST_CLIENT_H

#include "collector_peers.h"

/* Ask one collector.  request->request_id is set here.
 * Returns 0 with a reply the caller clears, or as bus_client_call() does; -EBADMSG when the answer
 * is none. */
int list_client_call(bus_client_t *bus, struct list_request *request, struct list_reply *ret_reply);

/* What one of several collectors answered. */
struct list_answer {
    uint32_t peer;              /* whom to ask, as in collector_peers */
    int rc;                     /* as list_client_call() */
    struct list_reply reply;    /* if rc is 0 */
};

/* Ask the peers of `count` answers the same, all at once: it takes no longer than to ask one.
 * Notes who they are.  The caller clears the replies. */
void list_client_ask(collector_peers_t *peers, struct list_request *request,
                     struct list_answer *answers, uint32_t count);
void list_answers_clear(struct list_answer *answers, uint32_t count);

/* Find the peers that answer as collector `id`; NULL = all.  Who has not answered yet is asked.
 * Returns how many were written to `ret_found`, which has room for all peers; 0 = none. */
uint32_t list_client_find(collector_peers_t *peers, const char *id, uint32_t *ret_found);

/* Whether every collector answers. */
bool list_client_all_live(collector_peers_t *peers);

/* A whole list, as the encoded replies it came in: a few bytes per entry. */
struct list_pages {
    uint32_t count;
    uint32_t capacity;
    struct list_page {
        uint8_t *bytes;
        size_t size;
    } *pages;
};

/* Fetch the whole list.  If it changes meanwhile, begin again, a few times; after that the pages
 * may mix two versions: an entry that stayed is there once all the same. Returns 0 with pages the
 * caller clears, or as list_client_call() does. */
int list_client_fetch(bus_client_t *bus, enum list_name list, struct list_pages *ret_pages);

void list_pages_clear(struct list_pages *pages);

#endif
