#include <errno.h>

#include "fuzz.h"
#include "ip_addr.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct ip_prefix prefix, again;
    char why[160] = "", text[IP_PREFIX_TEXT_SIZE];
    char *copy = strndup((const char *) bytes, size);

    FUZZ_ASSERT(copy);
    int rc = ip_prefix_parse(copy, &prefix, why, sizeof why);
    free(copy);
    if (rc != 0) {
        FUZZ_ASSERT(rc == -EINVAL && why[0] != '\0' && strlen(why) < sizeof why - 1);
        return 0;
    }
    FUZZ_ASSERT(ip_prefix_format(&prefix, text) < sizeof text);
    FUZZ_ASSERT(ip_prefix_parse(text, &again, why, sizeof why) == 0);
    FUZZ_ASSERT(ip_prefix_compare(&prefix, &again) == 0);
    FUZZ_ASSERT(ip_prefix_contains(&prefix, again.addr.bytes));
    return 0;
}
