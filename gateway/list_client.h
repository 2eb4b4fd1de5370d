/* list_client - the blacklist and whitelist, which the collector keeps.
 */
#ifndef LIST_CLIENT_H
#define LIST_CLIENT_H

#include "bus_client.h"
#include "list_command.h"

/* Ask the collector.  request->request_id is set here.
 * Returns 0 with a reply the caller clears, or as bus_client_call() does; -EBADMSG when the answer
 * is none. */
int list_client_call(bus_client_t *bus, struct list_request *request, struct list_reply *ret_reply);

/* Whether the collector answers. */
bool list_client_is_live(bus_client_t *bus);

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
