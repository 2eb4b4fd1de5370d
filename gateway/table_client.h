/* table_client - questions to the aggregator about its tables.
 */
#ifndef TABLE_CLIENT_H
#define TABLE_CLIENT_H

#include "http_exchange.h"
#include "table_query.h"

/* Ask the aggregator; query->request_id is set here.
 * Returns 200 with a page the caller clears, or the status that was answered. */
int table_client_fetch(struct http_exchange *exchange, struct table_query *query,
                       struct table_page *ret_page);

#endif
