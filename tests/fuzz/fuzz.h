/* fuzz - what the fuzz targets share.  A target is one function that libFuzzer calls with bytes. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* End with a report unless `condition` holds. */
#define FUZZ_ASSERT(condition)                                                                     \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition);          \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* What is decoded, encoded and decoded again must be the same. */
#define FUZZ_ASSERT_SAME(a, b, size) FUZZ_ASSERT((size) == 0 || memcmp((a), (b), (size)) == 0)

#endif
