#include "aggregate.h"

#include "ended_flows.h"
#include "record_stream.h"
#include "suite.h"

#define IDLE_S 10
#define LOCAL_S 50000           /* local time at which a test begins */

static aggregate_t *aggregate;
static struct ended_flows ended;
static struct record_stream stream;
static uint64_t local_ns;
static uint32_t away_count;

static aggregate_t *new_aggregate(uint64_t seed)
{
    struct flow_limits limits = { .flows = 1024, .idle_s = IDLE_S, .flush_s = 60 };
    aggregate_t *made = aggregate_new(&limits, 256, seed, ended_flows_keep, &ended);

    ck_assert_ptr_nonnull(made);
    return made;
}

static void setup(void)
{
    aggregate = new_aggregate(42);
    stream = record_stream_open("pi", 1);
    local_ns = LOCAL_S * NS_PER_S;
    away_count = 0;
}

static void teardown(void)
{
    record_stream_close(&stream);
    ended_flows_clear(&ended);
    aggregate_destroy(&aggregate);
    ck_assert_ptr_null(aggregate);
}

static void put_udp(uint16_t src_port, uint64_t at_ns)
{
    struct packet_record record = record_of(IPPROTO_UDP, 1, src_port, 2, 53, at_ns);

    packet_batch_add(stream.batch, &record);
}

static enum hearing send_batch(void)
{
    return aggregate_take_batch(aggregate, record_stream_cut(&stream), local_ns);
}

/* One batch of one packet. */
static enum hearing send_udp(uint16_t src_port, uint64_t at_ns)
{
    put_udp(src_port, at_ns);
    return send_batch();
}

static struct collector_status status_at(uint64_t clock_ns)
{
    struct collector_status status = {
        .boot_id = stream.header.boot_id,
        .next_seq = stream.header.first_seq,
        .clock_ns = clock_ns,
        .published_packets = stream.header.packets_before,
        .published_bytes = stream.header.bytes_before,
        .due_low = stream.header.packets_before,
        .due_high = stream.header.packets_before,
    };

    snprintf(status.collector_id, sizeof status.collector_id, "%s", stream.header.collector_id);
    return status;
}

static enum hearing send_status(uint64_t clock_ns)
{
    struct collector_status status = status_at(clock_ns);

    return aggregate_take_status(aggregate, &status, local_ns);
}

static void on_away(const struct collector *collector, void *arg)
{
    (void) collector;
    (void) arg;
    away_count++;
}

/* Let `seconds` of local time pass, with a tick each. */
static void wait_s(uint32_t seconds)
{
    for (; seconds > 0; seconds--) {
        local_ns += NS_PER_S;
        aggregate_tick(aggregate, local_ns, on_away, NULL);
    }
}

static void begin_stream(const char *id, uint64_t boot_id)
{
    record_stream_close(&stream);
    stream = record_stream_open(id, boot_id);
}

static uint32_t timeline(void) { return accounting_second(aggregate_accounting(aggregate)); }

static uint32_t live_flows(void)
{
    return flow_table_size(accounting_flows(aggregate_accounting(aggregate)));
}

/* As a hostile collector can send it: found by fuzzing. */
START_TEST(a_first_batch_may_hold_records_from_before_the_timeline)
{
    put_udp(1, 5);
    put_udp(2, 29 * 24 * 3600 * NS_PER_S);
    put_udp(3, 6);
    ck_assert_int_eq(send_batch(), HEARING_FIRST);
    ck_assert_uint_eq(flow_table_accounted(accounting_flows(aggregate_accounting(aggregate)),
                                           0).packets, 3);
}
END_TEST

