#include "flow_table.h"

#include "ended_flows.h"
#include "record_stream.h"
#include "suite.h"
#include "top_list.h"

#define FLOWS 8
#define IDLE_S 30
#define FLUSH_S 60
#define SYN PACKET_TCP_SYN
#define ACK PACKET_TCP_ACK
#define FIN PACKET_TCP_FIN
#define RST PACKET_TCP_RST

static flow_table_t *table;
static struct ended_flows ended;
static uint32_t now;

static flow_table_t *new_table(uint32_t flows, uint64_t seed)
{
    struct flow_limits limits = { flows, .collectors = 2, .idle_s = IDLE_S, .flush_s = FLUSH_S };
    flow_table_t *made = flow_table_new(&limits, seed, ended_flows_keep, &ended);

    ck_assert_ptr_nonnull(made);
    return made;
}

static void step_to(uint32_t second)
{
    while (now < second)
        flow_table_step(table, ++now);
}

static void setup(void)
{
    table = new_table(FLOWS, 42);
    now = 100;
    flow_table_step(table, now);
}

static void teardown(void)
{
    flow_table_destroy(&table);
    ck_assert_ptr_null(table);
    ended_flows_clear(&ended);
}

/* Add a record of collector 0; its clock is the timeline's. */
static const struct flow *add(const struct packet_record *record)
{
    struct flow_key key = {
        .src_port = record->src_port, .dst_port = record->dst_port,
        .protocol = record->protocol, .direction = record->direction,
    };
    struct flow_update update = {
        .first_ns = record->first_ns, .last_ns = record->last_ns,
        .second = (uint32_t) (record->last_ns / NS_PER_S),
        .packets = record->packets, .bytes = (uint32_t) record->bytes,
        .ifindex = record->ifindex, .tcp_flags = record->tcp_flags,
        .action = record->action, .ip_version = record->ip_version,
    };
    struct flow_place place;

    memcpy(key.src_addr, record->src_addr, 16);
    memcpy(key.dst_addr, record->dst_addr, 16);
    flow_table_prepare(table, &key, 1, &place);
    return flow_table_add(table, &key, place, &update);
}

static const struct flow *add_udp(uint16_t src_port, double at_s)
{
    struct packet_record record = record_of(IPPROTO_UDP, 1, src_port, 2, 53,
                                            (uint64_t) (at_s * 1e9));
    step_to((uint32_t) at_s);
    return add(&record);
}

static const struct flow *add_tcp(uint8_t flags, double at_s)
{
    struct packet_record record = record_tcp(flags, 1, 1000, 2, 80, (uint64_t) (at_s * 1e9));

    step_to((uint32_t) at_s);
    return add(&record);
}

static const struct flow *add_tcp_answer(uint8_t flags, double at_s)
{
    struct packet_record record = record_tcp(0, 1, 1000, 2, 80, (uint64_t) (at_s * 1e9));

    step_to((uint32_t) at_s);
    record = record_answer(&record, flags);
    return add(&record);
}

static void assert_ended(uint32_t i, enum flow_end reason, uint64_t packets)
{
    ck_assert_uint_lt(i, ended.size);
    ck_assert_int_eq(ended.flows[i].reason, reason);
    ck_assert_uint_eq(ended.flows[i].packets, packets);
}

START_TEST(packets_of_one_flow_add_up)
{
    struct packet_record record = record_tcp(ACK, 1, 1000, 2, 80, 100 * NS_PER_S);

    record.last_ns += 5;
    record.packets = 3;
    record.bytes = 4000;
    add(&record);
    record.first_ns += 100;
    record.last_ns += 200;
    record.tcp_flags = PACKET_TCP_PSH;
    record.action = PACKET_DROP;
    record.ifindex = 9;
    const struct flow *flow = add(&record);

    ck_assert_uint_eq(flow->packets, 6);
    ck_assert_uint_eq(flow->bytes, 8000);
    ck_assert_uint_eq(flow->first_ns, 100 * NS_PER_S);
    ck_assert_uint_eq(flow->last_ns, 100 * NS_PER_S + 205);
    ck_assert_uint_eq(flow->tcp_flags, ACK | PACKET_TCP_PSH);
    ck_assert_uint_eq(flow->action, PACKET_DROP);
    ck_assert_uint_eq(flow->ifindex, 9);
    ck_assert_uint_eq(flow_table_size(table), 1);
    ck_assert_uint_eq(flow_table_accounted(table, 0).bytes, 8000);
    ck_assert_uint_eq(flow_table_accounted(table, 1).bytes, 0);
}
END_TEST

