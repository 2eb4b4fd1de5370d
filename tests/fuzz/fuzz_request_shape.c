#include "fuzz.h"
#include "request_shape.h"

/* The first bytes of a connection.  What is refused stays refused when more comes, and whoever is
 * ready has an end of the head that any parser finds at the same place. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const char *text = (const char *) bytes, *why = NULL;
    enum request_state state = request_shape_judge(text, size, 1000, &why);

    FUZZ_ASSERT((state == REQUEST_BAD) == (why != NULL));
    for (size_t cut = size / 2; size > 0 && cut < size; cut += 1 + size / 8) {
        const char *before = NULL;
        if (request_shape_judge(text, cut, 1000, &before) == REQUEST_BAD)
            FUZZ_ASSERT(state == REQUEST_BAD && before == why);
    }
    if (state == REQUEST_READY && size < REQUEST_HEAD_MAX) {
        const char *end = memmem(text, size, "\r\n\r\n", 4);
        FUZZ_ASSERT(end);
        for (const char *c = text; c < end; c++)
            FUZZ_ASSERT(*c != '\n' || c[-1] == '\r');
    }
    return 0;
}
