/* row_message - AddressRow and FlowRow between their plain structs and protobuf-c's, for the codecs
 * that carry them.
 */
#ifndef ROW_MESSAGE_H
#define ROW_MESSAGE_H

#include "ntc.pb-c.h"
#include "snapshot.h"

/* Rows as protobuf-c wants them: arrays of pointers to messages, in one block. */
struct address_messages {
    Ntc__AddressRow *messages;
    Ntc__AddressRow **list;     /* NULL when there are no rows */
};

struct flow_messages {
    Ntc__FlowRow *messages;
    Ntc__FlowRow **list;
};

/* Point messages at `count` rows, which must outlive them.  The caller frees `list`.
 * Return 0 or -ENOMEM. */
int address_messages_new(struct address_messages *ret_self, const struct address_row *rows,
                         size_t count);
int flow_messages_new(struct flow_messages *ret_self, const struct flow_row *rows, size_t count);

/* Check and copy `count` rows.  Return false when a value is not valid. */
bool address_messages_read(Ntc__AddressRow *const *list, size_t count,
                           struct address_row *ret_rows);
bool flow_messages_read(Ntc__FlowRow *const *list, size_t count, struct flow_row *ret_rows);

#endif
