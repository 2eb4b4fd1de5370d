#include "bus_endpoint.h"

#include <errno.h>
#include <string.h>

#include "suite.h"

static char why[512];

static struct bus_endpoint parse(const char *text)
{
    struct bus_endpoint endpoint;

    ck_assert_msg(bus_endpoint_parse(text, &endpoint, why, sizeof why) == 0, "%s", why);
    return endpoint;
}

START_TEST(a_path_is_an_endpoint_on_this_host)
{
    struct bus_endpoint endpoint = parse("ipc:///run/ntc/events");

    ck_assert(!endpoint.is_tcp);
    ck_assert_str_eq(endpoint.path, "/run/ntc/events");
}
END_TEST

START_TEST(a_host_and_a_port_are_an_endpoint_elsewhere)
{
    struct bus_endpoint endpoint = parse("tcp://pi-1.lan:7386");

    ck_assert(endpoint.is_tcp);
    ck_assert(!endpoint.is_ipv6);
    ck_assert_str_eq(endpoint.host, "pi-1.lan");
    ck_assert_uint_eq(endpoint.port, 7386);
    endpoint = parse("tcp://[2001:db8::1]:1");
    ck_assert(endpoint.is_ipv6);
    ck_assert_str_eq(endpoint.host, "2001:db8::1");
    ck_assert_uint_eq(endpoint.port, 1);
    endpoint = parse("tcp://[fe80::1%eth0]:65534");
    ck_assert_str_eq(endpoint.host, "fe80::1%eth0");
}
END_TEST

static const char *const WRONG[] = {
    "", "7386", "pi1:7386", "udp://pi1:7386", "tcp://", "tcp://pi1", "tcp://pi1:", "tcp://:7386",
    "tcp://pi1:0", "tcp://pi1:65535", "tcp://pi1:99999", "tcp://pi1:7386x", "tcp://pi1:+7386",
    "tcp://pi1:*", "tcp://*:7386", "tcp://pi 1:7386", "tcp://pi1/x:7386", "tcp://../x:7386",
    "tcp://2001:db8::1:7386", "tcp://[2001:db8::1]", "tcp://[]:7386", "tcp://[pi1]:7386",
    "tcp://[::1:7386", "tcp://::1]:7386", "tcp://[fe80::1%]:7386", "tcp://[fe80::1%a/b]:7386",
    "tcp://eth0;pi1:7386", "ipc://", "ipc://@x", "ipc://*", "TCP://pi1:7386",
};

START_TEST(what_is_no_endpoint_is_quoted_and_put_right)
{
    struct bus_endpoint endpoint;

    why[0] = '\0';
    ck_assert_msg(bus_endpoint_parse(WRONG[_i], &endpoint, why, sizeof why) == -EINVAL, "%s",
                  WRONG[_i]);
    ck_assert_msg(strstr(why, WRONG[_i]) != NULL, "%s", why);
    ck_assert_msg(strstr(why, ": write ") != NULL, "%s", why);
    ck_assert_int_eq(bus_endpoint_commands((char[BUS_ENDPOINT_SIZE]) { 0 }, WRONG[_i]), -EINVAL);
}
END_TEST

START_TEST(long_endpoints_are_refused)
{
    struct bus_endpoint endpoint;
    char text[200] = "ipc:///";

    memset(text + 7, 'x', 106);
    parse(text);
    text[7 + 106] = 'x';
    ck_assert_int_eq(bus_endpoint_parse(text, &endpoint, why, sizeof why), -EINVAL);
    strcpy(text, "tcp://");
    memset(text + 6, 'x', 130);
    strcpy(text + 136, ":7386");
    ck_assert_int_eq(bus_endpoint_parse(text, &endpoint, why, sizeof why), -EINVAL);
}
END_TEST

START_TEST(commands_are_beside_the_events)
{
    char commands[BUS_ENDPOINT_SIZE];

    ck_assert_int_eq(bus_endpoint_commands(commands, "ipc:///run/ntc/events"), 0);
    ck_assert_str_eq(commands, "ipc:///run/ntc/commands");
    ck_assert_int_eq(bus_endpoint_commands(commands, "ipc://events"), 0);
    ck_assert_str_eq(commands, "ipc://commands");
    ck_assert_int_eq(bus_endpoint_commands(commands, "tcp://pi1:7386"), 0);
    ck_assert_str_eq(commands, "tcp://pi1:7387");
    ck_assert_int_eq(bus_endpoint_commands(commands, "tcp://[2001:db8::1]:9"), 0);
    ck_assert_str_eq(commands, "tcp://[2001:db8::1]:10");
}
END_TEST

START_TEST(commands_that_do_not_fit_are_refused)
{
    char text[BUS_ENDPOINT_SIZE] = "ipc:///", commands[BUS_ENDPOINT_SIZE];

    memset(text + 7, 'x', 104);
    strcpy(text + 7 + 104, "/e");
    ck_assert_int_eq(bus_endpoint_commands(commands, text), -ENAMETOOLONG);
    strcpy(text, "tcp://");
    memset(text + 6, 'x', 119);
    strcpy(text + 125, ":9");
    ck_assert_int_eq(bus_endpoint_commands(commands, text), -ENAMETOOLONG);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("bus_endpoint");
    TCase *tcase = tcase_create("endpoints");

    tcase_add_test(tcase, a_path_is_an_endpoint_on_this_host);
    tcase_add_test(tcase, a_host_and_a_port_are_an_endpoint_elsewhere);
    tcase_add_loop_test(tcase, what_is_no_endpoint_is_quoted_and_put_right, 0,
                        sizeof WRONG / sizeof WRONG[0]);
    tcase_add_test(tcase, long_endpoints_are_refused);
    tcase_add_test(tcase, commands_are_beside_the_events);
    tcase_add_test(tcase, commands_that_do_not_fit_are_refused);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
