#include "second_timer.h"

#include "clock.h"
#include "suite.h"

static zloop_t *loop;
static struct second_timer timer;
static unsigned called, joined;
static uint64_t called_ns[4];

static void on_second(void *arg)
{
    ck_assert_ptr_eq(arg, &called);
    called_ns[called++] = clock_monotonic_ns();
}

static int on_end(zloop_t *self, int timer_id, void *arg)
{
    (void) self;
    (void) timer_id;
    (void) arg;
    return -1;
}

static int on_peer(zloop_t *self, int timer_id, void *arg)
{
    (void) self;
    (void) timer_id;
    (void) arg;
    joined++;
    second_timer_join(&timer);
    return 0;
}

static void setup(void)
{
    called = joined = 0;
    loop = zloop_new();
    ck_assert_int_eq(second_timer_start(&timer, loop, on_second, &called), 0);
}

static void teardown(void)
{
    second_timer_stop(&timer);
    second_timer_stop(&timer);
    zloop_destroy(&loop);
}

START_TEST(alone_it_comes_once_a_second)
{
    uint64_t start_ns = clock_monotonic_ns();

    zloop_timer(loop, 2500, 1, on_end, NULL);
    zloop_start(loop);
    ck_assert_uint_eq(called, 2);
    ck_assert_uint_ge(called_ns[0] - start_ns, 990 * NS_PER_MS);
    ck_assert_uint_ge(called_ns[1] - called_ns[0], 900 * NS_PER_MS);
}
END_TEST

/* The peer's seconds are 50 ms ahead of the timer's: it never comes by itself again. */
START_TEST(it_comes_with_a_peer_that_speaks_each_second)
{
    zloop_timer(loop, 950, 1, on_peer, NULL);
    zloop_timer(loop, 1950, 1, on_peer, NULL);
    zloop_timer(loop, 1970, 1, on_peer, NULL);
    zloop_timer(loop, 2300, 1, on_end, NULL);
    zloop_start(loop);
    ck_assert_uint_eq(joined, 3);
    ck_assert_uint_eq(called, 2);
}
END_TEST

START_TEST(when_the_peer_falls_silent_it_comes_alone)
{
    zloop_timer(loop, 950, 1, on_peer, NULL);
    zloop_timer(loop, 2700, 1, on_end, NULL);
    zloop_start(loop);
    ck_assert_uint_eq(called, 2);
    ck_assert_uint_ge(called_ns[1] - called_ns[0], 1000 * NS_PER_MS);
}
END_TEST

/* Both timers are due in one round of the loop, the peer's first. */
START_TEST(it_comes_once_when_it_is_due_together_with_the_peer)
{
    struct timespec late = { .tv_sec = 1, .tv_nsec = 100000000 };

    zloop_timer(loop, 950, 1, on_peer, NULL);
    nanosleep(&late, NULL);
    zloop_timer(loop, 1500, 1, on_end, NULL);
    zloop_start(loop);
    ck_assert_uint_eq(joined, 1);
    ck_assert_uint_eq(called, 2);
}
END_TEST

START_TEST(stopped_it_comes_no_more)
{
    second_timer_stop(&timer);
    second_timer_join(&timer);
    zloop_timer(loop, 1200, 1, on_end, NULL);
    zloop_start(loop);
    ck_assert_uint_eq(called, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("second_timer");
    TCase *tcase = tcase_create("seconds");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, alone_it_comes_once_a_second);
    tcase_add_test(tcase, it_comes_with_a_peer_that_speaks_each_second);
    tcase_add_test(tcase, when_the_peer_falls_silent_it_comes_alone);
    tcase_add_test(tcase, it_comes_once_when_it_is_due_together_with_the_peer);
    tcase_add_test(tcase, stopped_it_comes_no_more);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
