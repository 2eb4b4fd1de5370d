#include "port_set.h"

#include <string.h>

#include "slot_bits.h"
#include "snapshot.h"
#include "suite.h"

#define CAPACITY 64
#define OWNERS 8
#define PORTS 20                /* OWNERS * PORTS is more than fits */

static port_set_t *ports;
static struct slot_bits changed;

static void setup(void)
{
    ck_assert_int_eq(slot_bits_init(&changed, OWNERS), 0);
    ports = port_set_new(CAPACITY, OWNERS, 42, &changed);
    ck_assert_ptr_nonnull(ports);
    port_set_step(ports, 1000);
}

static void teardown(void)
{
    port_set_destroy(&ports);
    ck_assert_ptr_null(ports);
    slot_bits_clear(&changed);
}

START_TEST(a_port_counts_once_and_leaves_after_sixty_seconds)
{
    uint32_t hint = port_set_touch(ports, 3, 443, 1000, PORT_SET_NONE);

    ck_assert_uint_ne(hint, PORT_SET_NONE);
    ck_assert_uint_eq(port_set_touch(ports, 3, 443, 1000, hint), hint);
    ck_assert_uint_eq(port_set_touch(ports, 3, 443, 1000, PORT_SET_NONE), hint);
    ck_assert_uint_eq(port_set_count(ports, 3), 1);
    for (uint32_t second = 1001; second < 1000 + WINDOW_S; second++)
        port_set_step(ports, second);
    ck_assert_uint_eq(port_set_count(ports, 3), 1);
    port_set_step(ports, 1000 + WINDOW_S);
    ck_assert_uint_eq(port_set_count(ports, 3), 0);
    ck_assert_uint_eq(port_set_size(ports), 0);
}
END_TEST

START_TEST(a_stale_hint_does_no_harm)
{
    uint32_t hint = port_set_touch(ports, 1, 80, 1000, PORT_SET_NONE);

    port_set_forget(ports, 1);
    ck_assert_uint_eq(port_set_touch(ports, 2, 81, 1000, PORT_SET_NONE), hint);
    port_set_touch(ports, 1, 80, 1000, hint);
    ck_assert_uint_eq(port_set_count(ports, 1), 1);
    ck_assert_uint_eq(port_set_count(ports, 2), 1);
}
END_TEST

START_TEST(what_finds_no_place_is_refused_and_counted)
{
    for (uint16_t port = 1; port <= CAPACITY; port++)
        ck_assert_uint_ne(port_set_touch(ports, 0, port, 1000, PORT_SET_NONE), PORT_SET_NONE);
    ck_assert_uint_eq(port_set_touch(ports, 1, 1, 1000, PORT_SET_NONE), PORT_SET_NONE);
    ck_assert_uint_eq(port_set_refused(ports), 1);
    port_set_forget(ports, 0);
    ck_assert_uint_ne(port_set_touch(ports, 1, 1, 1000, PORT_SET_NONE), PORT_SET_NONE);
    ck_assert_uint_eq(port_set_size(ports), 1);
}
END_TEST

static uint32_t count_one(const uint32_t used[PORTS], uint32_t now)
{
    uint32_t count = 0;

    for (uint32_t port = 0; port < PORTS; port++)
        count += used[port] + WINDOW_S > now;
    return count;
}

static uint32_t count_all(uint32_t used[OWNERS][PORTS], uint32_t now)
{
    uint32_t count = 0;

    for (uint32_t owner = 0; owner < OWNERS; owner++)
        count += count_one(used[owner], now);
    return count;
}

/* Random use by several owners, some of it a few seconds late, against one number per pair. */
START_TEST(counts_are_those_of_a_plain_table)
{
    uint32_t used[OWNERS][PORTS] = { { 0 } };   /* second of the latest use, 0 = none */
    uint32_t hints[OWNERS][PORTS], size;

    memset(hints, 0xff, sizeof hints);
    srandom((unsigned) _i);
    for (uint32_t now = 1001; now < 1500; now++) {
        port_set_step(ports, now);
        size = count_all(used, now);
        for (long uses = random() % 8; uses > 0; uses--) {
            uint32_t owner = (uint32_t) random() % OWNERS, port = (uint32_t) random() % PORTS;
            uint32_t second = now - (uint32_t) (random() % 4);
            bool is_known = used[owner][port] + WINDOW_S > now;
            uint32_t hint = port_set_touch(ports, owner, (uint16_t) port, second,
                                           hints[owner][port]);
            ck_assert_int_eq(hint != PORT_SET_NONE, is_known || size < CAPACITY);
            hints[owner][port] = hint;
            if (hint != PORT_SET_NONE && second > used[owner][port])
                used[owner][port] = second;
            size += hint != PORT_SET_NONE && !is_known;
        }
        if (random() % 50 == 0) {
            uint32_t owner = (uint32_t) random() % OWNERS;
            port_set_forget(ports, owner);
            memset(used[owner], 0, sizeof used[owner]);
        }
        for (uint32_t owner = 0; owner < OWNERS; owner++)
            ck_assert_uint_eq(port_set_count(ports, owner), count_one(used[owner], now));
        ck_assert_uint_eq(port_set_size(ports), count_all(used, now));
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("port_set");
    TCase *tcase = tcase_create("window");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_port_counts_once_and_leaves_after_sixty_seconds);
    tcase_add_test(tcase, a_stale_hint_does_no_harm);
    tcase_add_test(tcase, what_finds_no_place_is_refused_and_counted);
    tcase_add_loop_test(tcase, counts_are_those_of_a_plain_table, 0, 32);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