START_TEST(a_collector_is_heard_away_back_and_started_again_once_each)
{
    aggregate_tick(aggregate, local_ns, on_away, NULL);
    ck_assert_int_eq(send_udp(1, local_ns), HEARING_FIRST);
    ck_assert_int_eq(send_udp(1, local_ns), HEARING_GOES_ON);
    wait_s(3);
    ck_assert_uint_eq(away_count, 0);
    wait_s(5);
    ck_assert_uint_eq(away_count, 1);
    ck_assert_int_eq(send_status(local_ns), HEARING_BACK);
    ck_assert_int_eq(send_status(local_ns), HEARING_GOES_ON);
    wait_s(8);
    ck_assert_uint_eq(away_count, 2);
    begin_stream("pi", 2);
    ck_assert_int_eq(send_status(local_ns), HEARING_RESTARTED);
    ck_assert_int_eq(send_udp(1, local_ns), HEARING_GOES_ON);
}
END_TEST

START_TEST(flows_and_windows_end_by_local_time_when_all_collectors_are_silent)
{
    send_udp(1, local_ns);
    aggregate_tick(aggregate, local_ns, on_away, NULL);
    uint32_t before = timeline();

    wait_s(IDLE_S);
    ck_assert_uint_eq(live_flows(), 1);
    wait_s(2);
    ck_assert_uint_eq(live_flows(), 0);
    ck_assert_uint_eq(ended.size, 1);
    ck_assert_uint_eq(timeline(), before + IDLE_S + 2);
    wait_s(WINDOW_S);
    ck_assert(ip_window_is_empty(accounting_window(aggregate_accounting(aggregate))));
}
END_TEST

START_TEST(a_live_collector_moves_the_timeline_by_its_statuses)
{
    send_udp(1, local_ns);
    for (int i = 0; i < IDLE_S + 2; i++) {
        local_ns += NS_PER_S;
        send_status(local_ns);
    }
    ck_assert_uint_eq(live_flows(), 0);
    ck_assert_uint_eq(away_count, 0);
}
END_TEST

START_TEST(a_late_tick_accuses_nobody)
{
    aggregate_tick(aggregate, local_ns, on_away, NULL);
    send_udp(1, local_ns);
    local_ns += 20 * NS_PER_S;
    aggregate_tick(aggregate, local_ns, on_away, NULL);
    ck_assert_uint_eq(away_count, 0);
    wait_s(1);
    ck_assert_uint_eq(away_count, 1);
}
END_TEST

START_TEST(a_restart_on_the_same_host_keeps_its_flows)
{
    send_udp(1, local_ns);
    local_ns += NS_PER_S;
    begin_stream("pi", 2);
    send_udp(1, local_ns);
    ck_assert_uint_eq(live_flows(), 1);
    ck_assert_uint_eq(ended.size, 0);
}
END_TEST

START_TEST(a_host_that_booted_again_ends_its_flows)
{
    send_udp(1, local_ns);
    local_ns += NS_PER_S;
    begin_stream("pi", 2);
    send_udp(1, 20 * NS_PER_S);
    ck_assert_uint_eq(live_flows(), 1);
    ck_assert_uint_eq(ended.size, 1);
    ck_assert_int_eq(ended.flows[0].reason, FLOW_END_IDLE);
    ck_assert_uint_eq(ended.flows[0].first_ns, LOCAL_S * NS_PER_S);
}
END_TEST

/* A recording of ten minutes: random flows, with the promises of a live collector in between. */
static void play(unsigned seed, uint64_t clock_ns, bool with_statuses)
{
    uint64_t boot_id = stream.header.boot_id;

    begin_stream("pi", boot_id);
    srandom(seed);
    for (uint32_t second = 0; second < 600; second++) {
        for (long count = random() % 8; count > 0; count--)
            put_udp((uint16_t) (random() % 40), clock_ns + second * NS_PER_S
                    + (uint64_t) random() % NS_PER_S);
        if (packet_batch_size(stream.batch) == 0)
            continue;
        send_batch();
        local_ns += NS_PER_S / 50;
        if (with_statuses)
            send_status(clock_ns + second * NS_PER_S);
    }
}

