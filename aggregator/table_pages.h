/* table_pages - answers to queries: a filtered, sorted part of one table.
 *
 * One pass over the table whatever is asked, and memory for QUERY_MAX_DEPTH rows at most.
 */
#ifndef TABLE_PAGES_H
#define TABLE_PAGES_H

#include "aggregate.h"
#include "table_query.h"

/* Fill `ret_page` with what `query` asks for; a query that cannot be answered gets a page with an
 * error.  `local_ns` and `wall_ns` are the clocks of this host.  The caller clears the page.
 * Returns 0, or -ENOMEM (the page is empty then). */
int table_pages_answer(const aggregate_t *aggregate, const struct table_query *query,
                       uint64_t local_ns, uint64_t wall_ns, struct table_page *ret_page);

/* Fill a row of a live flow. */
void table_pages_flow_row(const aggregate_t *aggregate, const struct flow *flow,
                          struct flow_row *ret_row);

#endif
