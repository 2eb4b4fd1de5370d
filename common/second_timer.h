/* second_timer - calls a handler about once a second, where it can together with something else.
 *
 * A process that sleeps is woken by what its peer says once a second.  Work that is due once a
 * second is then done at the same time, so that it need not be woken for it again.
 */
#ifndef SECOND_TIMER_H
#define SECOND_TIMER_H

#include <czmq.h>

#define SECOND_TIMER_MS 1000

typedef void second_timer_fn(void *arg);

struct second_timer {
    zloop_t *loop;              /* NULL = not started */
    int id;                     /* of the loop's timer; -1 = there was no memory for it */
    uint64_t called_ns;         /* CLOCK_MONOTONIC */
    second_timer_fn *on_second;
    void *arg;
};

/* Call `on_second` from now on, the first time in a second.  `self` must stay where it is.
 * Returns 0 or -ENOMEM. */
int second_timer_start(struct second_timer *self, zloop_t *loop, second_timer_fn *on_second,
                       void *arg);

/* The process is awake for something that comes about once a second: if the next call is nearly
 * due, make it now.  Between two calls there are 0.9 to 1.1 seconds. */
void second_timer_join(struct second_timer *self);

/* Call it no more.  Does nothing on a zeroed timer. */
void second_timer_stop(struct second_timer *self);

#endif