START_TEST(a_late_record_widens_its_flow_and_changes_nothing_else)
{
    struct packet_record record = record_of(IPPROTO_UDP, 1, 1, 2, 2, 100 * NS_PER_S + 500);

    add(&record);
    record.first_ns = record.last_ns = 100 * NS_PER_S;
    record.action = PACKET_DROP;
    const struct flow *flow = add(&record);

    ck_assert_uint_eq(flow->first_ns, 100 * NS_PER_S);
    ck_assert_uint_eq(flow->last_ns, 100 * NS_PER_S + 500);
    ck_assert_uint_eq(flow->action, PACKET_PASS);
}
END_TEST

START_TEST(a_flow_ends_when_every_packet_of_its_last_second_is_idle_for_long_enough)
{
    add_udp(1, 100.9);
    add_udp(1, 101.2);
    step_to(101 + IDLE_S);
    ck_assert_uint_eq(ended.size, 0);
    step_to(101 + IDLE_S + 1);
    assert_ended(0, FLOW_END_IDLE, 2);
    ck_assert_uint_eq(flow_table_size(table), 0);
    ck_assert(flow_table_is_empty(table));
    ck_assert_uint_eq(flow_table_accounted(table, 0).packets, 2);
    ck_assert_uint_eq(flow_table_live(table, 0).packets, 0);
}
END_TEST

START_TEST(a_packet_after_the_idle_time_begins_another_flow)
{
    add_udp(1, 100.1);
    const struct flow *flow = add_udp(1, 100.1 + IDLE_S);

    assert_ended(0, FLOW_END_IDLE, 1);
    ck_assert_uint_eq(flow->packets, 1);
    ck_assert_uint_eq(flow->first_ns, flow->last_ns);
    add_udp(1, 100.0 + 2 * IDLE_S);
    ck_assert_uint_eq(ended.size, 1);
}
END_TEST

START_TEST(a_long_flow_is_flushed_and_goes_on)
{
    for (uint32_t second = 0; second <= FLUSH_S + 5; second += 5)
        add_udp(1, 100.5 + second);

    ck_assert_uint_eq(ended.size, 1);
    assert_ended(0, FLOW_END_FLUSHED, FLUSH_S / 5);
    ck_assert_uint_eq(ended.flows[0].first_ns, 100500000000);
    ck_assert_uint_eq(ended.flows[0].last_ns, 155500000000);
    ck_assert_uint_eq(flow_table_size(table), 1);
    ck_assert_uint_eq(flow_table_accounted(table, 0).packets, FLUSH_S / 5 + 2);
    step_to(300);
    assert_ended(1, FLOW_END_IDLE, 2);
    ck_assert_uint_eq(ended.flows[1].first_ns, 160500000000);
}
END_TEST

START_TEST(a_fin_ends_its_own_direction_only)
{
    add_tcp(SYN, 100);
    add_tcp_answer(SYN | ACK, 100);
    add_tcp(FIN | ACK, 101);

    ck_assert_uint_eq(ended.size, 1);
    assert_ended(0, FLOW_END_FIN, 2);
    ck_assert_uint_eq(ended.flows[0].key.dst_port, 80);
    ck_assert_uint_eq(ended.flows[0].tcp_flags, SYN | FIN | ACK);
    ck_assert_uint_eq(flow_table_size(table), 1);
    add_tcp_answer(RST | FIN, 101);
    assert_ended(1, FLOW_END_RST, 2);
    ck_assert_uint_eq(flow_table_size(table), 0);
    ck_assert(!flow_table_is_empty(table));
    step_to(101 + FLOW_CLOSED_S);
    ck_assert(flow_table_is_empty(table));
    ck_assert_uint_eq(ended.size, 2);
}
END_TEST

