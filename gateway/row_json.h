/* row_json - the JSON of what several endpoints show: flows, addresses, list entries, process cost.
 */
#ifndef ROW_JSON_H
#define ROW_JSON_H

#include "json_writer.h"
#include "list_command.h"
#include "snapshot.h"

/* The name of interface `ifindex` of a collector in `snapshot`, NULL if it is not known. */
const char *row_json_interface(const struct snapshot *snapshot, const char *collector_id,
                               uint32_t ifindex);

/* Write one flow as an array's element; `snapshot` gives interface names. */
void row_json_flow(struct json_writer *json, const struct flow_row *row,
                   const struct snapshot *snapshot);

/* Write one address, with its two columns of seconds if it has them. */
void row_json_address(struct json_writer *json, const struct address_row *row);

/* Write the members of a list entry into the object that the caller has opened. */
void row_json_list_entry(struct json_writer *json, const struct list_entry_row *entry,
                         uint64_t now_unix_ns);

/* Write the id of a change that waits to be confirmed, as "change". */
void row_json_change_id(struct json_writer *json, uint64_t id);

/* The IP version, 4 or 6, of a prefix as text. */
int row_json_version(const char *prefix);

void row_json_process(struct json_writer *json, const char *key, const struct process_cost *cost);

#endif
