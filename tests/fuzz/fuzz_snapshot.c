#include "fuzz.h"
#include "snapshot.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct snapshot snapshot, again;
    uint8_t *encoded;
    size_t encoded_size;

    if (snapshot_decode(&snapshot, bytes, size) != 0)
        return 0;
    FUZZ_ASSERT(snapshot_encode(&snapshot, &encoded, &encoded_size) == 0);
    if (encoded_size <= size + 4096) {  /* left-out parts are written as zeros */
        FUZZ_ASSERT(snapshot_decode(&again, encoded, encoded_size) == 0);
        FUZZ_ASSERT(snapshot.collector_count == again.collector_count);
        FUZZ_ASSERT_SAME(snapshot.collectors, again.collectors,
                         snapshot.collector_count * sizeof *snapshot.collectors);
        FUZZ_ASSERT(snapshot.unheard_count == again.unheard_count);
        FUZZ_ASSERT_SAME(snapshot.unheard, again.unheard,
                         snapshot.unheard_count * sizeof *snapshot.unheard);
        free(again.collectors);
        free(again.unheard);
        again.collectors = snapshot.collectors;
        again.unheard = snapshot.unheard;
        FUZZ_ASSERT_SAME(&snapshot, &again, sizeof snapshot);
    }
    snapshot_clear(&snapshot);
    free(encoded);
    return 0;
}
