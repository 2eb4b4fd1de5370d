/* process_cost - what this process has used, as the process_* metrics of Prometheus name it. */
#ifndef PROCESS_COST_H
#define PROCESS_COST_H

#include <stdint.h>

struct process_cost {
    double cpu_seconds;         /* user and system, since start */
    uint64_t resident_bytes;
    uint32_t open_fds;
};

/* Read the figures of the calling process: getrusage(2), /proc/self/statm, /proc/self/fd.  What
 * cannot be read is 0. */
struct process_cost process_cost_read(void);

#endif
