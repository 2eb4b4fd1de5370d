#include "authority.h"

#include <errno.h>

#include "suite.h"

static const struct { const char *text; const char *host; uint16_t port; bool literal, loopback; }
GOOD[] = {
    { "localhost", "localhost", 0, false, true },
    { "LocalHost:8086", "localhost", 8086, false, true },
    { "localhost.", "localhost", 0, false, true },
    { "127.0.0.1:80", "127.0.0.1", 80, true, true },
    { "127.1.2.3", "127.1.2.3", 0, true, true },
    { "192.168.1.1:8086", "192.168.1.1", 8086, true, false },
    { "[::1]", "::1", 0, true, true }, { "[::1]:8086", "::1", 8086, true, true },
    { "[2001:DB8::1]", "2001:db8::1", 0, true, false },
    { "raspberrypi.local:8086", "raspberrypi.local", 8086, false, false },
    { "localhost.evil.example", "localhost.evil.example", 0, false, false },
    { "a:", "a", 0, false, false },
};

START_TEST(hosts_and_ports_are_taken_apart)
{
    struct authority authority;

    ck_assert_int_eq(authority_parse(&authority, GOOD[_i].text), 0);
    ck_assert_str_eq(authority.host, GOOD[_i].host);
    ck_assert_uint_eq(authority.port, GOOD[_i].port);
    ck_assert_int_eq(authority.is_literal, GOOD[_i].literal);
    ck_assert_int_eq(authority_is_loopback(&authority), GOOD[_i].loopback);
}
END_TEST

static const char *const BAD[] = {
    "", ":80", "a:b", "a:80:80", "a:65536", "a:999999", "a b", "a/b", "a@b", "user@localhost",
    "[::1", "[::1]x", "[127.0.0.1]", "[localhost]", "::1", "a\tb", "a%2eb", "localhost#",
    "\xc3\xa4", "a:-1",
};

START_TEST(anything_else_is_refused)
{
    struct authority authority;

    ck_assert_int_eq(authority_parse(&authority, BAD[_i]), -EINVAL);
}
END_TEST

static const struct { const char *host, *origin; bool same; } ORIGINS[] = {
    { "localhost:8086", "http://localhost:8086", true },
    { "localhost:8086", "http://LOCALHOST:8086", true },
    { "localhost:8086", "http://localhost:8087", false },
    { "localhost:8086", "http://localhost", false },
    { "router.lan", "http://router.lan", true }, { "router.lan", "https://router.lan", true },
    { "router.lan", "http://router.lan:80", true },
    { "router.lan:443", "https://router.lan", true },
    { "router.lan", "https://router.lan:8443", false },
    { "localhost:8086", "null", false }, { "localhost:8086", "", false },
    { "localhost:8086", "file://localhost:8086", false },
    { "localhost:8086", "http://localhost:8086.evil.example", false },
    { "localhost:8086", "http://evil.example", false },
    { "localhost:8086", "http://localhost:8086/", false },
    { "127.0.0.1", "http://localhost", false },
};

START_TEST(an_origin_is_the_same_scheme_aside)
{
    struct authority host;

    ck_assert_int_eq(authority_parse(&host, ORIGINS[_i].host), 0);
    ck_assert_int_eq(authority_is_origin(&host, ORIGINS[_i].origin), ORIGINS[_i].same);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("authority");
    TCase *tcase = tcase_create("headers");

    tcase_add_loop_test(tcase, hosts_and_ports_are_taken_apart, 0, sizeof GOOD / sizeof GOOD[0]);
    tcase_add_loop_test(tcase, anything_else_is_refused, 0, sizeof BAD / sizeof BAD[0]);
    tcase_add_loop_test(tcase, an_origin_is_the_same_scheme_aside, 0,
                        sizeof ORIGINS / sizeof ORIGINS[0]);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
