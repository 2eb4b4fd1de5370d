#include "fuzz.h"
#include "table_query.h"

static void assert_same(const struct table_page *a, const struct table_page *b)
{
    FUZZ_ASSERT(a->flow_count == b->flow_count && a->address_count == b->address_count);
    FUZZ_ASSERT_SAME(a->flows, b->flows, a->flow_count * sizeof *a->flows);
    FUZZ_ASSERT_SAME(a->addresses, b->addresses, a->address_count * sizeof *a->addresses);
    FUZZ_ASSERT(a->history.series_count == b->history.series_count);
    FUZZ_ASSERT(a->history.length == b->history.length);
    FUZZ_ASSERT_SAME(a->history.values, b->history.values,
                     2 * sizeof(uint64_t) * a->history.series_count * a->history.length);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct table_page page, again;
    uint8_t *encoded;
    size_t encoded_size;

    if (table_page_decode(&page, bytes, size) != 0)
        return 0;
    FUZZ_ASSERT(table_page_encode(&page, &encoded, &encoded_size) == 0);
    FUZZ_ASSERT(table_page_decode(&again, encoded, encoded_size) == 0);
    assert_same(&page, &again);
    table_page_clear(&again);
    table_page_clear(&page);
    free(encoded);
    return 0;
}
