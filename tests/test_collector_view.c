#include "collector_view.h"

#include "filled_aggregate.h"
#include "suite.h"
#include "table_pages.h"

#define FLOWS 50

static aggregate_t *aggregate;
static struct record_stream first, second;
static struct table_page page;

/* Both see 10.0.0.0 to 10.0.0.49; "second" also 40 packets to 40 ports from 10.9.9.9. */
static void setup(void)
{
    aggregate = filled_new();
    first = record_stream_open("first", 7);
    second = record_stream_open("second", 8);
    filled_status(aggregate, &first, 0, 100);
    filled_status(aggregate, &second, 0, 1000);
    filled_flows(aggregate, &first, FLOWS);
    filled_flows(aggregate, &second, FLOWS);
    for (uint16_t port = 1; port <= 40; port++) {
        struct packet_record record = record_of(IPPROTO_UDP, 0x0a090909, 5, 0xc0a80001, port,
                                                FILLED_LOCAL_NS);
        packet_batch_add(second.batch, &record);
    }
    aggregate_take_batch(aggregate, record_stream_cut(&second), FILLED_LOCAL_NS);
}

static void teardown(void)
{
    table_page_clear(&page);
    record_stream_close(&first);
    record_stream_close(&second);
    aggregate_destroy(&aggregate);
}

static void ask(struct table_query query)
{
    if (query.limit == 0)
        query.limit = 1000;
    if (query.seconds == 0)
        query.seconds = HISTORY_MAX_S;
    table_page_clear(&page);
    ck_assert_int_eq(table_pages_answer(aggregate, &query, FILLED_LOCAL_NS, FILLED_WALL_NS, &page),
                     0);
}

START_TEST(flows_and_addresses_are_those_of_one_or_of_all)
{
    ask((struct table_query) { .table = QUERY_FLOWS });
    ck_assert_uint_eq(page.total, 2 * FLOWS + 40);
    ask((struct table_query) { .table = QUERY_FLOWS, .collector_id = "first" });
    ck_assert_uint_eq(page.total, FLOWS);
    for (uint32_t i = 0; i < page.flow_count; i++)
        ck_assert_str_eq(page.flows[i].collector_id, "first");

    ask((struct table_query) { .table = QUERY_ADDRESSES });
    ck_assert_uint_eq(page.total, FLOWS + 1);
    uint64_t together = page.addresses[0].packets;
    ask((struct table_query) { .table = QUERY_ADDRESSES, .collector_id = "second" });
    ck_assert_uint_eq(page.total, FLOWS + 1);
    ck_assert_uint_eq(page.addresses[0].packets * 2, together);
    ask((struct table_query) { .table = QUERY_ADDRESSES, .collector_id = "first" });
    ck_assert_uint_eq(page.total, FLOWS);
    ck_assert_uint_eq(page.addresses[0].packets * 2, together);
}
END_TEST

START_TEST(the_summary_of_one_holds_its_own_and_nothing_else)
{
    filled_status(aggregate, &first, 1, 160);
    filled_status(aggregate, &second, 1, 7000);
    ask((struct table_query) { .table = QUERY_SUMMARY, .collector_id = "second" });
    const struct snapshot *summary = page.summary;
    ck_assert_ptr_nonnull(summary);
    ck_assert_uint_eq(summary->collector_count, 1);
    ck_assert_str_eq(summary->collectors[0].status.collector_id, "second");
    ck_assert_uint_eq(summary->active_flows, FLOWS + 40);
    ck_assert_uint_eq(summary->active_ips, FLOWS + 1);
    ck_assert_double_eq(summary->packets_per_second, 6000.0 / WINDOW_S);
    ck_assert_double_eq(summary->packets_per_second_now, 6000);
    ck_assert_uint_eq(summary->top_packets.rows[0].packets, FLOWS);
    ck_assert_uint_eq(summary->top_ports.rows[0].unique_dst_ports, 40);

    ask((struct table_query) { .table = QUERY_SUMMARY, .collector_id = "first" });
    ck_assert_uint_eq(page.summary->top_ports.rows[0].unique_dst_ports, 1);
    ck_assert_uint_eq(page.summary->top_flow_count, SNAPSHOT_TOP);
    for (uint32_t i = 0; i < SNAPSHOT_TOP; i++)
        ck_assert_str_eq(page.summary->top_flows[i].collector_id, "first");
    ck_assert_double_eq(page.summary->packets_per_second_now, 60);
}
END_TEST

