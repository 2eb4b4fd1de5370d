#include "loss_ledger.h"

#include "suite.h"

/* A collector that publishes records of random size, and the aggregator's account of what came. */
struct collector {
    struct batch_header header; /* of the next batch */
    uint64_t published_packets, published_bytes;    /* earlier boot_ids included */
    struct packet_sums accounted;
    uint64_t lost_packets, lost_records;
};

static struct loss_ledger ledger;
static struct collector collector;

static void setup(void)
{
    ledger = (struct loss_ledger) { 0 };
    collector = (struct collector) {
        .header = { .boot_id = 7, .first_seq = 1 },
        .published_packets = 1000, .published_bytes = 100000,
        .accounted = { 50, 5000 },              /* of an earlier stream */
    };
}

/* Publish one batch; it may get lost.  Returns what the ledger said, false for a lost one. */
static bool publish(uint32_t records, uint64_t packets, bool is_lost)
{
    struct packet_view view = {
        .header = collector.header, .size = records, .sum_packets = packets,
        .sum_bytes = 100 * packets,
    };
    bool is_new = false;

    collector.header.first_seq += records;
    collector.header.packets_before += packets;
    collector.header.bytes_before += 100 * packets;
    collector.published_packets += packets;
    collector.published_bytes += 100 * packets;
    if (is_lost) {
        collector.lost_packets += packets;
        collector.lost_records += records;
    } else {
        is_new = loss_ledger_on_batch(&ledger, &view, collector.accounted);
        collector.accounted.packets += packets;
        collector.accounted.bytes += 100 * packets;
    }
    return is_new;
}

static struct collector_status status_now(void)
{
    return (struct collector_status) {
        .boot_id = collector.header.boot_id,
        .next_seq = collector.header.first_seq,
        .published_packets = collector.published_packets,
        .published_bytes = collector.published_bytes,
        .due_low = collector.published_packets,
        .due_high = collector.published_packets,
    };
}

static bool tell(void)
{
    struct collector_status status = status_now();

    return loss_ledger_on_status(&ledger, &status, collector.accounted);
}

START_TEST(a_stream_without_loss_leaves_no_difference)
{
    ck_assert(publish(10, 20, false));
    ck_assert(!publish(10, 30, false));
    ck_assert(!tell());
    ck_assert_uint_eq(ledger.base.packets, 1000);
    ck_assert_uint_eq(ledger.base.bytes, 100000);
    ck_assert_uint_eq(ledger.accounted.packets, 50);
    ck_assert_int_eq(ledger.difference_packets, 0);
    ck_assert_uint_eq(ledger.bus.records, 0);
}
END_TEST

START_TEST(one_who_joins_late_starts_from_what_was_published_by_then)
{
    publish(10, 20, true);
    collector.lost_records = collector.lost_packets = 0;
    ck_assert(tell());
    ck_assert_uint_eq(ledger.base.packets, 1020);
    ck_assert(!publish(5, 5, false));
    ck_assert(!tell());
    ck_assert_int_eq(ledger.difference_packets, 0);
    ck_assert_uint_eq(ledger.accounted.packets, 5);
}
END_TEST

START_TEST(packets_that_vanish_after_arrival_are_a_difference)
{
    publish(10, 20, false);
    tell();
    publish(10, 20, false);
    collector.accounted.packets -= 3;
    tell();
    ck_assert_int_eq(ledger.difference_packets, 3);
    collector.accounted.packets += 5;
    tell();
    ck_assert_int_eq(ledger.difference_packets, -2);
}
END_TEST

START_TEST(what_is_due_but_neither_published_nor_lost_is_a_difference)
{
    struct collector_status status = status_now();

    status.due_low += 10;
    status.due_high += 14;
    loss_ledger_on_status(&ledger, &status, collector.accounted);
    ck_assert_int_eq(ledger.difference_packets, 0);     /* a second look decides */
    status.due_low += 2;
    loss_ledger_on_status(&ledger, &status, collector.accounted);
    ck_assert_int_eq(ledger.difference_packets, 10);
    status.due_low -= 2;
    ck_assert_uint_eq(ledger.in_flight_packets, 14);

    status.loss_count = 2;
    status.losses[0].packets = 5;
    status.losses[1].packets = 6;
    loss_ledger_on_status(&ledger, &status, collector.accounted);
    ck_assert_int_eq(ledger.difference_packets, 0);
    ck_assert_uint_eq(ledger.in_flight_packets, 3);

    status.losses[1].packets = 10;
    loss_ledger_on_status(&ledger, &status, collector.accounted);
    ck_assert_int_eq(ledger.difference_packets, 0);
    loss_ledger_on_status(&ledger, &status, collector.accounted);
    ck_assert_int_eq(ledger.difference_packets, -1);
    ck_assert_uint_eq(ledger.in_flight_packets, 0);
}
END_TEST

