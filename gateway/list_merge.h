/* list_merge - one list as several collectors have it: every entry once, with where it stands.
 *
 * All lists come in order of address, page by page, so whatever their length only a page of each is
 * in memory.
 */
#ifndef LIST_MERGE_H
#define LIST_MERGE_H

#include "list_fanout.h"

/* Answer with the merged list.  When a collector does not answer that is an error (503), or, if
 * `is_partial`, said in the header NTC-Missing.  Returns the status. */
int list_merge_reply(struct http_exchange *exchange, enum list_name list,
                     const struct list_targets *targets, bool is_partial);

#endif
