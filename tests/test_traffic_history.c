#include "traffic_history.h"

#include <string.h>

#include "clock.h"
#include "suite.h"

static traffic_history_t *history;
static uint64_t packets[STATUS_COUNTERS], bytes[STATUS_COUNTERS];

static void setup(void)
{
    history = traffic_history_new(4);
    ck_assert_ptr_nonnull(history);
    memset(packets, 0, sizeof packets);
    memset(bytes, 0, sizeof bytes);
}

static void teardown(void)
{
    traffic_history_destroy(&history);
    ck_assert_ptr_null(history);
}

static uint64_t at(double second) { return (uint64_t) (second * 1e9); }

static void count(unsigned group, unsigned direction, unsigned action, uint64_t more)
{
    packets[status_counter_index(group, direction, action)] += more;
    bytes[status_counter_index(group, direction, action)] += 1000 * more;
}

static void tell(double second) { traffic_history_add(history, 0, at(second), packets, bytes); }

static uint64_t packets_of(uint32_t second) { return traffic_history_of(history, second).packets; }

static const struct history_series *series_of(const struct history *page, const char *name)
{
    for (uint32_t i = 0; i < page->series_count; i++)
        if (strcmp(page->series[i].name, name) == 0)
            return &page->series[i];
    ck_abort_msg("no series %s", name);
    return NULL;
}

START_TEST(the_first_counters_are_a_baseline)
{
    count(PACKET_TCP, PACKET_INGRESS, PACKET_PASS, 1000000);
    tell(100.5);
    count(PACKET_TCP, PACKET_INGRESS, PACKET_PASS, 10);
    tell(101.5);

    ck_assert_uint_eq(packets_of(100), 5);
    ck_assert_uint_eq(packets_of(101), 5);
    ck_assert_uint_eq(packets_of(99), 0);
    ck_assert_uint_eq(packets_of(102), 0);
}
END_TEST

START_TEST(a_late_status_makes_no_spike)
{
    tell(100);
    for (double second = 101; second <= 105; second++) {
        count(PACKET_UDP, PACKET_EGRESS, PACKET_DROP, 100);
        if (second != 102 && second != 103)
            tell(second + (second == 104 ? 0.5 : 0));
    }
    for (uint32_t second = 100; second < 103; second++)
        ck_assert_uint_le(packets_of(second), 101);
    ck_assert_uint_eq(packets_of(100) + packets_of(101) + packets_of(102) + packets_of(103)
                      + packets_of(104), 500);
    ck_assert_uint_ge(packets_of(102), 80);
}
END_TEST

START_TEST(counters_that_went_back_are_a_baseline)
{
    count(PACKET_TCP, PACKET_INGRESS, PACKET_PASS, 50);
    tell(100);
    packets[status_counter_index(PACKET_TCP, PACKET_INGRESS, PACKET_PASS)] = 20;
    tell(101);
    count(PACKET_TCP, PACKET_INGRESS, PACKET_PASS, 7);
    tell(102);

    ck_assert_uint_eq(packets_of(100), 0);
    ck_assert_uint_eq(packets_of(101), 7);
}
END_TEST

START_TEST(a_clock_that_went_back_or_was_forgotten_is_a_baseline)
{
    tell(100);
    count(PACKET_TCP, PACKET_INGRESS, PACKET_PASS, 50);
    tell(90);
    count(PACKET_TCP, PACKET_INGRESS, PACKET_PASS, 50);
    traffic_history_forget(history, 0);
    tell(101);
    for (uint32_t second = 85; second < 105; second++)
        ck_assert_uint_eq(packets_of(second), 0);
}
END_TEST

START_TEST(a_clock_that_stands_still_loses_nothing)
{
    tell(100);
    count(PACKET_TCP, PACKET_INGRESS, PACKET_PASS, 50);
    tell(100);
    count(PACKET_TCP, PACKET_INGRESS, PACKET_PASS, 50);
    tell(100);
    ck_assert_uint_eq(packets_of(100), 100);
}
END_TEST

