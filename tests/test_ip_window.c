#include "ip_window.h"

#include <string.h>

#include "record_stream.h"
#include "suite.h"
#include "top_list.h"

#define ADDRESSES 8

static ip_window_t *window;
static uint8_t addrs[ADDRESSES * 2][16];

static void setup(void)
{
    window = ip_window_new(ADDRESSES, 4 * ADDRESSES, 2, 42);
    ck_assert_ptr_nonnull(window);
    ip_window_step(window, 1000);
    for (uint32_t i = 0; i < ADDRESSES * 2; i++)
        record_addr(addrs[i], 0x0a000000 + i);
}

static void teardown(void)
{
    ip_window_destroy(&window);
    ck_assert_ptr_null(window);
}

static uint32_t add(uint32_t addr, uint32_t second, uint32_t packets, uint8_t tcp_flags)
{
    struct window_update update = {
        .addr = addrs[addr], .second = second, .packets = packets, .bytes = 100 * packets,
        .tcp_flags = tcp_flags, .last_unix_ns = second * NS_PER_S,
    };

    return ip_window_add(window, IP_WINDOW_NONE, &update);
}

static void step_to(uint32_t from, uint32_t to)
{
    for (uint32_t second = from + 1; second <= to; second++)
        ip_window_step(window, second);
}

/* The sums of one address; all zeros when it is not there. */
static struct window_sums sums_of(uint32_t addr)
{
    struct window_sums sums;

    for (uint32_t slot = 0; slot < ip_window_slots(window); slot++)
        if (ip_window_at(window, slot, &sums) && memcmp(sums.addr, addrs[addr], 16) == 0)
            return sums;
    return (struct window_sums) { 0 };
}

static uint64_t value_of(enum window_ranking by, const struct window_sums *sums)
{
    const uint64_t values[WINDOW_RANKINGS] = {
        [WINDOW_BY_PACKETS] = sums->packets, [WINDOW_BY_BYTES] = sums->bytes,
        [WINDOW_BY_PORTS] = sums->ports, [WINDOW_BY_SYN] = sums->syn, [WINDOW_BY_ACK] = sums->ack,
    };

    return values[by];
}

static int order_by_address(uint32_t a, uint32_t b, const void *arg)
{
    struct window_sums left, right;

    ck_assert(ip_window_at(arg, a, &left) && ip_window_at(arg, b, &right));
    return memcmp(left.addr, right.addr, 16);
}

/* The best of every ranking are those that a pass over all finds. */
static void check_best(void)
{
    enum { MOST = 5 };

    for (unsigned by = 0; by < WINDOW_RANKINGS; by++) {
        struct top_entry entries[MOST];
        struct top_list top = { .entries = entries, .capacity = MOST, .order = order_by_address,
                                .arg = window };
        struct window_sums sums;
        uint32_t best[MOST];
        for (uint32_t slot = 0; slot < ip_window_slots(window); slot++)
            if (ip_window_at(window, slot, &sums) && value_of(by, &sums) > 0)
                top_list_offer(&top, value_of(by, &sums), slot);
        top_list_sort(&top);
        ck_assert_uint_eq(ip_window_best(window, by, MOST, best), top.size);
        for (uint32_t i = 0; i < top.size; i++)
            ck_assert_uint_eq(best[i], entries[i].row);
    }
}

START_TEST(rates_keep_their_fractions_over_sixty_seconds)
{
    struct address_row row;

    for (uint32_t second = 1000; second < 1060; second++) {
        if (second > 1000)
            ip_window_step(window, second);
        if (second % 2)
            add(0, second, 1, 0);
    }
    for (uint32_t slot = 0; slot < ip_window_slots(window); slot++)
        ip_window_row(window, slot, true, &row);
    ck_assert_double_eq(row.packets_per_second, 0.5);
    ck_assert_double_eq(row.bytes_per_second, 50);
    ck_assert_uint_eq(row.packets, 30);
    ck_assert_uint_eq(row.last_unix_ns, 1059 * NS_PER_S);
    for (uint32_t i = 0; i < WINDOW_S; i++) {
        ck_assert_uint_eq(row.packets_by_second[i], i % 2);
        ck_assert_uint_eq(row.bytes_by_second[i], i % 2 * 100);
    }
}
END_TEST