START_TEST(the_last_ack_is_counted_and_makes_no_one_an_initiator)
{
    ck_assert(add_tcp(SYN, 100)->is_initiator);
    ck_assert(!add_tcp_answer(SYN | ACK, 100)->is_initiator);
    add_tcp_answer(FIN | ACK, 101);
    add_tcp(FIN | ACK, 101);
    ck_assert(!add_tcp_answer(ACK, 101)->is_initiator);

    ck_assert_uint_eq(flow_table_size(table), 1);
    ck_assert_uint_eq(flow_table_accounted(table, 0).packets, 5);
    step_to(200);
    assert_ended(2, FLOW_END_IDLE, 1);
    ck_assert(flow_table_is_empty(table));
}
END_TEST

START_TEST(the_same_ports_can_open_a_connection_again)
{
    add_tcp(SYN, 100);
    add_tcp(RST, 100);
    const struct flow *flow = add_tcp(SYN, 101);

    ck_assert(flow->is_initiator);
    ck_assert_uint_eq(flow->packets, 1);
    ck_assert_uint_eq(flow->tcp_flags, SYN);
    ck_assert_uint_eq(flow->first_ns, 101 * NS_PER_S);
}
END_TEST

START_TEST(who_speaks_first_is_the_initiator_whichever_way_packets_go)
{
    struct packet_record query = record_of(IPPROTO_UDP, 1, 5000, 2, 53, 100 * NS_PER_S);
    struct packet_record answer = record_answer(&query, 0);

    ck_assert(add(&query)->is_initiator);
    query.direction = PACKET_EGRESS;        /* forwarded: seen a second time */
    ck_assert(add(&query)->is_initiator);
    ck_assert(!add(&answer)->is_initiator);
    answer.direction = PACKET_INGRESS;
    ck_assert(!add(&answer)->is_initiator);
    ck_assert_uint_eq(flow_table_size(table), 4);
}
END_TEST

START_TEST(syn_and_ack_is_an_answer_even_if_it_is_seen_first)
{
    ck_assert(!add_tcp_answer(SYN | ACK, 100)->is_initiator);
    ck_assert(add_tcp(SYN, 100)->is_initiator);
}
END_TEST

START_TEST(the_role_is_kept_over_a_flush)
{
    add_tcp(SYN, 100);
    add_tcp_answer(SYN | ACK, 100);
    for (uint32_t second = 1; second <= FLUSH_S; second += 10) {
        add_tcp_answer(ACK, 100 + second);
        add_tcp(ACK, 100 + second);
    }
    ck_assert(add_tcp(ACK, 101 + FLUSH_S)->is_initiator);
    ck_assert(!add_tcp_answer(ACK, 101 + FLUSH_S)->is_initiator);
    ck_assert_uint_eq(ended.size, 2);
}
END_TEST

START_TEST(a_full_table_ends_the_idlest_and_publishes_it)
{
    for (uint16_t port = 0; port < FLOWS; port++)
        add_udp(port, 100);
    add_udp(0, 101);
    add_udp(1, 102);
    add_udp(2, 103);
    add_udp(100, 103);
    add_udp(101, 103);

    ck_assert_uint_eq(flow_table_evicted(table), 2);
    assert_ended(0, FLOW_END_EVICTED, 1);
    ck_assert_uint_eq(ended.flows[0].key.src_port, 3);
    ck_assert_uint_eq(ended.flows[1].key.src_port, 4);
    ck_assert_uint_eq(flow_table_size(table), FLOWS);
    ck_assert_uint_eq(flow_table_accounted(table, 0).packets, FLOWS + 5);
}
END_TEST

START_TEST(a_closed_flow_makes_room_before_a_live_one)
{
    for (uint16_t port = 1; port < FLOWS; port++)
        add_udp(port, 100);
    add_tcp(RST, 101);
    ck_assert_uint_eq(ended.size, 1);
    add_udp(100, 101);

    ck_assert_uint_eq(ended.size, 1);
    ck_assert_uint_eq(flow_table_evicted(table), 0);
    ck_assert_uint_eq(flow_table_size(table), FLOWS);
}
END_TEST