START_TEST(a_replay_gives_the_same_flows_here_and_in_another_process)
{
    uint64_t clock_ns = 777 * NS_PER_S + 123456789;
    struct ended_flows first;
    struct flow_sums before;

    play((unsigned) _i, clock_ns, true);
    wait_s(IDLE_S + 5);
    first = ended;
    ended = (struct ended_flows) { 0 };
    ck_assert_uint_gt(first.size, 50);
    ck_assert_uint_eq(live_flows(), 0);

    /* Again, at once after a first part whose flows are still alive. */
    play((unsigned) _i + 1000, clock_ns, false);
    ended_flows_clear(&ended);
    before = flow_table_accounted(accounting_flows(aggregate_accounting(aggregate)), 0);
    ck_assert_uint_gt(before.packets, 0);
    begin_stream("pi", stream.header.boot_id);
    ck_assert_int_eq(send_status(clock_ns), HEARING_REPEATED);
    ck_assert_uint_eq(live_flows(), 0);
    ended_flows_clear(&ended);
    play((unsigned) _i, clock_ns, false);
    wait_s(IDLE_S + 5);
    ended_flows_compare(&first, &ended);
    ended_flows_clear(&ended);

    aggregate_destroy(&aggregate);
    aggregate = new_aggregate(99);
    local_ns = 123456 * NS_PER_S + 999999999;
    play((unsigned) _i, clock_ns, false);
    wait_s(IDLE_S + 5);
    ended_flows_compare(&first, &ended);
    ended_flows_clear(&first);
}
END_TEST

START_TEST(clocks_of_two_hosts_meet_on_one_timeline)
{
    send_udp(1, local_ns);
    uint32_t before = timeline();
    begin_stream("far", 9);
    send_udp(1, 5 * NS_PER_S + local_ns % NS_PER_S);
    ck_assert_uint_eq(timeline(), before);
    local_ns += NS_PER_S;
    send_udp(1, 6 * NS_PER_S + local_ns % NS_PER_S);
    ck_assert_uint_eq(timeline(), before + 1);
    ck_assert_uint_eq(live_flows(), 2);
}
END_TEST

START_TEST(a_clock_that_lags_behind_is_set_anew)
{
    send_udp(1, local_ns);
    begin_stream("far", 9);
    send_udp(1, 5 * NS_PER_S);
    for (int i = 1; i <= 100; i++) {            /* it loses half of every second */
        local_ns += NS_PER_S;
        send_udp(1, 5 * NS_PER_S + (uint64_t) i * NS_PER_S / 2);
        send_status(5 * NS_PER_S + (uint64_t) i * NS_PER_S / 2);
        begin_stream("pi", 1);
        stream.header.first_seq = 1 + (uint64_t) i;
        stream.header.packets_before = (uint64_t) i;
        send_udp(1, local_ns);
        begin_stream("far", 9);
        stream.header.first_seq = 1 + (uint64_t) i + 1;
        stream.header.packets_before = (uint64_t) i + 1;
    }
    const ip_window_t *window = accounting_window(aggregate_accounting(aggregate));
    ck_assert_uint_eq(ip_window_addresses(window).refused, 0);
    ck_assert_uint_ge(ip_window_packets(window), 90);
}
END_TEST

START_TEST(two_processes_with_one_id_are_told_apart)
{
    enum hearing hearing = HEARING_GOES_ON;
    uint32_t rivals = 0, refused = 0;

    for (int i = 0; i < 20; i++) {
        begin_stream("pi", 1 + (uint64_t) i % 2);
        stream.header.first_seq = 1 + (uint64_t) i / 2;
        hearing = send_udp(1, local_ns);
        rivals += hearing == HEARING_RIVAL;
        refused += hearing == HEARING_REFUSED;
    }
    ck_assert_uint_eq(rivals, 1);
    ck_assert_uint_ge(refused, 5);
}
END_TEST

static const struct collector *collector_at(uint32_t index)
{
    return collector_table_at(aggregate_collectors(aggregate), index);
}

