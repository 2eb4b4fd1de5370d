#include "ip_addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "suite.h"

static char why[160];

static struct ip_prefix prefix_of(const char *text)
{
    struct ip_prefix prefix;

    ck_assert_msg(ip_prefix_parse(text, &prefix, why, sizeof why) == 0, "%s: %s", text, why);
    return prefix;
}

static const char *text_of(const struct ip_prefix *prefix)
{
    static char text[IP_PREFIX_TEXT_SIZE];

    memset(text, 'x', sizeof text);
    ck_assert_uint_eq(ip_prefix_format(prefix, text), strlen(text));
    return text;
}

START_TEST(good_text_is_read_and_written_in_the_right_form)
{
    static const char *const CASES[][2] = {
        { "192.0.2.1", "192.0.2.1" }, { "0.0.0.0", "0.0.0.0" },
        { "255.255.255.255", "255.255.255.255" }, { "192.0.2.1/32", "192.0.2.1" },
        { "192.0.2.0/24", "192.0.2.0/24" }, { "0.0.0.0/0", "0.0.0.0/0" },
        { "128.0.0.0/1", "128.0.0.0/1" }, { "192.0.2.2/31", "192.0.2.2/31" },
        { "::", "::" }, { "::/0", "::/0" }, { "::1", "::1" }, { "::1/128", "::1" },
        { "2001:DB8::A", "2001:db8::a" }, { "2001:db8::/32", "2001:db8::/32" },
        { "2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1" },        /* RFC 5952, section 4.2.3 */
        { "2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1" },     /* 4.2.2 */
        { "2001:0db8::0001", "2001:db8::1" },                   /* 4.1 */
        { "1:0:0:0:0:0:0:0", "1::" }, { "0:0:0:0:0:0:0:2", "::2" },
        { "fe80::/10", "fe80::/10" }, { "8000::/1", "8000::/1" },
        { "::192.0.2.1", "::c000:201" },
    };

    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct ip_prefix prefix = prefix_of(CASES[i][0]);
        ck_assert_str_eq(text_of(&prefix), CASES[i][1]);
    }
}
END_TEST

START_TEST(bad_text_is_refused_with_what_would_be_right)
{
    static const char *const CASES[][2] = {
        { "", "it is empty" }, { " ", "write it like" }, { "/24", "it is empty" },
        { "192.0.2", "write it like" }, { "192.0.2.256", "write it like" },
        { "192.0.2.01", "write it like" }, { "192.0.2.1 ", "write it like" },
        { " 192.0.2.1", "write it like" }, { "192.0.2.1.5", "write it like" },
        { "0x7f.0.0.1", "write it like" }, { "3232235521", "write it like" },
        { "192.0.2.1/", "/0 to /32" }, { "192.0.2.1/33", "/0 to /32" },
        { "192.0.2.1/032", "/0 to /32" }, { "192.0.2.1/-1", "/0 to /32" },
        { "192.0.2.1/24x", "/0 to /32" }, { "192.0.2.1/4294967320", "/0 to /32" },
        { "192.0.2.0/24/24", "/0 to /32" }, { "192.0.2.1/255.255.255.0", "/0 to /32" },
        { "192.0.2.1/24", "write 192.0.2.0/24" }, { "128.0.0.0/0", "write 0.0.0.0/0" },
        { "2001:db8::1/32", "write 2001:db8::/32" }, { "::1/129", "/0 to /128" },
        { "::ffff:192.0.2.1", "write 192.0.2.1" }, { "::ffff:0:0/96", "write 0.0.0.0" },
        { "fe80::1%eth0", "without it" }, { "[::1]", "write it like" }, { ":::", "write it like" },
        { "1::2::3", "write it like" }, { "g::", "write it like" },
        { "1:2:3:4:5:6:7:8:9", "write it like" }, { "192.0.2.1\n", "write it like" },
        { "localhost", "write it like" },
    };

    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct ip_prefix prefix = { .bits = 77 };
        ck_assert_int_eq(ip_prefix_parse(CASES[i][0], &prefix, why, sizeof why), -EINVAL);
        ck_assert_uint_eq(prefix.bits, 77);
        ck_assert_msg(strstr(why, CASES[i][1]) != NULL, "%s: %s", CASES[i][0], why);
        ck_assert_ptr_null(strchr(why, '\n'));
    }
}
END_TEST

