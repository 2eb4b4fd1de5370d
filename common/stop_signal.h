/* stop_signal - make SIGINT, SIGTERM and SIGUSR1 end the reactor, and nothing else.
 *
 * SIGUSR1 stands for a restart: the next process goes on at once, so what is enforced stays.
 *
 * czmq's own handler only sets a flag that zloop looks at between two polls; a file descriptor
 * wakes the poll itself, so a process stops at once.
 */
#ifndef STOP_SIGNAL_H
#define STOP_SIGNAL_H

#include <czmq.h>

/* Block these signals in this thread and every thread it creates later, switch czmq's handler off,
 * ignore SIGPIPE, and deliver the signals through a file descriptor.  Call it first in main(): a
 * thread that already runs keeps its own signal mask.
 * Returns the descriptor, which the caller closes, or -errno. */
int stop_signal_open(void);

/* Which signal came: SIGINT, SIGTERM, SIGUSR1, or 0 for none.  Takes it off `fd`. */
int stop_signal_take(int fd);

/* End `loop` (zloop_start() returns -1) when a signal arrives on `fd`, as opened above.
 * Returns 0 or -ENOMEM. */
int stop_signal_watch(zloop_t *loop, int fd);

#endif
