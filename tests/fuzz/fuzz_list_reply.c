#include "fuzz.h"
#include "list_command.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct list_reply reply, again;
    uint8_t *encoded;
    size_t encoded_size;

    if (list_reply_decode(&reply, bytes, size) != 0)
        return 0;
    FUZZ_ASSERT(list_reply_encode(&reply, &encoded, &encoded_size) == 0);
    FUZZ_ASSERT(list_reply_decode(&again, encoded, encoded_size) == 0);
    FUZZ_ASSERT(reply.entry_count == again.entry_count && reply.code == again.code);
    FUZZ_ASSERT_SAME(reply.entries, again.entries, reply.entry_count * sizeof *reply.entries);
    list_reply_clear(&again);
    list_reply_clear(&reply);
    free(encoded);
    return 0;
}