START_TEST(long_text_is_not_echoed_whole)
{
    char text[10000];
    struct ip_prefix prefix;

    memset(text, '1', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    ck_assert_int_eq(ip_prefix_parse(text, &prefix, why, sizeof why), -EINVAL);
    ck_assert_uint_lt(strlen(why), 120);
    memcpy(text, "::1/", 4);
    ck_assert_int_eq(ip_prefix_parse(text, &prefix, why, sizeof why), -EINVAL);
    ck_assert_uint_lt(strlen(why), sizeof why - 1);
}
END_TEST

START_TEST(a_single_address_has_no_length)
{
    struct ip_addr addr;

    ck_assert_int_eq(ip_addr_parse("192.0.2.1", &addr, why, sizeof why), 0);
    ck_assert_int_eq(ip_addr_version(addr.bytes), 4);
    ck_assert_int_eq(ip_addr_parse("2001:db8::1", &addr, why, sizeof why), 0);
    ck_assert_int_eq(ip_addr_version(addr.bytes), 6);
    ck_assert_int_eq(ip_addr_parse("192.0.2.1/32", &addr, why, sizeof why), -EINVAL);
}
END_TEST

/* Words are mostly 0, 1 or ffff, so that runs of zeros of every length and place come up. */
static void random_addr(uint8_t addr[16])
{
    static const uint16_t WORDS[] = { 0, 0, 0, 1, 0xffff, 0x10, 0x100, 0x1000 };

    for (int i = 0; i < 8; i++) {
        uint16_t word = random() % 4 ? WORDS[random() % 8] : (uint16_t) random();
        addr[2 * i] = (uint8_t) (word >> 8);
        addr[2 * i + 1] = (uint8_t) word;
    }
    if (random() % 4 == 0)
        memcpy(addr, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12);
}

START_TEST(text_is_what_the_c_library_writes)
{
    srandom((unsigned) _i);
    for (int n = 0; n < 2000; n++) {
        uint8_t addr[16];
        char text[IP_TEXT_SIZE], right[IP_TEXT_SIZE];

        random_addr(addr);
        if (memcmp(addr, "\0\0\0\0\0\0\0\0\0\0\0", 12) == 0)
            continue;   /* the library writes ::1.2.3.4; RFC 5952, section 5, leaves it open */
        if (ip_addr_version(addr) == 4)
            inet_ntop(AF_INET, addr + 12, right, sizeof right);
        else
            inet_ntop(AF_INET6, addr, right, sizeof right);
        ck_assert_uint_eq(ip_addr_format(addr, text), strlen(right));
        ck_assert_str_eq(text, right);
    }
}
END_TEST

static bool bit_of(const uint8_t addr[16], unsigned i) { return addr[i / 8] >> (7 - i % 8) & 1; }

/* Bit by bit, as the definition says. */
static bool contains(const struct ip_prefix *prefix, const uint8_t addr[16])
{
    if (ip_prefix_version(prefix) != ip_addr_version(addr))
        return false;
    for (unsigned i = 0; i < prefix->bits; i++)
        if (bit_of(prefix->addr.bytes, i) != bit_of(addr, i))
            return false;
    return true;
}

START_TEST(prefixes_contain_what_the_definition_says)
{
    srandom((unsigned) _i);
    for (int n = 0; n < 2000; n++) {
        struct ip_prefix prefix = { .bits = (uint8_t) (random() % 129) }, back;
        uint8_t addr[16];

        random_addr(prefix.addr.bytes);
        if (ip_addr_version(prefix.addr.bytes) == 4)
            prefix.bits = (uint8_t) (96 + random() % 33);
        for (unsigned i = prefix.bits; i < 128; i++)
            prefix.addr.bytes[i / 8] &= (uint8_t) ~(0x80 >> i % 8);
        random_addr(addr);
        for (unsigned i = 0; i < prefix.bits && n % 2; i++)
            addr[i / 8] = (uint8_t) ((addr[i / 8] & ~(0x80 >> i % 8))
                                     | (prefix.addr.bytes[i / 8] & 0x80 >> i % 8));
        ck_assert_int_eq(ip_prefix_contains(&prefix, addr), contains(&prefix, addr));

        back = prefix_of(text_of(&prefix));
        ck_assert_int_eq(ip_prefix_compare(&prefix, &back), 0);
    }
}
END_TEST

START_TEST(all_of_ipv6_holds_no_ipv4)
{
    struct ip_prefix v6 = prefix_of("::/0"), v4 = prefix_of("0.0.0.0/0");
    struct ip_prefix host4 = prefix_of("192.0.2.1"), host6 = prefix_of("2001:db8::1");

    ck_assert(ip_prefix_contains(&v6, host6.addr.bytes));
    ck_assert(!ip_prefix_contains(&v6, host4.addr.bytes));
    ck_assert(ip_prefix_contains(&v4, host4.addr.bytes));
    ck_assert(!ip_prefix_contains(&v4, host6.addr.bytes));
    ck_assert_int_eq(ip_prefix_version(&v6), 6);
    ck_assert_int_eq(ip_prefix_version(&v4), 4);
    ck_assert(ip_prefix_is_host(&host4) && ip_prefix_is_host(&host6));
    ck_assert(!ip_prefix_is_host(&v4) && !ip_prefix_is_host(&v6));
}
END_TEST

START_TEST(a_prefix_sorts_before_what_is_inside)
{
    static const char *const SORTED[] = {
        "::/0", "::1", "0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/24", "10.0.0.0", "10.0.0.1",
        "10.0.1.0/24", "192.0.2.1", "2001:db8::/32", "2001:db8::", "2001:db8::1",
    };

    for (size_t i = 0; i + 1 < sizeof SORTED / sizeof SORTED[0]; i++) {
        struct ip_prefix a = prefix_of(SORTED[i]), b = prefix_of(SORTED[i + 1]);
        ck_assert_msg(ip_prefix_compare(&a, &b) < 0, "%s, %s", SORTED[i], SORTED[i + 1]);
        ck_assert_msg(ip_prefix_compare(&b, &a) > 0, "%s, %s", SORTED[i], SORTED[i + 1]);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ip_addr");
    TCase *tcase = tcase_create("text");

    tcase_add_test(tcase, good_text_is_read_and_written_in_the_right_form);
    tcase_add_test(tcase, bad_text_is_refused_with_what_would_be_right);
    tcase_add_test(tcase, long_text_is_not_echoed_whole);
    tcase_add_test(tcase, a_single_address_has_no_length);
    tcase_add_loop_test(tcase, text_is_what_the_c_library_writes, 0, 16);
    tcase_add_loop_test(tcase, prefixes_contain_what_the_definition_says, 0, 16);
    tcase_add_test(tcase, all_of_ipv6_holds_no_ipv4);
    tcase_add_test(tcase, a_prefix_sorts_before_what_is_inside);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
