#include "event_feed.h"

#include <errno.h>
#include <string.h>

#include "numbered_batch.h"

static event_feed_t *feed;
static struct feed_page page;
static const struct event_filter EVERYTHING;

static void setup(void)
{
    feed = event_feed_new();
    ck_assert_ptr_nonnull(feed);
}

static void teardown(void)
{
    event_feed_destroy(&feed);
    ck_assert_ptr_null(feed);
}

static unsigned add_of(const char *collector_id, uint64_t boot_id, uint64_t seq, uint32_t count,
                       uint8_t host)
{
    struct record_stream stream = record_stream_open(collector_id, boot_id);
    unsigned touched = event_feed_add(feed, numbered_batch(&stream, seq, count, host));

    record_stream_close(&stream);
    return touched;
}

static unsigned add(uint64_t seq, uint32_t count, uint8_t host)
{
    return add_of("here", 1, seq, count, host);
}

static struct feed_place join(const struct event_filter *filter)
{
    struct feed_place place;

    ck_assert_int_eq(event_feed_join(feed, filter, &place), 0);
    return place;
}

static struct event_filter of_host(uint8_t host)
{
    struct event_filter filter = { .has_prefix = true, .prefix.bits = 128 };
    struct packet_record record = numbered_record(host, 1);

    memcpy(filter.prefix.addr.bytes, record.src_addr, 16);
    return filter;
}

START_TEST(a_reader_of_one_collector_gets_and_misses_nothing_of_others)
{
    struct event_filter filter = { .collector = "there" };
    struct feed_place place = join(&filter);

    ck_assert_uint_eq(add_of("here", 1, 1, 5, 1), 0);
    ck_assert_uint_eq(add_of("here", 1, 100, 5, 1), 0);     /* some are missing before these */
    ck_assert_uint_eq(add_of("there", 1, 1, 3, 1), 1);
    event_feed_read(feed, place.channel, place.position, &page);
    ck_assert_uint_eq(page.count, 3);
    ck_assert_uint_eq(page.gaps, place.gaps);
    ck_assert_str_eq(event_feed_collector(feed, page.events[0].collector), "there");
    event_feed_leave(feed, place.channel);
}
END_TEST

START_TEST(readers_get_what_comes_after_they_joined)
{
    ck_assert_uint_eq(add(1, 10, 1), 0);
    struct feed_place first = join(&EVERYTHING);
    ck_assert_uint_eq(add(11, 10, 1), 1);
    struct feed_place second = join(&EVERYTHING);
    ck_assert_uint_eq(second.channel, first.channel);
    ck_assert_uint_eq(add(21, 1, 1), 1);

    event_feed_read(feed, first.channel, first.position, &page);
    ck_assert_uint_eq(page.count, 11);
    ck_assert_uint_eq(page.events[0].seq, 11);
    ck_assert_uint_eq(page.events[0].record.src_port, 11);
    ck_assert_str_eq(event_feed_collector(feed, page.events[0].collector), "here");
    event_feed_read(feed, second.channel, second.position, &page);
    ck_assert_uint_eq(page.count, 1);
    ck_assert_uint_eq(page.events[0].seq, 21);
}
END_TEST

/* A busy channel overwrites its own oldest records only. */
START_TEST(a_quiet_filter_loses_nothing_to_a_busy_one)
{
    struct event_filter quiet_host = of_host(2);
    struct feed_place busy = join(&EVERYTHING), quiet = join(&quiet_host);
    uint64_t seq = 1;

    for (int i = 0; i < 100; i++) {
        add(seq, 100, 1);
        add(seq + 100, 1, 2);
        seq += 101;
    }
    event_feed_read(feed, quiet.channel, quiet.position, &page);
    ck_assert_uint_eq(page.first, quiet.position);
    ck_assert_uint_eq(page.count, 100);
    ck_assert_uint_eq(page.gaps, 0);
    event_feed_read(feed, busy.channel, busy.position, &page);
    ck_assert_uint_eq(page.count, FEED_DEPTH);
    ck_assert_uint_eq(page.first + page.count - busy.position, 10100);
    ck_assert_uint_eq(page.events[FEED_DEPTH - 1].seq, 10100);
}
END_TEST

static void check_numbers(uint64_t first_seq)
{
    for (uint32_t i = 0; i < page.count; i++)
        ck_assert_uint_eq(page.events[i].seq, first_seq + i);
}

START_TEST(a_page_keeps_what_it_holds_already)
{
    struct feed_place place = join(&EVERYTHING);

    memset(&page, 0, sizeof page);
    add(1, 100, 1);
    event_feed_read(feed, place.channel, place.position, &page);
    ck_assert_uint_eq(page.kept, 0);
    ck_assert_uint_eq(page.count, 100);
    add(101, 50, 1);
    event_feed_read(feed, place.channel, place.position + 70, &page);
    ck_assert_uint_eq(page.dropped, 70);
    ck_assert_uint_eq(page.kept, 30);
    ck_assert_uint_eq(page.count, 80);
    check_numbers(71);
    event_feed_read(feed, place.channel, place.position + 150, &page);
    ck_assert_uint_eq(page.count, 0);
    event_feed_read(feed, place.channel, place.position + 60, &page);   /* one who is behind */
    ck_assert_uint_eq(page.kept, 0);
    ck_assert_uint_eq(page.count, 90);
    check_numbers(61);
}
END_TEST

