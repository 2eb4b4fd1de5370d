#include "snapshot_maker.h"

#include "filled_aggregate.h"
#include "suite.h"

static aggregate_t *aggregate;
static struct record_stream stream;
static struct snapshot snapshot;

static void setup(void)
{
    aggregate = filled_new();
    stream = record_stream_open("pi", 7);
}

static void teardown(void)
{
    snapshot_clear(&snapshot);
    record_stream_close(&stream);
    aggregate_destroy(&aggregate);
}

static void make(uint32_t after_s)
{
    uint64_t local_ns = FILLED_LOCAL_NS + after_s * NS_PER_S;

    snapshot_clear(&snapshot);
    ck_assert_int_eq(snapshot_maker_fill(aggregate, local_ns, 0, &snapshot), 0);
}

START_TEST(an_empty_aggregator_shows_its_tables)
{
    make(0);
    ck_assert_uint_eq(snapshot.collector_count, 0);
    ck_assert_uint_eq(snapshot.active_ips, 0);
    ck_assert_uint_eq(snapshot.top_flow_count, 0);
    ck_assert_uint_eq(snapshot.table_count, 3);
    ck_assert_str_eq(snapshot.tables[0].name, "flows");
    ck_assert_uint_eq(snapshot.tables[0].capacity, 20000);
    ck_assert_str_eq(snapshot.tables[1].name, "addresses");
    ck_assert_uint_eq(snapshot.tables[1].capacity, 4096);
    ck_assert_str_eq(snapshot.tables[2].name, "ports");
    ck_assert_uint_eq(snapshot.tables[2].capacity, 4096 * PORTS_PER_ADDRESS);
}
END_TEST

START_TEST(totals_and_top_lists_are_those_of_the_records)
{
    enum { FLOWS = 1000 };
    double packets = FLOWS * (FLOWS + 1) / 2;

    filled_flows(aggregate, &stream, FLOWS);
    filled_status(aggregate, &stream, 1, 5000);
    filled_status(aggregate, &stream, 2, 5700);
    make(2);
    ck_assert_double_eq_tol(snapshot.packets_per_second, packets / 60, 1e-9);
    ck_assert_double_eq_tol(snapshot.bytes_per_second, 100 * packets / 60, 1e-6);
    ck_assert_double_eq(snapshot.packets_per_second_now, 700);
    ck_assert_double_eq(snapshot.bytes_per_second_now, 70000);
    ck_assert_uint_eq(snapshot.active_ips, FLOWS);
    ck_assert_uint_eq(snapshot.active_flows, FLOWS);
    ck_assert_uint_eq(snapshot.top_flow_count, SNAPSHOT_TOP);
    ck_assert_uint_eq(snapshot.top_flows[0].packets, FLOWS);
    ck_assert_uint_eq(snapshot.top_flows[9].packets, FLOWS - 9);
    ck_assert_uint_eq(snapshot.top_packets.size, SNAPSHOT_TOP);
    ck_assert_uint_eq(snapshot.top_packets.rows[9].packets, FLOWS - 9);
    ck_assert_uint_eq(snapshot.top_bytes.rows[0].bytes, 100 * FLOWS);
    ck_assert_uint_eq(snapshot.top_syn.rows[0].syn, FLOWS - 1);
    ck_assert_uint_eq(snapshot.top_ack.size, 0);
    ck_assert_uint_eq(snapshot.top_ports.size, SNAPSHOT_TOP);
    ck_assert_uint_eq(snapshot.top_ports.rows[0].addr[15], 0);  /* all equal: by address */
    ck_assert_uint_eq(snapshot.top_ports.rows[9].addr[15], 9);
}
END_TEST

START_TEST(a_collector_shows_its_ledger)
{
    filled_flows(aggregate, &stream, 10);
    filled_status(aggregate, &stream, 1, 5000);
    stream.header.first_seq += 4;
    stream.header.packets_before += 9;
    stream.header.bytes_before += 900;
    filled_status(aggregate, &stream, 2, 5000);
    make(5);

    ck_assert_uint_eq(snapshot.collector_count, 1);
    const struct collector_state *state = &snapshot.collectors[0];
    ck_assert_str_eq(state->status.collector_id, "pi");
    ck_assert_str_eq(state->status.source, "mock");
    ck_assert(!state->away);
    ck_assert_double_eq(state->age_s, 3);
    ck_assert_uint_eq(state->accounted_packets, 55);
    ck_assert_uint_eq(state->base_packets, 0);
    ck_assert_uint_eq(state->loss_count, 1);
    ck_assert_str_eq(state->losses[0].stage, "bus");
    ck_assert_uint_eq(state->losses[0].records, 4);
    ck_assert_uint_eq(state->losses[0].packets, 9);
    ck_assert_int_eq(state->difference_packets, 0);
}
END_TEST

START_TEST(a_collector_without_status_is_shown_by_name)
{
    uint8_t *bytes;
    size_t size;

    filled_flows(aggregate, &stream, 10);
    make(0);
    ck_assert_uint_eq(snapshot.collector_count, 1);
    ck_assert_str_eq(snapshot.collectors[0].status.collector_id, "pi");
    ck_assert_int_eq(snapshot_encode(&snapshot, &bytes, &size), 0);
    snapshot_clear(&snapshot);
    ck_assert_int_eq(snapshot_decode(&snapshot, bytes, size), 0);
    ck_assert_str_eq(snapshot.collectors[0].status.collector_id, "pi");
    free(bytes);
}
END_TEST

START_TEST(asking_twice_gives_the_same)
{
    uint8_t *bytes[2];
    size_t sizes[2];

    filled_flows(aggregate, &stream, 5000);
    for (int i = 0; i < 2; i++) {
        make(1);
        ck_assert_int_eq(snapshot_encode(&snapshot, &bytes[i], &sizes[i]), 0);
    }
    ck_assert_uint_eq(sizes[0], sizes[1]);
    ck_assert_mem_eq(bytes[0], bytes[1], sizes[0]);
    free(bytes[0]);
    free(bytes[1]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("snapshot_maker");
    TCase *tcase = tcase_create("rows");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, an_empty_aggregator_shows_its_tables);
    tcase_add_test(tcase, totals_and_top_lists_are_those_of_the_records);
    tcase_add_test(tcase, a_collector_shows_its_ledger);
    tcase_add_test(tcase, a_collector_without_status_is_shown_by_name);
    tcase_add_test(tcase, asking_twice_gives_the_same);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
