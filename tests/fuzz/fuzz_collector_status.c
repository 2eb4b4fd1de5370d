#include "collector_status.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct collector_status status, again;
    uint8_t *encoded;
    size_t encoded_size;

    if (collector_status_decode(&status, bytes, size) != 0)
        return 0;
    FUZZ_ASSERT(status.loss_count <= STATUS_MAX_LOSSES);
    FUZZ_ASSERT(status.interface_count <= STATUS_MAX_INTERFACES);
    FUZZ_ASSERT(collector_status_encode(&status, &encoded, &encoded_size) == 0);
    FUZZ_ASSERT(collector_status_decode(&again, encoded, encoded_size) == 0);
    FUZZ_ASSERT_SAME(&status, &again, sizeof status);
    free(encoded);
    return 0;
}
