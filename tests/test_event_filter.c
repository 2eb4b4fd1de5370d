#include "event_filter.h"

#include <errno.h>
#include <string.h>

#include "suite.h"

static const char *const KNOWN[] = { EVENT_FILTER_PARAMS, NULL };
static char why[QUERY_WHY_SIZE];

static int parse(const char *query, struct event_filter *filter)
{
    struct query_params params;

    ck_assert_int_eq(query_params_parse(&params, query, KNOWN, why), 0);
    return event_filter_parse(filter, &params, why);
}

/* TCP from 192.0.2.1:1234 to 198.51.100.7:22, dropped on its way in. */
static struct packet_record a_record(void)
{
    struct packet_record record = {
        .src_port = 1234, .dst_port = 22, .protocol = 6, .ip_version = 4,
        .direction = PACKET_INGRESS, .action = PACKET_DROP,
    };
    struct ip_addr addr;

    ip_addr_parse("192.0.2.1", &addr, why, sizeof why);
    memcpy(record.src_addr, addr.bytes, 16);
    ip_addr_parse("198.51.100.7", &addr, why, sizeof why);
    memcpy(record.dst_addr, addr.bytes, 16);
    return record;
}

static const struct { const char *query; bool matches; } CASES[] = {
    { "", true },
    { "ip=192.0.2.1", true }, { "ip=198.51.100.7", true }, { "ip=192.0.2.2", false },
    { "ip=192.0.2.0/24", true }, { "ip=0.0.0.0/0", true }, { "ip=::/0", false },
    { "port=22", true }, { "port=1234", true }, { "port=23", false },
    { "proto=tcp", true }, { "proto=UDP", false }, { "proto=other", false },
    { "action=drop", true }, { "action=PASS", false },
    { "direction=ingress", true }, { "direction=egress", false },
    { "ip=192.0.2.1&port=22&proto=tcp&action=drop&direction=ingress", true },
    { "ip=192.0.2.1&port=22&proto=tcp&action=drop&direction=egress", false },
};

START_TEST(all_conditions_must_hold)
{
    struct packet_record record = a_record();
    struct event_filter filter;

    ck_assert_int_eq(parse(CASES[_i].query, &filter), 0);
    ck_assert_int_eq(event_filter_matches(&filter, &record), CASES[_i].matches);
}
END_TEST

START_TEST(one_collector_or_any)
{
    struct event_filter any, one;

    ck_assert_int_eq(parse("", &any), 0);
    ck_assert_int_eq(parse("collector=pi1", &one), 0);
    ck_assert(event_filter_wants(&any, "pi1") && event_filter_wants(&any, "pi2"));
    ck_assert(event_filter_wants(&one, "pi1") && !event_filter_wants(&one, "pi2"));
    ck_assert(!event_filter_equal(&any, &one));
}
END_TEST

static const struct { const char *query, *says; } BAD[] = {
    { "ip=192.0.2.1/24", "ip: " }, { "ip=host", "ip: \"host\" is no IP address" },
    { "collector=%C3%A4", "at most 63 ASCII characters" },
    { "port=http", "port: " }, { "proto=sctp", "TCP, UDP, ICMP, OTHER" },
    { "action=block", "PASS, DROP, SKIP, SSH" }, { "direction=in", "INGRESS, EGRESS" },
};

START_TEST(bad_values_are_refused_with_a_sentence)
{
    struct event_filter filter;

    ck_assert_int_eq(parse(BAD[_i].query, &filter), -EINVAL);
    ck_assert_msg(strstr(why, BAD[_i].says) != NULL, "%s", why);
}
END_TEST

START_TEST(the_same_question_in_other_words_is_equal)
{
    struct event_filter a, b;

    ck_assert_int_eq(parse("ip=2001:db8::/32&proto=tcp", &a), 0);
    ck_assert_int_eq(parse("proto=TCP&ip=2001:DB8:0::%2f32", &b), 0);
    ck_assert(event_filter_equal(&a, &b));
    ck_assert_int_eq(parse("proto=TCP&ip=2001:db8::/33", &b), 0);
    ck_assert(!event_filter_equal(&a, &b));
    ck_assert_int_eq(parse("proto=TCP", &b), 0);
    ck_assert(!event_filter_equal(&a, &b));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("event_filter");
    TCase *tcase = tcase_create("filter");

    tcase_add_test(tcase, one_collector_or_any);
    tcase_add_loop_test(tcase, all_conditions_must_hold, 0, sizeof CASES / sizeof CASES[0]);
    tcase_add_loop_test(tcase, bad_values_are_refused_with_a_sentence, 0,
                        sizeof BAD / sizeof BAD[0]);
    tcase_add_test(tcase, the_same_question_in_other_words_is_equal);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