static uint64_t sum_of(const char *series)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < page.history.series_count; i++)
        for (uint32_t n = 0; n < page.history.length; n++)
            if (strcmp(page.history.series[i].name, series) == 0)
                sum += page.history.series[i].packets[n];
    return sum;
}

START_TEST(histories_add_up)
{
    for (uint32_t s = 1; s <= 5; s++) {
        filled_status(aggregate, &first, s, 100 + 10 * s);
        filled_status(aggregate, &second, s, 1000 + 100 * s);
    }
    ask((struct table_query) { .table = QUERY_HISTORY, .collector_id = "first" });
    ck_assert_uint_eq(sum_of("tcp"), 50);
    ask((struct table_query) { .table = QUERY_HISTORY, .collector_id = "second" });
    ck_assert_uint_eq(sum_of("tcp"), 500);
    ask((struct table_query) { .table = QUERY_HISTORY });
    ck_assert_uint_eq(sum_of("tcp"), 550);
}
END_TEST

START_TEST(an_unknown_collector_is_refused_whatever_is_asked)
{
    static const enum query_table TABLES[] = { QUERY_FLOWS, QUERY_ADDRESSES, QUERY_HISTORY,
                                               QUERY_SUMMARY };

    for (size_t i = 0; i < sizeof TABLES / sizeof TABLES[0]; i++) {
        ask((struct table_query) { .table = TABLES[i], .collector_id = "third" });
        ck_assert(page.is_unknown_collector);
        ck_assert_str_eq(page.error, "collector: there is no \"third\"");
        ck_assert(page.total == 0 && !page.summary);
    }
}
END_TEST

START_TEST(an_only_collector_is_everything)
{
    aggregate_t *both = aggregate;

    aggregate = filled_new();
    record_stream_close(&first);
    first = record_stream_open("first", 7);
    filled_status(aggregate, &first, 0, 100);
    filled_flows(aggregate, &first, FLOWS);
    ck_assert_ptr_null(accounting_window_apart(aggregate_accounting(aggregate)));
    ask((struct table_query) { .table = QUERY_ADDRESSES, .collector_id = "first" });
    ck_assert_uint_eq(page.total, FLOWS);
    ask((struct table_query) { .table = QUERY_SUMMARY, .collector_id = "first" });
    ck_assert_uint_eq(page.summary->active_ips, FLOWS);
    ck_assert_uint_eq(page.summary->top_packets.size, SNAPSHOT_TOP);
    aggregate_destroy(&both);
}
END_TEST

START_TEST(a_wall_clock_that_is_wrong_shows_and_a_replayed_one_does_not)
{
    struct collector_state state;
    struct collector_status status = {
        .boot_id = 7, .collector_id = "first", .source = "tc", .next_seq = 1,
        .clock_ns = FILLED_LOCAL_NS + 5 * NS_PER_S,
        .wall_offset_ns = (int64_t) (FILLED_WALL_NS - FILLED_LOCAL_NS - 90 * NS_PER_S),
    };

    status.next_seq = first.header.first_seq;
    aggregate_take_status(aggregate, &status, status.clock_ns);
    collector_view_fill(aggregate, 0, FILLED_LOCAL_NS + 6 * NS_PER_S,
                        FILLED_WALL_NS + 6 * NS_PER_S, &state);
    ck_assert_int_eq(state.clock_error_ns, -90 * (int64_t) NS_PER_S);
    strcpy(status.source, "replay");
    aggregate_take_status(aggregate, &status, status.clock_ns);
    collector_view_fill(aggregate, 0, FILLED_LOCAL_NS + 6 * NS_PER_S,
                        FILLED_WALL_NS + 6 * NS_PER_S, &state);
    ck_assert_int_eq(state.clock_error_ns, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("collector_view");
    TCase *tcase = tcase_create("views");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, flows_and_addresses_are_those_of_one_or_of_all);
    tcase_add_test(tcase, the_summary_of_one_holds_its_own_and_nothing_else);
    tcase_add_test(tcase, histories_add_up);
    tcase_add_test(tcase, an_unknown_collector_is_refused_whatever_is_asked);
    tcase_add_test(tcase, an_only_collector_is_everything);
    tcase_add_test(tcase, a_wall_clock_that_is_wrong_shows_and_a_replayed_one_does_not);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
