#include "service_notify.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Returns 0 or -errno.  Never waits: a manager that is behind misses a sign of life, not us. */
static int notify(const char *message)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    const char *path = getenv("NOTIFY_SOCKET");
    size_t length = path ? strlen(path) : 0;

    if (length == 0)
        return 0;
    if ((path[0] != '/' && path[0] != '@') || length >= sizeof address.sun_path)
        return -EAFNOSUPPORT;
    memcpy(address.sun_path, path, length);
    if (path[0] == '@')
        address.sun_path[0] = '\0';     /* an abstract address */
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    ssize_t sent = sendto(fd, message, strlen(message), MSG_NOSIGNAL | MSG_DONTWAIT,
                          (const struct sockaddr *) &address,
                          (socklen_t) (offsetof(struct sockaddr_un, sun_path) + length));
    int rc = sent < 0 ? -errno : 0;
    close(fd);
    return rc;
}

int service_notify_ready(void)
{
    return notify("READY=1");
}

int service_notify_stopping(void)
{
    return notify("STOPPING=1");
}

/* The watchdog interval in microseconds, 0 = nobody watches this process. */
static unsigned long long watchdog_us(void)
{
    const char *interval = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");

    if (!interval || (pid && strtol(pid, NULL, 10) != (long) getpid()))
        return 0;
    return strtoull(interval, NULL, 10);
}

static int on_sign_of_life(zloop_t *loop, int timer_id, void *arg)
{
    (void) loop, (void) timer_id, (void) arg;
    notify("WATCHDOG=1");
    return 0;
}

int service_notify_watch(zloop_t *loop)
{
    assert(loop);

    unsigned long long half_ms = watchdog_us() / 2000;
    if (half_ms == 0 || half_ms > INT_MAX)
        return 0;
    return zloop_timer(loop, (size_t) half_ms, 0, on_sign_of_life, NULL) < 0 ? -ENOMEM : 0;
}