START_TEST(a_new_boot_id_begins_anew)
{
    publish(10, 20, false);
    tell();
    publish(10, 20, true);
    publish(10, 20, false);
    collector.header = (struct batch_header) { .boot_id = 8, .first_seq = 1 };
    ck_assert(tell());
    ck_assert_uint_eq(ledger.bus.records, 0);
    ck_assert_uint_eq(ledger.base.packets, collector.published_packets);
    ck_assert(!publish(3, 4, false));
    tell();
    ck_assert_int_eq(ledger.difference_packets, 0);
    ck_assert_uint_eq(ledger.accounted.packets, 4);
}
END_TEST

START_TEST(numbers_that_go_back_are_a_replay_and_no_gap)
{
    publish(10, 20, false);
    tell();
    collector.header.first_seq = 1;
    collector.header.packets_before = collector.header.bytes_before = 0;
    ck_assert(publish(10, 20, false));
    ck_assert_uint_eq(ledger.bus.records, 0);
    tell();
    ck_assert_int_eq(ledger.difference_packets, 0);
}
END_TEST

START_TEST(a_gap_before_the_first_status_is_counted_exactly)
{
    publish(10, 20, false);
    publish(7, 30, true);
    tell();
    ck_assert(!ledger.has_base);
    publish(10, 20, false);
    tell();
    ck_assert_uint_eq(ledger.bus.records, 7);
    ck_assert_uint_eq(ledger.bus.packets, 30);
    ck_assert_int_eq(ledger.difference_packets, 0);
    ck_assert_uint_eq(ledger.base.packets, 1000);
}
END_TEST

START_TEST(a_gap_between_the_first_status_and_the_first_batch_is_counted_exactly)
{
    tell();
    publish(7, 30, true);
    publish(10, 20, false);
    ck_assert_uint_eq(ledger.bus.records, 7);
    ck_assert_uint_eq(ledger.bus.packets, 0);
    tell();
    ck_assert_uint_eq(ledger.bus.packets, 30);
    ck_assert_uint_eq(ledger.bus.bytes, 3000);
    ck_assert_int_eq(ledger.difference_packets, 0);
}
END_TEST

START_TEST(numbers_that_make_no_sense_show_as_a_difference)
{
    publish(10, 20, false);
    tell();
    collector.published_packets -= 5;
    tell();
    ck_assert_int_lt(ledger.difference_packets, 0);
    ck_assert_uint_eq(ledger.bus.packets, 0);
}
END_TEST

/* Batches are lost at random, statuses too: whenever a status comes, all is explained. */
START_TEST(every_loss_on_the_bus_is_counted_to_the_packet)
{
    srandom((unsigned) _i);
    tell();
    for (int i = 0; i < 2000; i++) {
        uint32_t records = 1 + (uint32_t) random() % 512;
        publish(records, records + (uint64_t) random() % 5000, random() % 5 == 0);
        if (random() % 4)
            continue;
        tell();
        ck_assert_int_eq(ledger.difference_packets, 0);
        ck_assert_uint_eq(ledger.bus_then.packets, collector.lost_packets);
        ck_assert_uint_eq(ledger.bus_then.records, collector.lost_records);
        ck_assert_uint_eq(ledger.bus_then.bytes, 100 * collector.lost_packets);
        ck_assert_uint_eq(ledger.base.packets, 1000);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("loss_ledger");
    TCase *tcase = tcase_create("stream");

    tcase_add_checked_fixture(tcase, setup, NULL);
    tcase_add_test(tcase, a_stream_without_loss_leaves_no_difference);
    tcase_add_test(tcase, one_who_joins_late_starts_from_what_was_published_by_then);
    tcase_add_test(tcase, packets_that_vanish_after_arrival_are_a_difference);
    tcase_add_test(tcase, what_is_due_but_neither_published_nor_lost_is_a_difference);
    tcase_add_test(tcase, a_new_boot_id_begins_anew);
    tcase_add_test(tcase, numbers_that_go_back_are_a_replay_and_no_gap);
    tcase_add_test(tcase, a_gap_before_the_first_status_is_counted_exactly);
    tcase_add_test(tcase, a_gap_between_the_first_status_and_the_first_batch_is_counted_exactly);
    tcase_add_test(tcase, numbers_that_make_no_sense_show_as_a_difference);
    tcase_add_loop_test(tcase, every_loss_on_the_bus_is_counted_to_the_packet, 0, 32);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