START_TEST(in_a_flood_within_one_second_busy_flows_stay)
{
    for (uint16_t n = 0; n < 1000; n++) {
        add_udp(1, 100);
        add_udp((uint16_t) (1000 + n), 100);
    }
    for (uint32_t i = 0; i < ended.size; i++)
        ck_assert_uint_ne(ended.flows[i].key.src_port, 1);
    ck_assert_uint_eq(flow_table_evicted(table), 1000 - (FLOWS - 1));
}
END_TEST

START_TEST(the_end_of_a_collector_ends_its_flows_only)
{
    struct packet_record record = record_of(IPPROTO_UDP, 1, 1, 2, 2, 100 * NS_PER_S);
    struct flow_key other = { .src_port = 7, .protocol = IPPROTO_UDP, .collector = 1 };
    struct flow_update update = { .second = 100, .packets = 5, .bytes = 50 };
    struct flow_place place;

    add(&record);
    add_tcp(FIN, 100);
    flow_table_prepare(table, &other, 1, &place);
    flow_table_add(table, &other, place, &update);
    flow_table_end_collector(table, 0);

    ck_assert_uint_eq(ended.size, 2);
    assert_ended(1, FLOW_END_IDLE, 1);
    ck_assert_uint_eq(flow_table_size(table), 1);
    ck_assert_uint_eq(flow_table_live(table, 1).packets, 5);
    flow_table_end_collector(table, 1);
    ck_assert(flow_table_is_empty(table));
}
END_TEST

static struct packet_record random_record(uint32_t second)
{
    struct packet_record record = record_tcp(
        random() % 40 == 0 ? FIN : random() % 80 == 0 ? RST : ACK, 1 + (uint32_t) random() % 3,
        (uint16_t) (random() % 8), 1 + (uint32_t) random() % 3, (uint16_t) (random() % 8),
        second * NS_PER_S + (uint64_t) random() % NS_PER_S);

    record.direction = random() & 1;
    record.packets = 1 + (uint32_t) random() % 100;
    record.protocol = random() % 2 ? IPPROTO_TCP : IPPROTO_UDP;
    if (random() % 50 == 0)
        record.first_ns = record.last_ns = record.last_ns - 40 * NS_PER_S;
    return record;
}

static int order_by_key(uint32_t a, uint32_t b, const void *arg)
{
    return memcmp(&flow_table_at(arg, a)->key, &flow_table_at(arg, b)->key,
                  sizeof(struct flow_key));
}

/* The flows with most bytes are those that a pass over all finds. */
static void check_best(void)
{
    enum { MOST = 10 };
    struct top_entry entries[MOST];
    struct top_list top = { .entries = entries, .capacity = MOST, .order = order_by_key,
                            .arg = table };
    uint32_t best[MOST];

    for (uint32_t slot = 0; slot < flow_table_slots(table); slot++)
        if (flow_table_at(table, slot) && flow_table_at(table, slot)->bytes > 0)
            top_list_offer(&top, flow_table_at(table, slot)->bytes, slot);
    top_list_sort(&top);
    ck_assert_uint_eq(flow_table_best(table, MOST, best), top.size);
    for (uint32_t i = 0; i < top.size; i++)
        ck_assert_uint_eq(best[i], entries[i].row);
}

