#include "collector_status.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "status_message.h"
#include "wire_message.h"

int collector_status_encode(const struct collector_status *status,
                            uint8_t **ret_bytes, size_t *ret_size)
{
    assert(status);

    struct status_message message;

    status_message_fill(&message, status);
    return wire_message_pack(&message.message.base, ret_bytes, ret_size);
}

int collector_status_decode(struct collector_status *ret_status, const uint8_t *bytes, size_t size)
{
    assert(ret_status);

    ProtobufCMessage *base;
    int rc = wire_message_unpack(&ntc__collector_status__descriptor, bytes, size, &base);
    if (rc != 0)
        return rc;
    memset(ret_status, 0, sizeof *ret_status);
    bool is_valid = status_message_read((const Ntc__CollectorStatus *) base, ret_status);
    wire_message_free(base);
    return is_valid ? 0 : -EBADMSG;
}
