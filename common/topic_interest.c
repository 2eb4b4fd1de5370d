#include "topic_interest.h"

#include <assert.h>

enum { LEAVE = 0, JOIN = 1 };

bool topic_interest_take(struct topic_interest *self, const uint8_t *bytes, size_t size)
{
    assert(self && strlen(self->topic) < BUS_TOPIC_SIZE);

    if (size < 1 || bytes[0] > JOIN || size - 1 > strlen(self->topic)
        || memcmp(bytes + 1, self->topic, size - 1) != 0)
        return false;

    uint32_t bit = UINT32_C(1) << (size - 1);

    if (bytes[0] == LEAVE)
        self->lengths &= ~bit;
    else
        self->lengths |= bit;
    return bytes[0] == JOIN;
}
