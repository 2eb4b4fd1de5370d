#include "drain_pace.h"

#include "clock.h"
#include "random_values.h"
#include "suite.h"

#define RING (8 << 20)

START_TEST(little_traffic_waits_as_long_as_it_may)
{
    ck_assert_int_eq(drain_pace_ms(RING, 0, 0, 40), 40);
    ck_assert_int_eq(drain_pace_ms(RING, 100, 40 * NS_PER_MS, 40), 40);
    ck_assert_int_eq(drain_pace_ms(RING, 100, 40 * NS_PER_MS, 10), 10);
}
END_TEST

START_TEST(a_flood_waits_as_short_as_it_can)
{
    ck_assert_int_eq(drain_pace_ms(RING, RING, NS_PER_MS, 40), DRAIN_PACE_LEAST_MS);
    ck_assert_int_eq(drain_pace_ms(RING, RING, 0, 40), DRAIN_PACE_LEAST_MS);
    ck_assert_int_eq(drain_pace_ms(RING, RING, NS_PER_MS, 1), 1);
}
END_TEST

/* What comes at one rate never fills more than the part that it may, unless in the least time. */
START_TEST(the_ring_never_fills_further_at_a_steady_rate)
{
    for (unsigned seed = 1; seed <= 1000; seed++) {
        srandom(seed);
        uint64_t elapsed_ns = 1 + random_u64() % (40 * NS_PER_MS);
        uint64_t drained = random_u64() % RING;
        int wait_ms = drain_pace_ms(RING, drained, elapsed_ns, 40);
        double filled = (double) drained / (double) elapsed_ns * wait_ms * NS_PER_MS;

        ck_assert_int_ge(wait_ms, DRAIN_PACE_LEAST_MS);
        ck_assert_int_le(wait_ms, 40);
        ck_assert(filled <= (double) RING / DRAIN_PACE_PART || wait_ms == DRAIN_PACE_LEAST_MS);
        if (wait_ms < 40)       /* and it is not left alone for shorter than that */
            ck_assert(filled / wait_ms * (wait_ms + 1) >= (double) RING / DRAIN_PACE_PART);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("drain_pace");
    TCase *tcase = tcase_create("waits");

    tcase_add_test(tcase, little_traffic_waits_as_long_as_it_may);
    tcase_add_test(tcase, a_flood_waits_as_short_as_it_can);
    tcase_add_test(tcase, the_ring_never_fills_further_at_a_steady_rate);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
