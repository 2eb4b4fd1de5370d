#include "lockout_guard.h"

#include <stdio.h>
#include <string.h>

#include "suite.h"

#define NOW 1000

static ip_list_t *lists;
static struct surroundings around;
static struct ip_addr askers[LOCKOUT_ASKERS];
static char why[400];

static struct ip_addr addr_of(const char *text)
{
    struct ip_addr addr;

    ck_assert_int_eq(ip_addr_parse(text, &addr, why, sizeof why), 0);
    return addr;
}

static struct ip_prefix prefix_of(const char *text)
{
    struct ip_prefix prefix;

    ck_assert_int_eq(ip_prefix_parse(text, &prefix, why, sizeof why), 0);
    return prefix;
}

static void is_around(struct address_list *list, const char *text)
{
    list->items[list->size++] = addr_of(text);
}

static void setup(void)
{
    memset(&around, 0, sizeof around);
    memset(askers, 0, sizeof askers);
    lists = ip_list_new(64, 64);
    is_around(&around.host, "192.168.1.2");
    is_around(&around.host, "2001:db8::2");
    is_around(&around.gateways, "192.168.1.1");
    is_around(&around.gateways, "fe80::1");
    is_around(&around.name_servers, "192.168.1.1");
    is_around(&around.name_servers, "9.9.9.9");
    askers[0] = addr_of("10.0.0.20");
}

static void teardown(void) { ip_list_destroy(&lists); }

static void listed(enum ntc_list list, const char *prefix, uint64_t expires_ns)
{
    struct ip_list_entry entry = { .prefix = prefix_of(prefix), .expires_ns = expires_ns,
                                   .reason = "" };

    ck_assert_int_eq(ip_list_put(lists, list, &entry), 0);
}

static bool refuses(enum ntc_list list, bool is_removal, const char *prefix, uint64_t expires_ns)
{
    struct list_edit edit = { .list = list, .prefix = prefix_of(prefix), .is_removal = is_removal,
                              .expires_ns = expires_ns };

    return lockout_guard_refuses(lists, &edit, &around, askers, NOW, why, sizeof why);
}

static bool refuses_block(const char *prefix) { return refuses(NTC_BLACK, false, prefix, 0); }

START_TEST(who_is_needed_is_named_with_the_reason)
{
    static const struct {
        const char *prefix, *sentence;
    } CASES[] = {
        { "10.0.0.20", "10.0.0.20 (who asks for it)" },
        { "10.0.0.0/8", "10.0.0.20 (who asks for it)" },
        { "192.168.1.2", "192.168.1.2 (the router itself)" },
        { "192.168.1.1", "192.168.1.1 (default gateway)" },
        { "9.9.9.9", "9.9.9.9 (DNS server)" },
        { "fe80::/10", "fe80::1 (default gateway)" },
        { "::/0", "2001:db8::2 (the router itself)" },
        { "0.0.0.0/0", "10.0.0.20 (who asks for it), 192.168.1.1 (default gateway), "
          "9.9.9.9 (DNS server), 192.168.1.2 (the router itself); to do it all the same" },
    };

    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        ck_assert_msg(refuses_block(CASES[i].prefix), "%s", CASES[i].prefix);
        ck_assert_msg(strstr(why, CASES[i].sentence) != NULL, "%s: %s", CASES[i].prefix, why);
    }
}
END_TEST

START_TEST(strangers_may_be_blocked)
{
    ck_assert(!refuses_block("203.0.113.7"));
    ck_assert(!refuses_block("192.168.1.128/25"));
    ck_assert(!refuses_block("2001:db8:1::/48"));
    ck_assert(!refuses(NTC_WHITE, false, "192.168.1.1", 0));
    ck_assert(!refuses(NTC_BLACK, true, "192.168.1.1", 0));
    askers[0] = addr_of("127.0.0.1");
    askers[1] = addr_of("::1");
    ck_assert(!refuses_block("127.0.0.0/8"));
    ck_assert(!refuses_block("::1"));
}
END_TEST

START_TEST(the_gateway_that_brings_the_wish_is_needed)
{
    askers[1] = addr_of("203.0.113.80");
    ck_assert(refuses_block("203.0.113.0/24"));
    ck_assert_ptr_nonnull(strstr(why, "203.0.113.80 (the gateway that asks)"));
}
END_TEST

START_TEST(who_is_whitelisted_for_as_long_cannot_be_cut_off)
{
    listed(NTC_WHITE, "192.168.0.0/16", 5000);
    ck_assert(!refuses(NTC_BLACK, false, "192.168.1.1", 4000));
    ck_assert(refuses(NTC_BLACK, false, "192.168.1.1", 6000));
    ck_assert(refuses_block("192.168.1.1"));
    listed(NTC_WHITE, "192.168.1.1", 0);
    ck_assert(!refuses_block("192.168.1.1"));
    ck_assert(refuses_block("192.168.1.0/24"));
    ck_assert_ptr_null(strstr(why, "192.168.1.1 "));
}
END_TEST

START_TEST(what_protects_somebody_is_not_removed)
{
    listed(NTC_BLACK, "192.168.0.0/16", 0);
    listed(NTC_WHITE, "192.168.1.0/24", 0);
    ck_assert(refuses(NTC_WHITE, true, "192.168.1.0/24", 0));
    ck_assert(refuses(NTC_WHITE, false, "192.168.1.0/24", 5000));       /* for a while only */
    listed(NTC_WHITE, "192.168.1.1", 0);
    listed(NTC_WHITE, "192.168.1.2", 0);
    ck_assert(!refuses(NTC_WHITE, true, "192.168.1.0/24", 0));
    ck_assert(refuses(NTC_WHITE, true, "192.168.1.2", 0) == false);     /* the /24 is still there */
}
END_TEST

START_TEST(who_is_cut_off_already_is_not_told_again)
{
    listed(NTC_BLACK, "192.168.0.0/16", 0);
    ck_assert(!refuses_block("192.168.1.1"));
    listed(NTC_BLACK, "192.168.0.0/16", NOW - 1);       /* has expired */
    ck_assert(refuses_block("192.168.1.1"));
}
END_TEST

START_TEST(many_are_counted_when_they_cannot_all_be_named)
{
    for (int i = 0; i < 100; i++) {
        char text[64];
        snprintf(text, sizeof text, "2001:db8:ffff:eeee:dddd:cccc:bbbb:%x", 0x1000 + i);
        is_around(&around.host, text);
    }
    ck_assert(refuses_block("2001:db8::/32"));
    ck_assert_uint_lt(strlen(why), sizeof why - 1);
    ck_assert_ptr_nonnull(strstr(why, " more; to do it all the same, add \"force\""));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("lockout_guard");
    TCase *tcase = tcase_create("edits");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, who_is_needed_is_named_with_the_reason);
    tcase_add_test(tcase, strangers_may_be_blocked);
    tcase_add_test(tcase, the_gateway_that_brings_the_wish_is_needed);
    tcase_add_test(tcase, who_is_whitelisted_for_as_long_cannot_be_cut_off);
    tcase_add_test(tcase, what_protects_somebody_is_not_removed);
    tcase_add_test(tcase, who_is_cut_off_already_is_not_told_again);
    tcase_add_test(tcase, many_are_counted_when_they_cannot_all_be_named);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