/* Processes 1 to `count` with the same id speak in turn, five times a second. */
static void dispute(uint64_t *seqs, uint32_t count, uint32_t rounds, uint32_t *accepted)
{
    for (uint32_t i = 0; i < rounds * count; i++) {
        uint32_t speaker = i % count;
        begin_stream("pi", 1 + speaker);
        stream.header.first_seq = ++seqs[speaker];
        enum hearing hearing = send_udp(1, local_ns);
        accepted[speaker] += hearing == HEARING_GOES_ON;
        if (speaker == count - 1)
            local_ns += NS_PER_S / 5;
    }
}

START_TEST(one_of_three_with_the_same_id_is_heard_however_long_they_talk)
{
    uint64_t seqs[3] = { 0 };
    uint32_t accepted[3] = { 0 };

    dispute(seqs, 3, 10, accepted);
    memset(accepted, 0, sizeof accepted);
    dispute(seqs, 3, 200, accepted);
    ck_assert_uint_eq(accepted[0] + accepted[1] + accepted[2], 200);
    ck_assert(accepted[0] == 200 || accepted[1] == 200 || accepted[2] == 200);
    ck_assert(aggregate_has_rival(collector_at(0), local_ns));
    ck_assert(!aggregate_has_rival(collector_at(0), local_ns + 11 * NS_PER_S));
}
END_TEST

START_TEST(a_rival_takes_the_place_of_one_that_has_gone)
{
    uint64_t seqs[2] = { 0 };
    uint32_t accepted[2] = { 0 };
    int taken_after = 0;

    dispute(seqs, 2, 20, accepted);
    uint64_t gone = collector_at(0)->ledger.boot_id, stays = gone == 1 ? 2 : 1;
    for (; collector_at(0)->ledger.boot_id == gone && taken_after < 50; taken_after++) {
        local_ns += NS_PER_S / 5;
        begin_stream("pi", stays);
        stream.header.first_seq = ++seqs[stays - 1];
        send_udp(1, local_ns);
    }
    ck_assert_int_ge(taken_after, 3 * 5 - 1);
    ck_assert_int_le(taken_after, 4 * 5);
}
END_TEST

START_TEST(restarts_and_returns_are_counted_apart)
{
    aggregate_tick(aggregate, local_ns, on_away, NULL);
    send_status(local_ns);
    ck_assert_uint_eq(collector_at(0)->restarts + collector_at(0)->returns, 0);
    wait_s(5);
    ck_assert_int_eq(send_status(local_ns), HEARING_BACK);
    ck_assert_uint_eq(collector_at(0)->returns, 1);
    ck_assert_uint_eq(collector_at(0)->returned_ns, local_ns);
    ck_assert_uint_eq(collector_at(0)->restarts, 0);
    wait_s(1);
    begin_stream("pi", 2);
    ck_assert_int_eq(send_status(local_ns), HEARING_RESTARTED);
    ck_assert_uint_eq(collector_at(0)->returns, 1);
    ck_assert_uint_eq(collector_at(0)->restarts, 1);
    ck_assert_uint_eq(collector_at(0)->restarted_ns, local_ns);
}
END_TEST

START_TEST(counters_that_move_are_told_from_those_that_stand)
{
    struct collector_status status = status_at(local_ns);

    status.packets[3] = 7;
    aggregate_take_status(aggregate, &status, local_ns);
    uint64_t moved_ns = local_ns;
    for (int i = 0; i < 4; i++) {
        status.clock_ns = local_ns += NS_PER_S;
        aggregate_take_status(aggregate, &status, local_ns);
        ck_assert_uint_eq(collector_at(0)->moved_ns, moved_ns);
    }
    status.packets[3]++;
    aggregate_take_status(aggregate, &status, local_ns);
    ck_assert_uint_eq(collector_at(0)->moved_ns, local_ns);
}
END_TEST

START_TEST(impossible_times_are_refused)
{
    send_udp(1, local_ns);
    uint32_t before = timeline();

    ck_assert_int_eq(send_udp(1, local_ns + 10ull * 366 * 86400 * NS_PER_S), HEARING_REFUSED);
    ck_assert_int_eq(send_udp(1, UINT64_MAX - UINT32_MAX), HEARING_REFUSED);
    ck_assert_int_eq(send_status(UINT64_MAX), HEARING_REFUSED);
    begin_stream("other", 5);
    ck_assert_int_eq(send_status(UINT64_MAX), HEARING_REFUSED);
    ck_assert_uint_eq(timeline(), before);
    ck_assert_uint_eq(collector_table_size(aggregate_collectors(aggregate)), 1);
}
END_TEST