START_TEST(the_last_time_follows_a_wall_clock_that_is_set_back)
{
    struct window_update update = { .addr = addrs[0], .second = 1000, .packets = 1, .bytes = 100,
                                    .last_unix_ns = 5000 * NS_PER_S };

    ip_window_add(window, IP_WINDOW_NONE, &update);
    update.last_unix_ns -= NS_PER_S / 2;        /* the records of a second come in any order */
    ip_window_add(window, IP_WINDOW_NONE, &update);
    ck_assert_uint_eq(sums_of(0).last_unix_ns, 5000 * NS_PER_S);
    update.last_unix_ns = 3000 * NS_PER_S;      /* apart by more: a clock set back */
    ip_window_add(window, IP_WINDOW_NONE, &update);
    ck_assert_uint_eq(sums_of(0).last_unix_ns, 3000 * NS_PER_S);
    ip_window_step(window, 1001);
    update.second = 1001;
    update.last_unix_ns = 2000 * NS_PER_S;
    ip_window_add(window, IP_WINDOW_NONE, &update);
    ck_assert_uint_eq(sums_of(0).last_unix_ns, 2000 * NS_PER_S);
}
END_TEST

START_TEST(syn_counts_without_ack_and_ack_with_anything)
{
    add(0, 1000, 2, PACKET_TCP_SYN);
    add(0, 1000, 3, PACKET_TCP_SYN | PACKET_TCP_ACK);
    add(0, 1000, 5, PACKET_TCP_ACK | PACKET_TCP_PSH);
    add(0, 1000, 7, PACKET_TCP_FIN);

    ck_assert_uint_eq(sums_of(0).syn, 2);
    ck_assert_uint_eq(sums_of(0).ack, 8);
    ck_assert_uint_eq(sums_of(0).packets, 17);
}
END_TEST

START_TEST(a_late_record_counts_in_its_own_second)
{
    step_to(1000, 1010);
    add(0, 1010, 1, 0);
    add(0, 1005, 10, 0);

    step_to(1010, 1064);
    ck_assert_uint_eq(sums_of(0).packets, 11);
    step_to(1064, 1065);
    ck_assert_uint_eq(sums_of(0).packets, 1);
    step_to(1065, 1070);
    ck_assert_uint_eq(sums_of(0).packets, 0);
    ck_assert_uint_eq(ip_window_size(window), 0);
    ck_assert(ip_window_is_empty(window));
}
END_TEST

START_TEST(a_record_older_than_the_window_is_refused_and_counted)
{
    ck_assert_uint_ne(add(0, 1000 - WINDOW_S + 1, 1, 0), IP_WINDOW_NONE);
    ck_assert_uint_eq(add(1, 1000 - WINDOW_S, 1, 0), IP_WINDOW_NONE);
    ck_assert_uint_eq(add(1, 0, 1, 0), IP_WINDOW_NONE);
    ck_assert_uint_eq(ip_window_addresses(window).refused, 2);
    ck_assert_uint_eq(ip_window_size(window), 1);
    ck_assert_uint_eq(ip_window_packets(window), 1);
}
END_TEST

START_TEST(a_full_table_gives_up_the_idlest_and_keeps_the_total)
{
    for (uint32_t i = 0; i < ADDRESSES; i++)
        add(i, 1000, 1, 0);
    step_to(1000, 1001);
    for (uint32_t i = 0; i < ADDRESSES; i++)
        if (i != 5)
            add(i, 1001, 1, 0);
    add(ADDRESSES, 1001, 1, 0);

    ck_assert_uint_eq(ip_window_size(window), ADDRESSES);
    ck_assert_uint_eq(ip_window_addresses(window).evicted, 1);
    ck_assert_uint_eq(sums_of(5).packets, 0);
    ck_assert_uint_eq(sums_of(ADDRESSES).packets, 1);
    ck_assert_uint_eq(ip_window_packets(window), 2 * ADDRESSES);
}
END_TEST

START_TEST(within_a_second_those_who_go_on_sending_outlive_those_who_do_not)
{
    for (uint32_t i = 0; i < ADDRESSES; i++)
        add(i, 1000, 1, 0);
    add(0, 1000, 1, 0);
    for (uint32_t i = 0; i < 3; i++)
        add(ADDRESSES + i, 1000, 1, 0);

    ck_assert_uint_eq(sums_of(0).packets, 2);
    ck_assert_uint_eq(sums_of(1).packets, 0);
    ck_assert_uint_eq(sums_of(3).packets, 0);
    ck_assert_uint_eq(sums_of(4).packets, 1);
}
END_TEST

START_TEST(ports_of_an_evicted_address_are_forgotten)
{
    for (uint32_t i = 0; i < ADDRESSES; i++)
        ip_window_use_port(window, add(i, 1000, 1, 0), 80, 1000, UINT32_MAX);
    ck_assert_uint_eq(sums_of(1).ports, 1);
    uint32_t slot = add(ADDRESSES, 1000, 1, 0);
    ip_window_use_port(window, slot, 81, 1000, UINT32_MAX);
    ip_window_use_port(window, slot, 82, 1000, UINT32_MAX);

    ck_assert_uint_eq(sums_of(ADDRESSES).ports, 2);
    ck_assert_uint_eq(ip_window_ports(window).size, ADDRESSES + 1);
}
END_TEST

