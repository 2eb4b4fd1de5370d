#include "flow_batch.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct flow_batch batch, again;
    uint8_t *encoded;
    size_t encoded_size;

    if (flow_batch_decode(&batch, bytes, size) != 0)
        return 0;
    FUZZ_ASSERT(flow_batch_encode(batch.collector_id, batch.wall_offset_ns, batch.flows, batch.size,
                                  &encoded, &encoded_size) == 0);
    FUZZ_ASSERT(flow_batch_decode(&again, encoded, encoded_size) == 0);
    FUZZ_ASSERT(batch.size == again.size && batch.wall_offset_ns == again.wall_offset_ns);
    FUZZ_ASSERT(strcmp(batch.collector_id, again.collector_id) == 0);
    FUZZ_ASSERT_SAME(batch.flows, again.flows, batch.size * sizeof *batch.flows);
    flow_batch_clear(&again);
    flow_batch_clear(&batch);
    free(encoded);
    return 0;
}
