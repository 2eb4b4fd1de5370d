#include "source_counters.h"

#include "suite.h"

START_TEST(what_has_no_record_is_not_due)
{
    struct ntc_counters counters = { 0 };

    source_counters_add(&counters, PACKET_TCP, PACKET_INGRESS, PACKET_PASS, 10, 1000);
    source_counters_add(&counters, PACKET_OTHER, PACKET_EGRESS, PACKET_SSH, 7, 700);
    counters.not_ip_packets = 2;
    counters.not_ip_bytes = 200;
    counters.unparsed_packets = 1;
    counters.unparsed_bytes = 100;
    ck_assert_uint_eq(source_counters_due_packets(&counters), 14);
    ck_assert_uint_eq(source_counters_due_bytes(&counters), 1400);
}
END_TEST

START_TEST(every_counter_is_shown_in_its_place)
{
    struct ntc_counters counters = { .ring_lost_records = 3, .ring_lost_packets = 4,
                                     .ring_lost_bytes = 5, .unparsed_packets = 6 };
    struct collector_status status = { 0 };
    uint64_t next = 1;

    for (unsigned group = 0; group < PACKET_GROUPS; group++)
        for (unsigned direction = 0; direction < PACKET_DIRECTIONS; direction++)
            for (unsigned action = 0; action < PACKET_ACTIONS; action++, next++)
                source_counters_add(&counters, group, direction, action, next, 10 * next);
    source_counters_show(&counters, &status);
    for (unsigned i = 0; i < STATUS_COUNTERS; i++) {
        ck_assert_uint_eq(status.packets[i], i + 1);
        ck_assert_uint_eq(status.bytes[i], 10 * (i + 1));
    }
    ck_assert_uint_eq(status.unparsed_packets, 6);
    ck_assert_uint_eq(status.loss_count, 1);
    ck_assert_str_eq(status.losses[0].stage, "ring");
    ck_assert_uint_eq(status.losses[0].records, 3);
    ck_assert_uint_eq(status.losses[0].packets, 4);
    ck_assert_uint_eq(status.losses[0].bytes, 5);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("source_counters");
    TCase *tcase = tcase_create("counters");

    tcase_add_test(tcase, what_has_no_record_is_not_due);
    tcase_add_test(tcase, every_counter_is_shown_in_its_place);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
