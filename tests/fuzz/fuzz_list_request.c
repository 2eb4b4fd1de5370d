#include "fuzz.h"
#include "list_command.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct list_request request, again;
    uint8_t *encoded;
    size_t encoded_size;

    if (list_request_decode(&request, bytes, size) != 0)
        return 0;
    FUZZ_ASSERT(list_request_encode(&request, &encoded, &encoded_size) == 0);
    FUZZ_ASSERT(list_request_decode(&again, encoded, encoded_size) == 0);
    FUZZ_ASSERT(request.request_id == again.request_id && request.op == again.op);
    FUZZ_ASSERT(request.list == again.list && request.limit == again.limit);
    FUZZ_ASSERT(strcmp(request.prefix, again.prefix) == 0);
    FUZZ_ASSERT(strcmp(request.reason, again.reason) == 0);
    free(encoded);
    return 0;
}
