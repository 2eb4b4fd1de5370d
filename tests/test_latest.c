#include "latest.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>

#include "clock.h"
#include "full_snapshot.h"
#include "suite.h"

static latest_t *latest;

static void setup(void) { latest = latest_new(); }
static void teardown(void) { latest_destroy(&latest); }

START_TEST(before_the_first_snapshot_everything_is_zero)
{
    struct latest_view view = latest_take(latest, 1);

    ck_assert_int_eq(view.state, PEER_AWAY);
    ck_assert(isinf(view.age_s));
    ck_assert_uint_eq(view.snapshot->collector_count, 0);
    latest_release(&view);
}
END_TEST

START_TEST(a_snapshot_grows_stale)
{
    ck_assert_int_eq(latest_put(latest, full_snapshot(1), 10 * NS_PER_S), 0);
    struct latest_view view = latest_take(latest, 12 * NS_PER_S);
    ck_assert_int_eq(view.state, PEER_LIVE);
    ck_assert_double_eq(view.age_s, 2);
    latest_release(&view);
    view = latest_take(latest, 14 * NS_PER_S);
    ck_assert_int_eq(view.state, PEER_STALE);
    ck_assert_uint_eq(view.snapshot->active_ips, 10);
    latest_release(&view);
}
END_TEST

START_TEST(a_held_snapshot_outlives_the_next_one)
{
    latest_put(latest, full_snapshot(1), 1);
    struct latest_view view = latest_take(latest, 1);
    latest_put(latest, full_snapshot(2), 2);
    latest_put(latest, full_snapshot(3), 3);
    ck_assert_uint_eq(view.snapshot->collector_count, 1);
    ck_assert_str_eq(view.snapshot->collectors[0].status.collector_id, "c0");
    latest_destroy(&latest);
    ck_assert_uint_eq(view.snapshot->collector_count, 1);
    latest_release(&view);
}
END_TEST

static atomic_bool stop;

static void *read_all_the_time(void *arg)
{
    (void) arg;
    while (!atomic_load(&stop)) {
        struct latest_view view = latest_take(latest, 1);
        if (view.snapshot->collector_count > 0)
            ck_assert_uint_eq(view.snapshot->collectors[0].status.boot_id, 0xabc);
        latest_release(&view);
    }
    return NULL;
}

START_TEST(readers_and_the_writer_do_not_meet)
{
    pthread_t readers[3];

    for (int i = 0; i < 3; i++)
        pthread_create(&readers[i], NULL, read_all_the_time, NULL);
    for (uint32_t i = 0; i < 2000; i++)
        latest_put(latest, full_snapshot(i % 3), i);
    atomic_store(&stop, true);
    for (int i = 0; i < 3; i++)
        pthread_join(readers[i], NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("latest");
    TCase *tcase = tcase_create("sharing");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, before_the_first_snapshot_everything_is_zero);
    tcase_add_test(tcase, a_snapshot_grows_stale);
    tcase_add_test(tcase, a_held_snapshot_outlives_the_next_one);
    tcase_add_test(tcase, readers_and_the_writer_do_not_meet);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
