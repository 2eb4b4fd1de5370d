/* api_lists - GET, POST and DELETE of /blacklist and /whitelist.  `list` is an enum list_name.
 */
#ifndef API_LISTS_H
#define API_LISTS_H

#include "http_exchange.h"
#include "list_command.h"

int api_lists_get(struct http_exchange *exchange, int list);
int api_lists_add(struct http_exchange *exchange, int list);
int api_lists_remove(struct http_exchange *exchange, int list);

/* POST of /api/confirm and /api/undo: `op` is LIST_OP_CONFIRM or LIST_OP_UNDO. */
int api_lists_settle(struct http_exchange *exchange, int op);

/* GET of /api/unconfirmed. */
int api_lists_unconfirmed(struct http_exchange *exchange, int unused);

#endif