/* Run random records through a small table; all that was put in must come out. */
static void run_random(unsigned seed, uint64_t hash_seed, uint32_t flows)
{
    uint64_t packets = 0, reported = 0, held = 0;

    table = new_table(flows, hash_seed);
    now = 0;
    srandom(seed);
    for (uint32_t second = 200; second < 500; second++) {
        if (now == 0)
            flow_table_step(table, now = second);
        step_to(second);
        for (long count = random() % 60 - 20; count > 0; count--) {
            struct packet_record record = random_record(second);
            packets += record.packets;
            add(&record);
        }
        if (random() % 3 == 0)
            check_best();
        ck_assert_int_eq(flow_table_astray(table, 0), 0);
    }
    for (uint32_t i = 0; i < ended.size; i++)
        reported += ended.flows[i].packets;
    for (uint32_t slot = 0; slot < flow_table_slots(table); slot++)
        held += flow_table_at(table, slot) ? flow_table_at(table, slot)->packets : 0;
    ck_assert_uint_eq(reported + held, packets);
    ck_assert_uint_eq(flow_table_accounted(table, 0).packets, packets);
    ck_assert_uint_eq(flow_table_live(table, 0).packets, held);
    ck_assert_uint_le(flow_table_size(table), flows);
    step_to(600);
    ck_assert(flow_table_is_empty(table));
    ck_assert_uint_eq(flow_table_live(table, 0).packets, 0);
    flow_table_destroy(&table);
}

/* An audit takes several seconds then, and records come meanwhile. */
START_TEST(an_audit_of_many_flows_finds_what_one_of_them_lost)
{
    enum { MANY = 4 * FLOW_AUDIT };

    flow_table_destroy(&table);
    table = new_table(2 * MANY, 42);
    flow_table_step(table, now);
    srandom(1);
    for (uint32_t second = 0; second < 20; second++) {
        for (uint32_t i = 0; i < MANY; i++)
            if (random() % (1 + second) == 0)
                add_udp((uint16_t) (random() % MANY), now);
        step_to(now + 1);
        ck_assert_int_eq(flow_table_astray(table, 0), 0);
    }
    ck_assert_uint_gt(flow_table_size(table), 2 * FLOW_AUDIT);
    ((struct flow *) flow_table_at(table, FLOW_AUDIT + 1))->packets--;
    for (int second = 0; second < 10 && flow_table_astray(table, 0) == 0; second++)
        step_to(now + 1);
    ck_assert_int_eq(flow_table_astray(table, 0), 1);
}
END_TEST

START_TEST(nothing_is_lost_and_the_hash_seed_changes_nothing)
{
    struct ended_flows first;

    for (uint32_t flows = 5; flows < 1000; flows *= 5) {
        run_random((unsigned) _i, 1, flows);
        first = ended;
        ended = (struct ended_flows) { 0 };
        run_random((unsigned) _i, 2, flows);
        ended_flows_compare(&first, &ended);
        ended_flows_clear(&first);
        ended_flows_clear(&ended);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("flow_table");
    TCase *tcase = tcase_create("life");
    TCase *random_case = tcase_create("random");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, packets_of_one_flow_add_up);
    tcase_add_test(tcase, a_late_record_widens_its_flow_and_changes_nothing_else);
    tcase_add_test(tcase, a_flow_ends_when_every_packet_of_its_last_second_is_idle_for_long_enough);
    tcase_add_test(tcase, a_packet_after_the_idle_time_begins_another_flow);
    tcase_add_test(tcase, a_long_flow_is_flushed_and_goes_on);
    tcase_add_test(tcase, a_fin_ends_its_own_direction_only);
    tcase_add_test(tcase, the_last_ack_is_counted_and_makes_no_one_an_initiator);
    tcase_add_test(tcase, the_same_ports_can_open_a_connection_again);
    tcase_add_test(tcase, who_speaks_first_is_the_initiator_whichever_way_packets_go);
    tcase_add_test(tcase, syn_and_ack_is_an_answer_even_if_it_is_seen_first);
    tcase_add_test(tcase, the_role_is_kept_over_a_flush);
    tcase_add_test(tcase, a_full_table_ends_the_idlest_and_publishes_it);
    tcase_add_test(tcase, a_closed_flow_makes_room_before_a_live_one);
    tcase_add_test(tcase, in_a_flood_within_one_second_busy_flows_stay);
    tcase_add_test(tcase, the_end_of_a_collector_ends_its_flows_only);
    tcase_add_test(tcase, an_audit_of_many_flows_finds_what_one_of_them_lost);
    suite_add_tcase(suite, tcase);
    tcase_add_loop_test(random_case, nothing_is_lost_and_the_hash_seed_changes_nothing, 0, 24);
    suite_add_tcase(suite, random_case);
    return suite_run(suite);
}
