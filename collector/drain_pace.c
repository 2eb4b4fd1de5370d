#include "drain_pace.h"

#include <assert.h>

#include "clock.h"

int drain_pace_ms(uint64_t ring_bytes, uint64_t drained_bytes, uint64_t elapsed_ns, int most_ms)
{
    assert(ring_bytes > 0 && most_ms > 0);

    if (drained_bytes == 0)
        return most_ms;

    double fills_in_ns = (double) ring_bytes / DRAIN_PACE_PART / (double) drained_bytes
        * (double) elapsed_ns;

    if (fills_in_ns >= (double) most_ms * NS_PER_MS)
        return most_ms;
    int wait_ms = (int) (fills_in_ns / NS_PER_MS);
    int least_ms = DRAIN_PACE_LEAST_MS < most_ms ? DRAIN_PACE_LEAST_MS : most_ms;
    return wait_ms < least_ms ? least_ms : wait_ms;
}
