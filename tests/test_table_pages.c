#include "table_pages.h"

#include "filled_aggregate.h"
#include "suite.h"

#define FLOWS 12000

static aggregate_t *aggregate;
static struct record_stream stream;
static struct table_page page;

static void setup(void)
{
    aggregate = filled_new();
    stream = record_stream_open("pi", 7);
    filled_flows(aggregate, &stream, FLOWS);
}

static void teardown(void)
{
    table_page_clear(&page);
    record_stream_close(&stream);
    aggregate_destroy(&aggregate);
}

static void ask(struct table_query query)
{
    if (query.limit == 0)
        query.limit = 100;
    table_page_clear(&page);
    ck_assert_int_eq(table_pages_answer(aggregate, &query, FILLED_LOCAL_NS, FILLED_WALL_NS, &page),
                     0);
    ck_assert_uint_eq(page.request_id, query.request_id);
    ck_assert_uint_eq(page.unix_ns, FILLED_WALL_NS);
}

static uint32_t flow_number(uint32_t row)
{
    ck_assert_uint_lt(row, page.flow_count);
    return page.flows[row].src_port - 1000;
}

START_TEST(flows_come_by_bytes_unless_told_otherwise)
{
    ask((struct table_query) { .request_id = 5, .limit = 3 });
    ck_assert_uint_eq(page.total, FLOWS);
    ck_assert_uint_eq(page.flow_count, 3);
    ck_assert_uint_eq(flow_number(0), FLOWS - 1);
    ck_assert_uint_eq(flow_number(2), FLOWS - 3);
    ck_assert_str_eq(page.flows[0].collector_id, "pi");
    ck_assert_uint_eq(page.flows[0].packets, FLOWS);
    ck_assert_uint_eq(page.flows[0].bytes, 100 * FLOWS);
    ck_assert_uint_eq(page.flows[0].first_unix_ns, FILLED_WALL_NS);
    ck_assert_uint_eq(page.flows[0].last_unix_ns, FILLED_WALL_NS + (FLOWS - 1) * 1000);
}
END_TEST

START_TEST(every_column_sorts_both_ways)
{
    static const char *const names[] = { "bytes", "packets", "last", "src", "duration" };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct table_query query = { .limit = 2 };
        snprintf(query.sort, sizeof query.sort, "%s", names[i]);
        ask(query);
        ck_assert_uint_eq(flow_number(0), FLOWS - 1);
        ck_assert_uint_eq(flow_number(1), FLOWS - 2);
        query.ascending = true;
        ask(query);
        ck_assert_uint_eq(flow_number(0), 0);
        ck_assert_uint_eq(flow_number(1), 1);
    }
    ask((struct table_query) { .limit = 2, .sort = "port" });
    ck_assert_uint_eq(page.flows[0].dst_port, 82);
    ask((struct table_query) { .limit = 2, .sort = "port", .ascending = true });
    ck_assert_uint_eq(flow_number(1), 3);
    ask((struct table_query) { .limit = 2, .sort = "first" });
    ck_assert_uint_eq(flow_number(0), 0);
    ask((struct table_query) { .limit = 2, .sort = "dst" });
    ck_assert_uint_eq(flow_number(1), 1);
}
END_TEST

START_TEST(pages_follow_each_other_to_the_deepest)
{
    ask((struct table_query) { .offset = 9990, .limit = 10 });
    ck_assert_uint_eq(page.flow_count, 10);
    ck_assert_uint_eq(flow_number(0), FLOWS - 1 - 9990);
    ask((struct table_query) { .offset = 9000, .limit = 1000, .port = 80 });
    ck_assert_uint_eq(page.total, FLOWS / 3);
    ck_assert_uint_eq(page.flow_count, 0);
    ask((struct table_query) { .offset = 3999, .limit = 1000, .port = 80 });
    ck_assert_uint_eq(page.flow_count, 1);
    ck_assert_uint_eq(flow_number(0), 0);
}
END_TEST

START_TEST(filters_hold_together)
{
    ask((struct table_query) { .group = 1 + PACKET_UDP });
    ck_assert_uint_eq(page.total, FLOWS / 2);
    ask((struct table_query) { .action = 1 + PACKET_DROP, .direction = 1 + PACKET_EGRESS });
    ck_assert_uint_eq(page.total, FLOWS / 20);
    ask((struct table_query) { .port = 1042 });
    ck_assert_uint_eq(page.total, 1);
    ck_assert_uint_eq(flow_number(0), 42);

    struct table_query query = { .has_addr = true, .addr_bits = 120 };
    record_addr(query.addr, 0x0a000100);
    ask(query);
    ck_assert_uint_eq(page.total, 256);
    ck_assert_uint_eq(flow_number(0), 0x1ff);
    query.addr_bits = 128;
    record_addr(query.addr, 0xc0a80001);
    ask(query);
    ck_assert_uint_eq(page.total, FLOWS);
}
END_TEST