START_TEST(a_page_keeps_nothing_of_another_channel)
{
    struct event_filter filter = of_host(2);
    struct feed_place place = join(&EVERYTHING);

    memset(&page, 0, sizeof page);
    add(1, 10, 1);
    event_feed_read(feed, place.channel, place.position, &page);
    event_feed_leave(feed, place.channel);
    struct feed_place other = join(&filter);
    ck_assert_uint_eq(other.channel, place.channel);
    add(11, 20, 2);
    event_feed_read(feed, other.channel, other.position + 5, &page);
    ck_assert_uint_eq(page.kept, 0);
    ck_assert_uint_eq(page.count, 15);
    check_numbers(16);
}
END_TEST

/* Positions at random, as clients that read, stall and come back. */
START_TEST(a_kept_page_is_what_a_fresh_one_would_be)
{
    static struct feed_page fresh;
    struct feed_place place = join(&EVERYTHING);
    uint64_t seq = 1;

    memset(&page, 0, sizeof page);
    for (unsigned seed = 0; seed < 300; seed++) {
        srandom(seed);
        uint32_t count = 1 + (uint32_t) random() % (seed % 10 == 0 ? 500 : 40);
        add(seq, count, 1);
        seq += count;
        uint64_t behind = (uint64_t) random() % (seed % 7 == 0 ? 2 * FEED_DEPTH : 60);
        uint64_t position = place.position + (seq - 1 > behind ? seq - 1 - behind : 0);
        memset(&fresh, 0, sizeof fresh);
        event_feed_read(feed, place.channel, position, &page);
        event_feed_read(feed, place.channel, position, &fresh);
        ck_assert_uint_eq(page.first, fresh.first);
        ck_assert_uint_eq(page.count, fresh.count);
        ck_assert_mem_eq(page.events, fresh.events, fresh.count * sizeof *fresh.events);
    }
}
END_TEST

START_TEST(gaps_on_the_bus_are_counted_per_collector)
{
    struct feed_place place = join(&EVERYTHING);

    add_of("a", 1, 1, 10, 1);
    add_of("b", 7, 1000, 10, 1);    /* the first batch of a collector begins anywhere */
    add_of("a", 1, 16, 10, 1);      /* 11 to 15 are missing */
    add_of("b", 7, 1010, 10, 1);
    add_of("a", 2, 500, 10, 1);     /* restarted: counts anew */
    add_of("a", 2, 511, 1, 1);      /* 510 is missing */
    event_feed_read(feed, place.channel, place.position, &page);
    ck_assert_uint_eq(page.gaps, 6);
    ck_assert_uint_eq(page.count, 51);
    ck_assert_uint_eq(join(&EVERYTHING).gaps, 6);
}
END_TEST

START_TEST(an_interrupted_subscription_is_no_gap)
{
    struct feed_place place = join(&EVERYTHING);

    add(1, 10, 1);
    event_feed_restart(feed);
    add(1000, 10, 1);
    event_feed_read(feed, place.channel, place.position, &page);
    ck_assert_uint_eq(page.gaps, 0);
    add(1020, 1, 1);
    event_feed_read(feed, place.channel, place.position, &page);
    ck_assert_uint_eq(page.gaps, 10);
}
END_TEST

START_TEST(a_gap_wakes_readers_whose_filter_matches_nothing)
{
    struct event_filter quiet_host = of_host(2);

    join(&quiet_host);
    ck_assert_uint_eq(add(1, 10, 1), 0);
    ck_assert_uint_eq(add(12, 1, 1), 1);
}
END_TEST

START_TEST(different_filters_are_bounded_and_places_are_reused)
{
    struct feed_place places[FEED_CHANNELS], one_more;

    for (unsigned i = 0; i < FEED_CHANNELS; i++) {
        struct event_filter filter = { .port = (uint16_t) (i + 1) };
        places[i] = join(&filter);
    }
    struct event_filter another = { .port = 1000 }, known = { .port = 5 };
    ck_assert_int_eq(event_feed_join(feed, &another, &one_more), -ENOSPC);
    ck_assert_int_eq(event_feed_join(feed, &known, &one_more), 0);
    event_feed_leave(feed, one_more.channel);
    event_feed_leave(feed, places[9].channel);
    ck_assert_int_eq(event_feed_join(feed, &another, &one_more), 0);
    ck_assert_uint_eq(one_more.channel, places[9].channel);
    ck_assert_uint_eq(one_more.position, 0);
}
END_TEST

START_TEST(too_many_collectors_are_gaps)
{
    struct feed_place place = join(&EVERYTHING);
    char id[16];

    for (int i = 0; i < 257; i++) {
        snprintf(id, sizeof id, "c%d", i);
        add_of(id, 1, 1, 3, 1);
    }
    event_feed_read(feed, place.channel, place.position, &page);
    ck_assert_uint_eq(page.gaps, 3);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("event_feed");
    TCase *tcase = tcase_create("channels");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_reader_of_one_collector_gets_and_misses_nothing_of_others);
    tcase_add_test(tcase, readers_get_what_comes_after_they_joined);
    tcase_add_test(tcase, a_quiet_filter_loses_nothing_to_a_busy_one);
    tcase_add_test(tcase, a_page_keeps_what_it_holds_already);
    tcase_add_test(tcase, a_page_keeps_nothing_of_another_channel);
    tcase_add_test(tcase, a_kept_page_is_what_a_fresh_one_would_be);
    tcase_add_test(tcase, gaps_on_the_bus_are_counted_per_collector);
    tcase_add_test(tcase, an_interrupted_subscription_is_no_gap);
    tcase_add_test(tcase, a_gap_wakes_readers_whose_filter_matches_nothing);
    tcase_add_test(tcase, different_filters_are_bounded_and_places_are_reused);
    tcase_add_test(tcase, too_many_collectors_are_gaps);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
