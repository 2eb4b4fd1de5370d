/* Maps that outlive their collector, and lists that follow the wanted state. */
#include "kernel_fixture.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "suite.h"

static struct frame ping_like(const char *src)
{
    struct frame frame;

    frame_ethernet(&frame, 0x0800);
    frame_ipv4(&frame, src, "198.51.100.7", 1);
    frame_payload(&frame, 8);
    frame_finish(&frame);
    return frame;
}

static void send_quietly(const char *src, int times)
{
    struct frame frame = ping_like(src);
    DECLARE_LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame.data,
                        .data_size_in = frame.size, .repeat = times);

    int fd = kernel_source_program_fd(source, PACKET_INGRESS, LINK_ETHERNET);
    ck_assert_int_eq(bpf_prog_test_run_opts(fd, &opts), 0);
}

static void reopen(void)
{
    char why[256] = "";

    kernel_source_destroy(&source);
    int rc = kernel_source_open(&source, &kernel_config, why, sizeof why);
    ck_assert_msg(rc == 0, "%s", why);
}

static void count_record(const struct packet_record *record, void *arg)
{
    *(uint32_t *) arg += record->packets;
}

START_TEST(a_second_collector_goes_on_with_everything)
{
    struct ntc_counters counters;
    uint32_t drained = 0;

    ck_assert(!kernel_source_taken_over(source));
    put_on_list(NTC_BLACK, "192.0.2.1", 0);
    put_on_list(NTC_BLACK, "203.0.113.0/24", 0);
    kernel_source_ledger(source)->published_packets = 42;
    ck_assert_int_eq(kernel_source_pin(source), 0);
    send_quietly("192.0.2.1", 5);

    reopen();
    ck_assert(kernel_source_taken_over(source));
    kernel_source_counters(source, &counters);
    ck_assert_uint_eq(counters.traffic[PACKET_ICMP][PACKET_INGRESS][PACKET_DROP].packets, 5);
    ck_assert_uint_eq(kernel_source_ledger(source)->published_packets, 42);
    kernel_source_drain(source, 100, count_record, &drained);
    ck_assert_uint_eq(drained, 5);
    struct frame frame = ping_like("203.0.113.9");
    ck_assert_int_eq(send_frame(&frame, PACKET_INGRESS).verdict, 2);
}
END_TEST

START_TEST(another_list_capacity_keeps_the_entries)
{
    put_on_list(NTC_BLACK, "192.0.2.1", 0);
    put_on_list(NTC_WHITE, "203.0.113.0/24", 0);
    send_quietly("192.0.2.1", 3);
    ck_assert_int_eq(kernel_source_pin(source), 0);

    kernel_config.network.hosts *= 2;
    kernel_config.network.prefixes *= 2;
    reopen();
    struct frame black = ping_like("192.0.2.1"), white = ping_like("203.0.113.9");
    ck_assert_uint_eq(send_frame(&black, PACKET_INGRESS).record.action, PACKET_DROP);
    ck_assert_uint_eq(send_frame(&white, PACKET_INGRESS).record.action, PACKET_SKIP);
    struct kernel_list_item item = list_item(NTC_BLACK, "192.0.2.1", 0);
    struct kernel_list_hits hits;
    ck_assert_int_eq(kernel_lists_hits(source, &item, &hits), 0);
    ck_assert_uint_eq(hits.packets, 4);
    ck_assert_int_eq(kernel_source_pin(source), 0);
}
END_TEST

START_TEST(another_ring_size_loses_no_waiting_record)
{
    uint32_t drained = 0;

    ck_assert_int_eq(kernel_source_pin(source), 0);
    send_quietly("192.0.2.1", 7);
    kernel_config.events.ring_mib = 2;
    reopen();
    send_quietly("192.0.2.1", 11);
    ck_assert_uint_gt(kernel_source_waiting(source), 0);
    while (kernel_source_drain(source, 4, count_record, &drained) > 0)
        ;
    ck_assert_uint_eq(drained, 18);
    ck_assert_uint_eq(kernel_source_waiting(source), 0);
}
END_TEST

START_TEST(pins_of_another_layout_are_removed_when_ours_stand)
{
    char other[PATH_MAX + 16], own[PATH_MAX + 16];
    struct stat info;

    snprintf(other, sizeof other, "%s/v999", kernel_config.network.pin_path);
    snprintf(own, sizeof own, "%s/v%d/hosts", kernel_config.network.pin_path, NTC_LAYOUT);
    ck_assert_int_eq(mkdir(other, 0700), 0);
    ck_assert_int_eq(stat(own, &info), -1);
    ck_assert_int_eq(kernel_source_pin(source), 0);
    ck_assert_int_eq(stat(own, &info), 0);
    ck_assert_int_eq(stat(other, &info), -1);
    kernel_source_unpin(source);
    ck_assert_int_eq(stat(own, &info), -1);
}
END_TEST

