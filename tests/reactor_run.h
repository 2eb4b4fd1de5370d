/* reactor_run - turn a zloop until something has happened. */
#ifndef REACTOR_RUN_H
#define REACTOR_RUN_H

#include <check.h>
#include <czmq.h>

#define REACTOR_RUN_S 10        /* for anything that should happen at once */

typedef bool reactor_condition_fn(void *arg);

struct reactor_wait {
    reactor_condition_fn *condition;
    void *arg;
    bool is_met;
    int64_t deadline_ms;
};

static inline int reactor_look(zloop_t *loop, int timer_id, void *arg)
{
    struct reactor_wait *wait = arg;

    (void) loop;
    (void) timer_id;
    wait->is_met = wait->condition(wait->arg);
    return wait->is_met || zclock_mono() > wait->deadline_ms ? -1 : 0;
}

/* Run the loop until `condition` holds; fail when it does not within REACTOR_RUN_S. */
static inline void reactor_run_until(zloop_t *loop, reactor_condition_fn *condition, void *arg)
{
    struct reactor_wait wait = {
        .condition = condition, .arg = arg,
        .deadline_ms = zclock_mono() + REACTOR_RUN_S * 1000,
    };
    int timer = zloop_timer(loop, 2, 0, reactor_look, &wait);

    zloop_start(loop);
    zloop_timer_end(loop, timer);
    ck_assert_msg(wait.is_met, "not within %d s", REACTOR_RUN_S);
}

#endif
