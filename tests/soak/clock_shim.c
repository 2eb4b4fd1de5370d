/* clock_shim - a wall clock that jumps for one process, never for the machine.
 *
 * Preloaded (LD_PRELOAD).  Adds the number of nanoseconds (int64_t, this machine's byte order) that
 * the file $NTC_CLOCK_OFFSET holds to CLOCK_REALTIME; the file may change at any moment.
 * CLOCK_MONOTONIC and CLOCK_BOOTTIME stay what they are, as when a clock is set.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SECOND_NS 1000000000

typedef int clock_gettime_fn(clockid_t clock, struct timespec *ret_time);

static const volatile int64_t *offset_ns;
static clock_gettime_fn *real_clock_gettime;

__attribute__((constructor)) static void open_offset(void)
{
    const char *path = getenv("NTC_CLOCK_OFFSET");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;

    if (fd < 0)
        return;
    void *mapped = mmap(NULL, sizeof *offset_ns, PROT_READ, MAP_SHARED, fd, 0);
    if (mapped != MAP_FAILED)
        offset_ns = mapped;
    close(fd);
}

/* The constructors of other libraries run before ours, and ask for the time. */
int clock_gettime(clockid_t clock, struct timespec *ret_time)
{
    if (!real_clock_gettime)
        *(void **) &real_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
    int rc = real_clock_gettime(clock, ret_time);

    if (rc != 0 || !offset_ns || (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE))
        return rc;
    int64_t ns = ret_time->tv_nsec + *offset_ns % SECOND_NS;
    ret_time->tv_sec += *offset_ns / SECOND_NS + (ns < 0 ? -1 : ns / SECOND_NS);
    ret_time->tv_nsec = ns < 0 ? ns + SECOND_NS : ns % SECOND_NS;
    return rc;
}

time_t time(time_t *ret_time)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    if (ret_time)
        *ret_time = now.tv_sec;
    return now.tv_sec;
}

int gettimeofday(struct timeval *restrict ret_time, void *restrict zone)
{
    struct timespec now;

    (void) zone;
    clock_gettime(CLOCK_REALTIME, &now);
    *ret_time = (struct timeval) { now.tv_sec, now.tv_nsec / 1000 };
    return 0;
}