START_TEST(more_collectors_than_fit_are_refused)
{
    for (uint32_t i = 0; i < SNAPSHOT_MAX_COLLECTORS + 3; i++) {
        char id[16];
        snprintf(id, sizeof id, "c%u", i);
        begin_stream(id, 5);
        ck_assert_int_eq(send_udp(1, local_ns), i < SNAPSHOT_MAX_COLLECTORS ? HEARING_FIRST
                                                                            : HEARING_REFUSED);
    }
    ck_assert_uint_eq(live_flows(), SNAPSHOT_MAX_COLLECTORS);
}
END_TEST

START_TEST(the_totals_of_a_host_that_booted_again_make_no_spike)
{
    struct collector_status status = status_at(local_ns);
    uint64_t sum = 0;

    status.packets[0] = 1000000;
    aggregate_take_status(aggregate, &status, local_ns);
    local_ns += NS_PER_S;
    status.clock_ns = 20 * NS_PER_S;
    status.boot_id = 2;
    status.packets[0] = 2000000;
    aggregate_take_status(aggregate, &status, local_ns);
    for (uint32_t second = timeline() - 5; second <= timeline(); second++)
        sum += traffic_history_of(aggregate_history(aggregate), second).packets;
    ck_assert_uint_eq(sum, 0);
}
END_TEST

START_TEST(a_timeline_second_has_a_wall_time)
{
    uint64_t wall_ns = 1700000000 * NS_PER_S + 5;

    send_udp(1, local_ns);
    ck_assert_uint_eq(aggregate_unix_s(aggregate, timeline(), local_ns, wall_ns), 1700000000);
    ck_assert_uint_eq(aggregate_unix_s(aggregate, timeline() - 7, local_ns, wall_ns), 1699999993);
    send_udp(1, local_ns + 3600 * NS_PER_S);
    ck_assert_uint_eq(aggregate_unix_s(aggregate, timeline(), local_ns, wall_ns), 1700000000);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("aggregate");
    TCase *tcase = tcase_create("collectors");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_first_batch_may_hold_records_from_before_the_timeline);
    tcase_add_test(tcase, a_collector_is_heard_away_back_and_started_again_once_each);
    tcase_add_test(tcase, flows_and_windows_end_by_local_time_when_all_collectors_are_silent);
    tcase_add_test(tcase, a_live_collector_moves_the_timeline_by_its_statuses);
    tcase_add_test(tcase, a_late_tick_accuses_nobody);
    tcase_add_test(tcase, a_restart_on_the_same_host_keeps_its_flows);
    tcase_add_test(tcase, a_host_that_booted_again_ends_its_flows);
    tcase_add_loop_test(tcase, a_replay_gives_the_same_flows_here_and_in_another_process, 0, 6);
    tcase_add_test(tcase, clocks_of_two_hosts_meet_on_one_timeline);
    tcase_add_test(tcase, a_clock_that_lags_behind_is_set_anew);
    tcase_add_test(tcase, two_processes_with_one_id_are_told_apart);
    tcase_add_test(tcase, one_of_three_with_the_same_id_is_heard_however_long_they_talk);
    tcase_add_test(tcase, a_rival_takes_the_place_of_one_that_has_gone);
    tcase_add_test(tcase, restarts_and_returns_are_counted_apart);
    tcase_add_test(tcase, counters_that_move_are_told_from_those_that_stand);
    tcase_add_test(tcase, impossible_times_are_refused);
    tcase_add_test(tcase, more_collectors_than_fit_are_refused);
    tcase_add_test(tcase, the_totals_of_a_host_that_booted_again_make_no_spike);
    tcase_add_test(tcase, a_timeline_second_has_a_wall_time);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
