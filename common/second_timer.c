#include "second_timer.h"

#include <assert.h>
#include <errno.h>

#include "clock.h"

#define EARLIEST_NS (900 * NS_PER_MS)
#define LATEST_MS 1100          /* while somebody joins: a peer's second must come first */

static int on_timer(zloop_t *loop, int timer_id, void *arg);

static void arm(struct second_timer *self, size_t delay_ms)
{
    self->id = zloop_timer(self->loop, delay_ms, 1, on_timer, self);
}

/* zloop may still call a timer that was ended in the same round. */
static int on_timer(zloop_t *loop, int timer_id, void *arg)
{
    struct second_timer *self = arg;

    (void) loop;
    if (timer_id != self->id)
        return 0;
    self->called_ns = clock_monotonic_ns();
    arm(self, SECOND_TIMER_MS);
    self->on_second(self->arg);
    return 0;
}

int second_timer_start(struct second_timer *self, zloop_t *loop, second_timer_fn *on_second,
                       void *arg)
{
    assert(self && loop && on_second);

    *self = (struct second_timer) { .loop = loop, .called_ns = clock_monotonic_ns(),
                                    .on_second = on_second, .arg = arg };
    arm(self, SECOND_TIMER_MS);
    return self->id < 0 ? -ENOMEM : 0;
}

void second_timer_join(struct second_timer *self)
{
    uint64_t now_ns = clock_monotonic_ns();

    if (!self->loop || now_ns - self->called_ns < EARLIEST_NS)
        return;
    if (self->id >= 0)
        zloop_timer_end(self->loop, self->id);
    self->called_ns = now_ns;
    arm(self, LATEST_MS);
    self->on_second(self->arg);
}

void second_timer_stop(struct second_timer *self)
{
    if (self->loop && self->id >= 0)
        zloop_timer_end(self->loop, self->id);
    *self = (struct second_timer) { 0 };
}
