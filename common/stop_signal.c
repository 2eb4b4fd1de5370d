#include "stop_signal.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

int stop_signal_open(void)
{
    sigset_t stops;

    sigemptyset(&stops);
    sigaddset(&stops, SIGINT);
    sigaddset(&stops, SIGTERM);
    sigaddset(&stops, SIGUSR1);
    int rc = pthread_sigmask(SIG_BLOCK, &stops, NULL);
    if (rc != 0)
        return -rc;
    signal(SIGPIPE, SIG_IGN);
    zsys_handler_set(NULL);
    int fd = signalfd(-1, &stops, SFD_CLOEXEC | SFD_NONBLOCK);
    return fd < 0 ? -errno : fd;
}

int stop_signal_take(int fd)
{
    struct signalfd_siginfo info;

    return read(fd, &info, sizeof info) == (ssize_t) sizeof info ? (int) info.ssi_signo : 0;
}

static int on_stop(zloop_t *loop, zmq_pollitem_t *item, void *arg)
{
    (void) loop;
    (void) item;
    (void) arg;
    return -1;                  /* -1 is how a handler ends zloop_start() */
}

int stop_signal_watch(zloop_t *loop, int fd)
{
    zmq_pollitem_t item = { .fd = fd, .events = ZMQ_POLLIN };

    return zloop_poller(loop, &item, on_stop, NULL) == 0 ? 0 : -ENOMEM;
}
