/* clock - the three clocks of NTC, each for one purpose.
 *
 * Records and expiry use CLOCK_BOOTTIME (never set, runs while suspended).  Timeouts of one process
 * use CLOCK_MONOTONIC.  Wall time is only for people and files.
 */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>
#include <time.h>

#define NS_PER_S 1000000000ull
#define NS_PER_MS 1000000ull

static inline uint64_t clock_read_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (uint64_t) now.tv_sec * NS_PER_S + (uint64_t) now.tv_nsec;
}

static inline uint64_t clock_boot_ns(void) { return clock_read_ns(CLOCK_BOOTTIME); }
static inline uint64_t clock_monotonic_ns(void) { return clock_read_ns(CLOCK_MONOTONIC); }
static inline uint64_t clock_wall_ns(void) { return clock_read_ns(CLOCK_REALTIME); }

/* What to add to a CLOCK_BOOTTIME time to get nanoseconds since 1970, as of now. */
static inline int64_t clock_wall_offset_ns(void)
{
    return (int64_t) (clock_wall_ns() - clock_boot_ns());
}

#endif