START_TEST(series_split_the_same_packets_by_action_and_by_protocol)
{
    struct history page;

    tell(100);
    count(PACKET_TCP, PACKET_INGRESS, PACKET_PASS, 1);
    count(PACKET_UDP, PACKET_INGRESS, PACKET_PASS, 2);
    count(PACKET_ICMP, PACKET_EGRESS, PACKET_DROP, 4);
    count(PACKET_OTHER, PACKET_EGRESS, PACKET_SSH, 8);
    count(PACKET_TCP, PACKET_EGRESS, PACKET_SKIP, 16);
    tell(101);
    ck_assert_int_eq(traffic_history_read(history, 100, 3600, &page), 0);

    ck_assert_uint_eq(page.length, 1);
    ck_assert_uint_eq(page.series_count, HISTORY_SERIES);
    ck_assert_uint_eq(series_of(&page, "ingress_pass")->packets[0], 3);
    ck_assert_uint_eq(series_of(&page, "egress_drop")->packets[0], 4);
    ck_assert_uint_eq(series_of(&page, "egress_ssh")->bytes[0], 8000);
    ck_assert_uint_eq(series_of(&page, "egress_skip")->packets[0], 16);
    ck_assert_uint_eq(series_of(&page, "tcp")->packets[0], 17);
    ck_assert_uint_eq(series_of(&page, "udp")->packets[0], 2);
    ck_assert_uint_eq(series_of(&page, "icmp")->bytes[0], 4000);
    ck_assert_uint_eq(series_of(&page, "other")->packets[0], 8);
    free(page.values);
}
END_TEST

START_TEST(the_last_second_waits_for_all_that_do_not_rest)
{
    traffic_history_add(history, 0, at(100.2), packets, bytes);
    traffic_history_add(history, 2, at(98.9), packets, bytes);
    ck_assert_uint_eq(traffic_history_last(history, 100), 97);
    traffic_history_add(history, 2, at(100.9), packets, bytes);
    ck_assert_uint_eq(traffic_history_last(history, 100), 99);
    traffic_history_add(history, 0, at(105), packets, bytes);
    ck_assert_uint_eq(traffic_history_last(history, 105), 99);      /* their clocks lie apart */
    traffic_history_rest(history, 2);
    ck_assert_uint_eq(traffic_history_last(history, 105), 104);
    traffic_history_add(history, 2, at(101.9), packets, bytes);     /* it is back */
    ck_assert_uint_eq(traffic_history_last(history, 105), 100);
    ck_assert_uint_eq(traffic_history_last(history, 140), 139);     /* too far behind */
}
END_TEST

START_TEST(only_one_hour_is_kept)
{
    struct history page;

    tell(100);
    for (double second = 101; second <= 100 + 2 * HISTORY_MAX_S; second++) {
        count(PACKET_TCP, PACKET_INGRESS, PACKET_PASS, (uint64_t) second);
        tell(second);
    }
    uint32_t last = 99 + 2 * HISTORY_MAX_S;
    ck_assert_int_eq(traffic_history_read(history, last, HISTORY_MAX_S, &page), 0);
    ck_assert_uint_eq(page.length, HISTORY_MAX_S);
    for (uint32_t i = 0; i < page.length; i++)
        ck_assert_uint_eq(series_of(&page, "tcp")->packets[i], last - HISTORY_MAX_S + 1 + i + 1);
    free(page.values);
    ck_assert_uint_eq(packets_of(last - 2 * HISTORY_MAX_S + 5), 0);
}
END_TEST

START_TEST(a_gap_of_days_is_spread_over_days)
{
    double later = 100 + 10.0 * HISTORY_MAX_S;

    tell(100);
    count(PACKET_TCP, PACKET_INGRESS, PACKET_PASS, 10 * HISTORY_MAX_S);
    tell(later);
    ck_assert_uint_eq(packets_of((uint32_t) later - 1), 1);
    ck_assert_uint_eq(packets_of((uint32_t) later - HISTORY_MAX_S + 1), 1);
}
END_TEST

/* Whatever the times of the statuses, the sum over all seconds is what was counted. */
START_TEST(nothing_is_lost_or_counted_twice)
{
    uint64_t total = 0, seen = 0;
    double second = 100;

    srandom((unsigned) _i);
    tell(second);
    while (second < 1000) {
        uint64_t more = (uint64_t) random() % 100000;
        count((unsigned) random() % 4, random() & 1, random() & 3, more);
        total += more;
        second += (double) (random() % 3000) / 1000;
        tell(second);
    }
    for (uint32_t i = 0; i < 1100; i++)
        seen += packets_of(i);
    ck_assert_uint_eq(seen, total);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("traffic_history");
    TCase *tcase = tcase_create("seconds");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, the_first_counters_are_a_baseline);
    tcase_add_test(tcase, a_late_status_makes_no_spike);
    tcase_add_test(tcase, counters_that_went_back_are_a_baseline);
    tcase_add_test(tcase, a_clock_that_went_back_or_was_forgotten_is_a_baseline);
    tcase_add_test(tcase, a_clock_that_stands_still_loses_nothing);
    tcase_add_test(tcase, series_split_the_same_packets_by_action_and_by_protocol);
    tcase_add_test(tcase, the_last_second_waits_for_all_that_do_not_rest);
    tcase_add_test(tcase, only_one_hour_is_kept);
    tcase_add_test(tcase, a_gap_of_days_is_spread_over_days);
    tcase_add_loop_test(tcase, nothing_is_lost_or_counted_twice, 0, 32);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
