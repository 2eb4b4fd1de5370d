/* fuzz_script - the input of a target as a sequence of messages.
 *
 * A byte that says what it is, two of length (low byte first), the bytes; the last may be cut.
 */
#ifndef FUZZ_SCRIPT_H
#define FUZZ_SCRIPT_H

#include "fuzz.h"

struct fuzz_script {
    const uint8_t *at, *end;
};

struct fuzz_message {
    uint8_t kind;
    const uint8_t *bytes;
    size_t size;
};

/* Returns 0 behind the last message. */
static inline int fuzz_script_next(struct fuzz_script *self, struct fuzz_message *ret_message)
{
    if (self->end - self->at < 3)
        return 0;
    size_t size = self->at[1] | (size_t) self->at[2] << 8;
    size_t rest = (size_t) (self->end - self->at) - 3;
    *ret_message = (struct fuzz_message) { self->at[0], self->at + 3, size < rest ? size : rest };
    self->at = ret_message->bytes + ret_message->size;
    return 1;
}

#endif
