#include "fuzz.h"
#include "packet_batch.h"

static void assert_same(const struct packet_view *a, const struct packet_view *b)
{
    FUZZ_ASSERT_SAME(&a->header, &b->header, sizeof a->header);
    FUZZ_ASSERT(a->size == b->size);
    FUZZ_ASSERT(a->sum_packets == b->sum_packets && a->sum_bytes == b->sum_bytes);
    for (uint32_t i = 0; i < a->size; i++) {
        struct packet_record left, right;
        packet_view_record(a, i, &left);
        packet_view_record(b, i, &right);
        FUZZ_ASSERT_SAME(&left, &right, sizeof left);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct packet_view view, again;
    uint8_t *encoded;
    size_t encoded_size;

    if (packet_view_open(&view, bytes, size) != 0)
        return 0;
    packet_batch_t *batch = packet_batch_new(view.size);
    FUZZ_ASSERT(batch);
    for (uint32_t i = 0; i < view.size; i++) {
        struct packet_record record;
        packet_view_record(&view, i, &record);
        packet_batch_add(batch, &record);
    }
    FUZZ_ASSERT(packet_batch_encode(batch, &view.header, &encoded, &encoded_size) == 0);
    FUZZ_ASSERT(packet_view_open(&again, encoded, encoded_size) == 0);
    assert_same(&view, &again);
    packet_view_close(&again);
    packet_view_close(&view);
    packet_batch_destroy(&batch);
    free(encoded);
    return 0;
}