START_TEST(addresses_come_with_their_seconds)
{
    ask((struct table_query) { .table = QUERY_ADDRESSES, .limit = 2 });
    ck_assert_uint_eq(page.total, 4096);
    ck_assert_uint_eq(page.address_count, 2);
    ck_assert_uint_eq(page.addresses[0].packets, FLOWS);
    ck_assert_double_eq(page.addresses[0].packets_per_second, FLOWS / 60.0);
    ck_assert(page.addresses[0].has_seconds);
    ck_assert_uint_eq(page.addresses[0].packets_by_second[WINDOW_S - 1], FLOWS);
    ck_assert_uint_eq(page.addresses[0].bytes_by_second[WINDOW_S - 1], 100 * FLOWS);
    ck_assert_uint_eq(page.addresses[0].packets_by_second[0], 0);
    ck_assert_uint_eq(page.addresses[0].unique_dst_ports, 1);
    ck_assert_uint_eq(page.addresses[1].syn, FLOWS - 1);

    ask((struct table_query) { .table = QUERY_ADDRESSES, .sort = "ip", .ascending = true });
    for (uint32_t i = 1; i < page.address_count; i++)
        ck_assert_int_lt(memcmp(page.addresses[i - 1].addr, page.addresses[i].addr, 16), 0);
    ask((struct table_query) { .table = QUERY_ADDRESSES, .sort = "ip" });
    for (uint32_t i = 1; i < page.address_count; i++)
        ck_assert_int_gt(memcmp(page.addresses[i - 1].addr, page.addresses[i].addr, 16), 0);
    ask((struct table_query) { .table = QUERY_ADDRESSES, .sort = "syn", .limit = 1 });
    ck_assert_uint_eq(page.addresses[0].syn, FLOWS - 1);
}
END_TEST

START_TEST(a_wrong_column_is_answered_with_the_right_ones)
{
    ask((struct table_query) { .sort = "size" });
    ck_assert_str_eq(page.error, "cannot sort flows by \"size\": use bytes, packets, first, last, "
                                 "src, dst, port, duration");
    ck_assert_uint_eq(page.flow_count, 0);
    ask((struct table_query) { .table = QUERY_ADDRESSES, .sort = "abcdefghijklmnopqrstuvw" });
    ck_assert_ptr_nonnull(strstr(page.error, "bytes_per_second"));
    ck_assert_ptr_nonnull(strstr(page.error, "ip"));
    ck_assert_uint_lt(strlen(page.error), sizeof page.error - 1);
}
END_TEST

START_TEST(a_page_too_deep_is_refused)
{
    ask((struct table_query) { .offset = QUERY_MAX_DEPTH, .limit = 1 });
    ck_assert_ptr_nonnull(strstr(page.error, "offset 10000 and limit 1"));
    ask((struct table_query) { .offset = UINT32_MAX, .limit = 1 });
    ck_assert_str_ne(page.error, "");
    ask((struct table_query) { .limit = QUERY_MAX_LIMIT + 1 });
    ck_assert_str_ne(page.error, "");
}
END_TEST

START_TEST(history_ends_with_the_last_whole_second)
{
    for (uint32_t second = 1; second <= 10; second++)
        filled_status(aggregate, &stream, second, second * 1000);
    struct table_query query = { .table = QUERY_HISTORY, .seconds = 5, .limit = 1 };
    table_page_clear(&page);
    ck_assert_int_eq(table_pages_answer(aggregate, &query, FILLED_LOCAL_NS + 10 * NS_PER_S,
                                        FILLED_WALL_NS + 10 * NS_PER_S, &page), 0);

    ck_assert_uint_eq(page.history.length, 5);
    ck_assert_uint_eq(page.history.end_unix_s, FILLED_WALL_NS / NS_PER_S + 9);
    for (uint32_t i = 0; i < 5; i++)
        ck_assert_uint_eq(page.history.series[0].packets[i], 1000);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("table_pages");
    TCase *tcase = tcase_create("queries");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, flows_come_by_bytes_unless_told_otherwise);
    tcase_add_test(tcase, every_column_sorts_both_ways);
    tcase_add_test(tcase, pages_follow_each_other_to_the_deepest);
    tcase_add_test(tcase, filters_hold_together);
    tcase_add_test(tcase, addresses_come_with_their_seconds);
    tcase_add_test(tcase, a_wrong_column_is_answered_with_the_right_ones);
    tcase_add_test(tcase, a_page_too_deep_is_refused);
    tcase_add_test(tcase, history_ends_with_the_last_whole_second);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