START_TEST(a_pin_path_off_bpffs_is_refused_with_advice)
{
    char why[256] = "";
    kernel_source_t *other = NULL;

    snprintf(kernel_config.network.pin_path, sizeof kernel_config.network.pin_path, "/tmp/ntc-no");
    ck_assert_int_ne(kernel_source_open(&other, &kernel_config, why, sizeof why), 0);
    ck_assert_ptr_nonnull(strstr(why, "/tmp"));
    ck_assert_ptr_nonnull(strstr(why, "mount -t bpf"));
}
END_TEST

/* Random lists, replaced many times: the kernel's verdicts are those of the list alone, hits of
 * what stays are kept, and the counts that save look-ups are right. */
START_TEST(replacing_leaves_exactly_the_wanted_items)
{
    enum { ADDRESSES = 24, ROUNDS = 20 };

    srandom((unsigned) _i);
    for (int round = 0; round < ROUNDS; round++) {
        struct kernel_list_item items[2 * ADDRESSES];
        bool black[ADDRESSES] = { false }, white[ADDRESSES] = { false };
        bool black_net = random() % 2, white_net = random() % 2;
        size_t count = 0;
        uint32_t hosts = 0;

        for (int i = 0; i < ADDRESSES; i++) {
            char text[32];
            snprintf(text, sizeof text, "192.0.2.%d", i);
            black[i] = random() % 3 == 0;
            white[i] = random() % 4 == 0;
            hosts += black[i] || white[i];
            if (black[i])
                items[count++] = list_item(NTC_BLACK, text, 0);
            if (white[i])
                items[count++] = list_item(NTC_WHITE, text, 0);
        }
        if (black_net)
            items[count++] = list_item(NTC_BLACK, "192.0.2.0/28", 0);
        if (white_net)
            items[count++] = list_item(NTC_WHITE, "192.0.2.8/29", 0);
        ck_assert_int_eq(kernel_lists_replace(source, items, count), 0);
        ck_assert_uint_eq(kernel_source_settings(source)->host_count, hosts);
        ck_assert_uint_eq(kernel_source_settings(source)->prefix_count[NTC_BLACK], black_net);
        for (int i = 0; i < ADDRESSES; i++) {
            char text[32];
            snprintf(text, sizeof text, "192.0.2.%d", i);
            struct frame frame = ping_like(text);
            enum packet_action expected =
                white[i] || (white_net && i >= 8 && i < 16) ? PACKET_SKIP
                : black[i] || (black_net && i < 16) ? PACKET_DROP : PACKET_PASS;
            ck_assert_uint_eq(send_frame(&frame, PACKET_INGRESS).record.action, expected);
        }
    }
}
END_TEST

START_TEST(a_full_list_says_so_and_keeps_what_it_has)
{
    kernel_config.network.hosts = 16;
    reopen();
    for (int i = 0; i < 17; i++) {
        char text[32];
        snprintf(text, sizeof text, "192.0.2.%d", i);
        struct kernel_list_item item = list_item(NTC_BLACK, text, 0);
        ck_assert_int_eq(kernel_lists_put(source, &item), i < 16 ? 0 : -ENOSPC);
    }
    struct frame first = ping_like("192.0.2.0"), last = ping_like("192.0.2.16");
    ck_assert_uint_eq(send_frame(&first, PACKET_INGRESS).record.action, PACKET_DROP);
    ck_assert_uint_eq(send_frame(&last, PACKET_INGRESS).record.action, PACKET_PASS);
    struct kernel_list_item item = list_item(NTC_BLACK, "192.0.2.0", 0);
    ck_assert_int_eq(kernel_lists_remove(source, &item), 0);
    ck_assert_int_eq(kernel_lists_remove(source, &item), -ENOENT);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("takeover");
    TCase *tcase = tcase_create("maps");

    tcase_add_checked_fixture(tcase, kernel_setup, kernel_teardown);
    tcase_add_test(tcase, a_second_collector_goes_on_with_everything);
    tcase_add_test(tcase, another_list_capacity_keeps_the_entries);
    tcase_add_test(tcase, another_ring_size_loses_no_waiting_record);
    tcase_add_test(tcase, pins_of_another_layout_are_removed_when_ours_stand);
    tcase_add_test(tcase, a_pin_path_off_bpffs_is_refused_with_advice);
    tcase_add_loop_test(tcase, replacing_leaves_exactly_the_wanted_items, 0, 4);
    tcase_add_test(tcase, a_full_list_says_so_and_keeps_what_it_has);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