START_TEST(a_bucket_saturates_rather_than_wraps)
{
    struct window_update update = {
        .addr = addrs[0], .second = 1000, .packets = UINT32_MAX, .bytes = UINT32_MAX,
        .tcp_flags = PACKET_TCP_ACK,
    };
    uint32_t slot = IP_WINDOW_NONE;

    for (int i = 0; i < 100; i++)
        slot = ip_window_add(window, slot, &update);
    ck_assert_uint_eq(sums_of(0).packets, UINT32_MAX);
    ck_assert_uint_eq(sums_of(0).bytes, (1ull << 38) - 1);
    ck_assert_uint_eq(sums_of(0).ack, (1u << 26) - 1);
    ck_assert_uint_eq(ip_window_packets(window), 100ull * UINT32_MAX);
    update.tcp_flags = PACKET_TCP_SYN;
    ip_window_add(window, slot, &update);
    ck_assert_uint_eq(sums_of(0).syn, (1u << 26) - 1);
    step_to(1000, 1060);
    ck_assert(ip_window_is_empty(window));
}
END_TEST

/* Everything a plain array of seconds would say, while time goes on in steps and leaps; asked
 * twice, because reading must change nothing. */
START_TEST(sums_are_those_of_a_plain_table)
{
    enum { FIRST = 1000, SECONDS = 400, USED = ADDRESSES };
    static uint32_t packets[USED][FIRST + SECONDS], syn[USED][FIRST + SECONDS];

    memset(packets, 0, sizeof packets);
    memset(syn, 0, sizeof syn);
    srandom((unsigned) _i);
    for (uint32_t now = FIRST + 1; now < FIRST + SECONDS; now++) {
        ip_window_step(window, now);
        for (long adds = random() % 20 - 8; adds > 0; adds--) {
            uint32_t addr = (uint32_t) random() % USED;
            uint32_t second = now - (uint32_t) (random() % 5 == 0 ? random() % WINDOW_S : 0);
            uint32_t count = 1 + (uint32_t) random() % 9;
            bool is_syn = random() % 4 == 0;
            uint32_t slot = add(addr, second, count, is_syn ? PACKET_TCP_SYN : 0);
            ip_window_use_port(window, slot, (uint16_t) (random() % 8), second, UINT32_MAX);
            packets[addr][second] += count;
            syn[addr][second] += is_syn ? count : 0;
        }
        if (random() % 3 == 0)
            check_best();
        uint64_t total = 0;
        uint32_t active = 0;
        for (uint32_t addr = 0; addr < USED; addr++) {
            uint64_t sum = 0, syns = 0;
            for (uint32_t second = now - WINDOW_S + 1; second <= now; second++) {
                sum += packets[addr][second];
                syns += syn[addr][second];
            }
            for (int twice = 0; twice < 2; twice++) {
                ck_assert_uint_eq(sums_of(addr).packets, sum);
                ck_assert_uint_eq(sums_of(addr).bytes, 100 * sum);
                ck_assert_uint_eq(sums_of(addr).syn, syns);
            }
            total += sum;
            active += sum > 0;
        }
        ck_assert_uint_eq(ip_window_packets(window), total);
        ck_assert_uint_eq(ip_window_bytes(window), 100 * total);
        ck_assert_uint_eq(ip_window_size(window), active);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ip_window");
    TCase *tcase = tcase_create("window");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, the_last_time_follows_a_wall_clock_that_is_set_back);
    tcase_add_test(tcase, rates_keep_their_fractions_over_sixty_seconds);
    tcase_add_test(tcase, syn_counts_without_ack_and_ack_with_anything);
    tcase_add_test(tcase, a_late_record_counts_in_its_own_second);
    tcase_add_test(tcase, a_record_older_than_the_window_is_refused_and_counted);
    tcase_add_test(tcase, a_full_table_gives_up_the_idlest_and_keeps_the_total);
    tcase_add_test(tcase, within_a_second_those_who_go_on_sending_outlive_those_who_do_not);
    tcase_add_test(tcase, ports_of_an_evicted_address_are_forgotten);
    tcase_add_test(tcase, a_bucket_saturates_rather_than_wraps);
    tcase_add_loop_test(tcase, sums_are_those_of_a_plain_table, 0, 16);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
