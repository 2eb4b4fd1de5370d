/* status_message - CollectorStatus between its plain struct and protobuf-c's, for the codecs that
 * carry one.
 */
#ifndef STATUS_MESSAGE_H
#define STATUS_MESSAGE_H

#include "collector_status.h"
#include "ntc.pb-c.h"

/* Losses as protobuf-c wants them: an array of pointers to messages. */
struct loss_messages {
    Ntc__Loss messages[STATUS_MAX_LOSSES];
    Ntc__Loss *list[STATUS_MAX_LOSSES];
};

struct status_message {
    Ntc__CollectorStatus message;
    struct loss_messages losses;
    Ntc__Interface interfaces[STATUS_MAX_INTERFACES];
    Ntc__Interface *interface_list[STATUS_MAX_INTERFACES];
    Ntc__ListState blacklist, whitelist;
    Ntc__ProcessCost cost;
};

/* Point the messages at the plain values, which must outlive them. */
void loss_messages_fill(struct loss_messages *self, const struct loss *losses, uint32_t count);
void status_message_fill(struct status_message *self, const struct collector_status *status);
void cost_message_fill(Ntc__ProcessCost *self, const struct process_cost *cost);

/* Check and copy.  Return false when a value is not valid; the result is unspecified then. */
bool loss_messages_read(Ntc__Loss *const *list, size_t count, struct loss *ret_losses,
                        uint32_t *ret_count);
bool status_message_read(const Ntc__CollectorStatus *message, struct collector_status *ret_status);

/* A cost that was left out is all zeros. */
bool cost_message_read(const Ntc__ProcessCost *message, struct process_cost *ret_cost);

#endif
