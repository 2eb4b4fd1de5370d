#include "session_table.h"

#include <string.h>

#include "clock.h"
#include "suite.h"
#include "token_throttle.h"

static struct session_table table;
static struct token_throttle throttle;

static void setup(void)
{
    table = (struct session_table) { 0 };
    throttle = (struct token_throttle) { 0 };
}

static void begin(char *id, enum session_rights rights, uint64_t now_ns)
{
    ck_assert_int_eq(secret_make(id), 0);
    session_table_begin(&table, id, rights, now_ns);
}

START_TEST(secrets_are_hexadecimal_and_differ)
{
    char a[SESSION_ID_SIZE], b[SESSION_ID_SIZE];

    ck_assert_int_eq(secret_make(a), 0);
    ck_assert_int_eq(secret_make(b), 0);
    ck_assert_uint_eq(strspn(a, "0123456789abcdef"), SESSION_ID_SIZE - 1);
    ck_assert_str_ne(a, b);
}
END_TEST

START_TEST(secrets_are_compared_whole)
{
    ck_assert(secret_equal("abcd", "abcd"));
    ck_assert(!secret_equal("abcd", "abc"));
    ck_assert(!secret_equal("abcd", "abcda"));
    ck_assert(!secret_equal("abcd", "abcdabcd"));
    ck_assert(!secret_equal("abcd", "abce"));
    ck_assert(!secret_equal("abcd", ""));
    ck_assert(!secret_equal("", "a"));
}
END_TEST

START_TEST(sessions_end_when_told_and_when_idle)
{
    char a[SESSION_ID_SIZE], b[SESSION_ID_SIZE];
    uint64_t week_ns = SESSION_IDLE_S * NS_PER_S;

    begin(a, SESSION_ADMIN, 1);
    begin(b, SESSION_READ, 1);
    ck_assert_int_eq(session_table_find(&table, a, week_ns), SESSION_ADMIN);
    ck_assert_int_eq(session_table_find(&table, a, 2 * week_ns - 1), SESSION_ADMIN);
    ck_assert_int_eq(session_table_find(&table, b, 2 * week_ns - 1), SESSION_NONE);
    session_table_end(&table, a);
    ck_assert_int_eq(session_table_find(&table, a, 2 * week_ns - 1), SESSION_NONE);
    ck_assert_int_eq(session_table_find(&table, "", 1), SESSION_NONE);
}
END_TEST

/* Each thread reads the clock before it waits for the table. */
START_TEST(the_earlier_of_two_requests_may_come_last)
{
    struct ip_addr addr = { .bytes = { [15] = 1 } };
    char id[SESSION_ID_SIZE];

    begin(id, SESSION_ADMIN, 1000);
    ck_assert_int_eq(session_table_find(&table, id, 5000), SESSION_ADMIN);
    ck_assert_int_eq(session_table_find(&table, id, 4999), SESSION_ADMIN);
    for (uint64_t i = 0; i < 20; i++)
        token_throttle_fail(&throttle, &addr, NS_PER_S - i);
    ck_assert_uint_ge(token_throttle_wait_s(&throttle, &addr, NS_PER_S), 30);
}
END_TEST

START_TEST(a_full_table_ends_the_idlest_session)
{
    char ids[SESSION_MAX + 1][SESSION_ID_SIZE];

    for (unsigned i = 0; i < SESSION_MAX; i++)
        begin(ids[i], SESSION_READ, 1000 + i);
    ck_assert_int_eq(session_table_find(&table, ids[0], 5000), SESSION_READ);
    begin(ids[SESSION_MAX], SESSION_ADMIN, 5001);
    ck_assert_int_eq(session_table_find(&table, ids[1], 5002), SESSION_NONE);
    for (unsigned i = 0; i <= SESSION_MAX; i++)
        if (i != 1)
            ck_assert_int_ne(session_table_find(&table, ids[i], 5002), SESSION_NONE);
}
END_TEST

static struct ip_addr addr_of(uint32_t number)
{
    return (struct ip_addr) { { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, (uint8_t) (number >> 24),
                                (uint8_t) (number >> 16), (uint8_t) (number >> 8),
                                (uint8_t) number } };
}

START_TEST(each_mistake_doubles_the_wait)
{
    static const unsigned WAITS[] = { 0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60 };
    struct ip_addr addr = addr_of(1), other = addr_of(2);
    uint64_t now_ns = NS_PER_S;

    for (size_t i = 0; i < sizeof WAITS / sizeof WAITS[0]; i++) {
        token_throttle_fail(&throttle, &addr, now_ns);
        ck_assert_uint_eq(token_throttle_wait_s(&throttle, &addr, now_ns), WAITS[i]);
        ck_assert_uint_eq(token_throttle_wait_s(&throttle, &other, now_ns), 0);
        now_ns += WAITS[i] * NS_PER_S;
        ck_assert_uint_eq(token_throttle_wait_s(&throttle, &addr, now_ns), 0);
    }
    token_throttle_fail(&throttle, &addr, now_ns + 601 * NS_PER_S);
    ck_assert_uint_eq(token_throttle_wait_s(&throttle, &addr, now_ns + 601 * NS_PER_S), 0);
}
END_TEST

START_TEST(a_right_token_is_forgiven_everything)
{
    struct ip_addr addr = addr_of(1);

    for (int i = 0; i < 10; i++)
        token_throttle_fail(&throttle, &addr, 1);
    ck_assert_uint_gt(token_throttle_wait_s(&throttle, &addr, 1), 0);
    token_throttle_forgive(&throttle, &addr);
    ck_assert_uint_eq(token_throttle_wait_s(&throttle, &addr, 1), 0);
}
END_TEST

START_TEST(ipv6_counts_by_network)
{
    struct ip_addr a, b, c;
    char why[160];

    ip_addr_parse("2001:db8::1", &a, why, sizeof why);
    ip_addr_parse("2001:db8::ffff:1", &b, why, sizeof why);
    ip_addr_parse("2001:db8:0:1::1", &c, why, sizeof why);
    for (int i = 0; i < 10; i++)
        token_throttle_fail(&throttle, i % 2 ? &a : &b, 1);
    ck_assert_uint_gt(token_throttle_wait_s(&throttle, &a, 1), 0);
    ck_assert_uint_eq(token_throttle_wait_s(&throttle, &c, 1), 0);
}
END_TEST

START_TEST(many_addresses_push_out_the_oldest)
{
    struct ip_addr first = addr_of(1);

    for (int i = 0; i < 10; i++)
        token_throttle_fail(&throttle, &first, 1);
    for (uint32_t i = 0; i < THROTTLE_ADDRESSES; i++) {
        struct ip_addr addr = addr_of(100 + i);
        token_throttle_fail(&throttle, &addr, 2 + i);
    }
    ck_assert_uint_eq(token_throttle_wait_s(&throttle, &first, 1), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("session_table");
    TCase *tcase = tcase_create("tables");

    tcase_add_checked_fixture(tcase, setup, NULL);
    tcase_add_test(tcase, the_earlier_of_two_requests_may_come_last);
    tcase_add_test(tcase, secrets_are_hexadecimal_and_differ);
    tcase_add_test(tcase, secrets_are_compared_whole);
    tcase_add_test(tcase, sessions_end_when_told_and_when_idle);
    tcase_add_test(tcase, a_full_table_ends_the_idlest_session);
    tcase_add_test(tcase, each_mistake_doubles_the_wait);
    tcase_add_test(tcase, a_right_token_is_forgiven_everything);
    tcase_add_test(tcase, ipv6_counts_by_network);
    tcase_add_test(tcase, many_addresses_push_out_the_oldest);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
