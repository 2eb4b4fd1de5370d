/* service_notify - tells the service manager how this process is (sd_notify(3), Type=notify).
 *
 * The protocol is one datagram to the socket that the environment names, so no library is needed.
 * Without a service manager every function does nothing and succeeds.
 */
#ifndef SERVICE_NOTIFY_H
#define SERVICE_NOTIFY_H

#include <czmq.h>

/* Say that this process is at work: what waits for it may start.
 * Returns 0 or -errno: the manager will then think that the start has failed. */
int service_notify_ready(void);

/* Say that this process has begun to stop.  Returns 0 or -errno. */
int service_notify_stopping(void);

/* Show life twice in every watchdog interval, from `loop`: a loop that hangs is noticed.
 * Returns 0 or -ENOMEM. */
int service_notify_watch(zloop_t *loop);

#endif
