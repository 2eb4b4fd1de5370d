#include "fuzz.h"
#include "table_query.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct table_query query, again;
    uint8_t *encoded;
    size_t encoded_size;

    if (table_query_decode(&query, bytes, size) != 0)
        return 0;
    FUZZ_ASSERT(query.limit >= 1 && query.limit + query.offset <= QUERY_MAX_DEPTH);
    FUZZ_ASSERT(table_query_encode(&query, &encoded, &encoded_size) == 0);
    FUZZ_ASSERT(table_query_decode(&again, encoded, encoded_size) == 0);
    FUZZ_ASSERT(query.table == again.table && query.has_addr == again.has_addr);
    FUZZ_ASSERT(query.addr_bits == again.addr_bits && query.seconds == again.seconds);
    FUZZ_ASSERT(strcmp(query.sort, again.sort) == 0);
    free(encoded);
    return 0;
}
