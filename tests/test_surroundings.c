#include "surroundings.h"

#include "suite.h"

static const char *text_of(const struct ip_addr *addr)
{
    static char text[IP_TEXT_SIZE];

    ip_addr_format(addr->bytes, text);
    return text;
}

/* Lines as the kernel writes them (little-endian hosts). */
START_TEST(only_default_routes_have_gateways)
{
    static const char *const LINES[] = {
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n",
        "eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n",
        "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n",
        "eth0\t00000000\t010200C0\t0003\t0\t0\t9\t00000000\t0\t0\t0\n",
        "ppp0\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0\n", "", "x", "\n",
    };
    struct address_list gateways = { 0 };

    for (size_t i = 0; i < sizeof LINES / sizeof LINES[0]; i++)
        surroundings_add_route(&gateways, LINES[i]);
    ck_assert_uint_eq(gateways.size, 1);
    ck_assert_str_eq(text_of(&gateways.items[0]), "192.0.2.1");
}
END_TEST

START_TEST(ipv6_routes_are_read_too)
{
    static const char *const LINES[] = {
        "00000000000000000000000000000000 00 00000000000000000000000000000000 00 "
        "fe800000000000000000000000000001 00000400 00000001 00000000 00000003 eth0\n",
        "fe800000000000000000000000000000 40 00000000000000000000000000000000 00 "
        "fe800000000000000000000000000002 00000100 00000001 00000000 00000001 eth0\n",
        "00000000000000000000000000000000 00 00000000000000000000000000000000 00 "
        "00000000000000000000000000000000 ffffffff 00000001 00000000 00200200 lo\n",
        "", "0 00 0 0 zz",
    };
    struct address_list gateways = { 0 };

    for (size_t i = 0; i < sizeof LINES / sizeof LINES[0]; i++)
        surroundings_add_route6(&gateways, LINES[i]);
    ck_assert_uint_eq(gateways.size, 1);
    ck_assert_str_eq(text_of(&gateways.items[0]), "fe80::1");
}
END_TEST

START_TEST(name_servers_are_read_without_their_zones)
{
    static const char *const LINES[] = {
        "# nameserver 192.0.2.9\n", "nameserver 192.0.2.1\n", "  nameserver\t2001:db8::53\n",
        "nameserver fe80::1%eth0\n", "nameserver 192.0.2.1\n", "nameserver 127.0.0.53\n",
        "nameserver ::1\n", "nameserver none\n", "search example.org\n", "nameserver", "",
    };
    static const char *const FOUND[] = { "192.0.2.1", "2001:db8::53", "fe80::1" };
    struct address_list servers = { 0 };

    for (size_t i = 0; i < sizeof LINES / sizeof LINES[0]; i++)
        surroundings_add_name_server(&servers, LINES[i]);
    ck_assert_uint_eq(servers.size, 3);
    for (unsigned i = 0; i < servers.size; i++)
        ck_assert_str_eq(text_of(&servers.items[i]), FOUND[i]);
}
END_TEST

START_TEST(the_loopback_is_no_surrounding)
{
    struct surroundings found;

    surroundings_read(&found);
    for (unsigned i = 0; i < found.host.size; i++) {
        ck_assert_str_ne(text_of(&found.host.items[i]), "127.0.0.1");
        ck_assert_str_ne(text_of(&found.host.items[i]), "::1");
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("surroundings");
    TCase *tcase = tcase_create("addresses");

    tcase_add_test(tcase, only_default_routes_have_gateways);
    tcase_add_test(tcase, ipv6_routes_are_read_too);
    tcase_add_test(tcase, name_servers_are_read_without_their_zones);
    tcase_add_test(tcase, the_loopback_is_no_surrounding);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
