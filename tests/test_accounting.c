#include "accounting.h"

#include "ended_flows.h"
#include "record_stream.h"
#include "suite.h"

#define IDLE_S 20
#define FLUSH_S 35
#define FLOWS 512
#define OFFSET_S 5000           /* timeline - clock of the collector */

static accounting_t *accounting;
static struct ended_flows ended;
static struct record_stream stream;

static accounting_t *new_accounting(uint32_t flows, uint32_t addresses, uint64_t seed)
{
    struct flow_limits limits = { flows, .collectors = 1, .idle_s = IDLE_S, .flush_s = FLUSH_S };
    accounting_t *made = accounting_new(&limits, addresses, seed, ended_flows_keep, &ended);

    ck_assert_ptr_nonnull(made);
    return made;
}

static void setup(void)
{
    accounting = new_accounting(FLOWS, 64, 42);
    stream = record_stream_open("test", 1);
}

static void teardown(void)
{
    record_stream_close(&stream);
    ended_flows_clear(&ended);
    accounting_destroy(&accounting);
    ck_assert_ptr_null(accounting);
}

static void put(const struct packet_record *record) { packet_batch_add(stream.batch, record); }

static void cut(void) { accounting_add(accounting, 0, OFFSET_S, record_stream_cut(&stream)); }

/* The sums of an IPv4 address; all zeros when it is not there. */
static struct window_sums sums_of(uint32_t ipv4)
{
    const ip_window_t *window = accounting_window(accounting);
    struct window_sums sums;
    uint8_t addr[16];

    record_addr(addr, ipv4);
    for (uint32_t slot = 0; slot < ip_window_slots(window); slot++)
        if (ip_window_at(window, slot, &sums) && memcmp(sums.addr, addr, 16) == 0)
            return sums;
    return (struct window_sums) { 0 };
}

START_TEST(a_server_that_answers_many_clients_is_no_scanner)
{
    for (uint32_t client = 0; client < 50; client++) {
        uint16_t port = (uint16_t) (5000 + client);
        struct packet_record syn = record_tcp(PACKET_TCP_SYN, 100 + client, port, 1, 443,
                                              10 * NS_PER_S);
        struct packet_record answer = record_answer(&syn, PACKET_TCP_SYN | PACKET_TCP_ACK);
        put(&syn);
        put(&answer);
        answer.tcp_flags = PACKET_TCP_FIN | PACKET_TCP_ACK;     /* the server closes first ... */
        put(&answer);
        syn.tcp_flags = PACKET_TCP_FIN | PACKET_TCP_ACK;
        put(&syn);
        answer.tcp_flags = PACKET_TCP_ACK;                      /* ... and has the last word */
        put(&answer);
    }
    cut();
    ck_assert_uint_eq(sums_of(1).ports, 0);
    ck_assert_uint_eq(sums_of(1).packets, 150);
    ck_assert_uint_eq(sums_of(100).ports, 1);
    ck_assert_uint_eq(sums_of(100).syn, 1);
}
END_TEST

START_TEST(a_scan_counts_every_port_once_for_sixty_seconds)
{
    for (int round = 0; round < 2; round++)
        for (uint16_t port = 1; port <= 200; port++) {
            struct packet_record syn = record_tcp(PACKET_TCP_SYN, 7, 4000, 1, port, 10 * NS_PER_S);
            put(&syn);
        }
    cut();
    ck_assert_uint_eq(sums_of(7).ports, 200);
    ck_assert_uint_eq(sums_of(7).syn, 400);
    accounting_advance(accounting, OFFSET_S + 69);
    ck_assert_uint_eq(sums_of(7).ports, 200);
    accounting_advance(accounting, OFFSET_S + 70);
    ck_assert_uint_eq(sums_of(7).ports, 0);
}
END_TEST

START_TEST(a_long_connection_keeps_its_port_and_a_fragment_has_none)
{
    for (uint64_t second = 10; second < 150; second += 15) {
        struct packet_record record = record_of(IPPROTO_UDP, 7, 4000, 1, 53, second * NS_PER_S);
        put(&record);
        record.src_port = record.dst_port = 0;
        put(&record);
        record = record_of(IPPROTO_ICMP, 7, 8, 1, 8, second * NS_PER_S);
        put(&record);
    }
    cut();
    ck_assert_uint_eq(sums_of(7).ports, 1);
}
END_TEST

START_TEST(thirty_three_packets_over_two_thousand_addresses_are_thirty_three)
{
    accounting_destroy(&accounting);
    accounting = new_accounting(4096, 4096, 1);
    for (uint32_t second = 100; second < 160; second++)
        for (uint32_t i = 0; i < 33; i++) {
            uint32_t client = (second * 33 + i) % 2000;
            struct packet_record record = record_of(IPPROTO_UDP, 1000 + client, 1, 1, 53,
                                                    second * NS_PER_S + i);
            put(&record);
        }
    cut();
    ck_assert_uint_eq(ip_window_packets(accounting_window(accounting)), 33 * 60);
    ck_assert_uint_eq(ip_window_size(accounting_window(accounting)), 33 * 60);
}
END_TEST

START_TEST(a_leap_of_years_is_quick_and_ends_everything)
{
    struct packet_record record = record_of(IPPROTO_UDP, 7, 4000, 1, 53, 10 * NS_PER_S);

    put(&record);
    record.first_ns = record.last_ns = 100000000 * NS_PER_S;
    put(&record);
    record.first_ns = record.last_ns = 1;       /* long before: counted, but in no window */
    put(&record);
    cut();
    ck_assert_uint_eq(accounting_second(accounting), 100000000 + OFFSET_S);
    ck_assert_uint_eq(ended.size, 1);
    ck_assert_uint_eq(flow_table_accounted(accounting_flows(accounting), 0).packets, 3);
    ck_assert_uint_eq(ip_window_packets(accounting_window(accounting)), 1);
    ck_assert_uint_eq(ip_window_addresses(accounting_window(accounting)).refused, 1);
}
END_TEST

/* ---- random records against a plain model ---- */

enum { MODEL_SECONDS = 400, MODEL_FIRST = 1000, HOSTS = 6, PORTS = 5 };

struct model_flow {
    struct ended_flow flow;     /* packets 0: closed */
    uint32_t last_second, closed_second;
    bool is_used, is_initiator;
};

struct model {
    uint32_t now;               /* in seconds of the collector's clock */
    struct model_flow flows[4096];
    uint32_t flow_count;
    struct ended_flows ended;
    uint64_t packets[HOSTS][MODEL_FIRST + MODEL_SECONDS], bytes[HOSTS][MODEL_FIRST + MODEL_SECONDS];
    uint32_t port_second[HOSTS][PORTS];
};

static struct model model;

static void model_report(struct model_flow *flow, enum flow_end reason)
{
    flow->flow.reason = reason;
    ended_flows_keep(&flow->flow, &model.ended);
    flow->flow.packets = flow->flow.bytes = flow->flow.last_ns = flow->flow.tcp_flags = 0;
}

static void model_step(void)
{
    model.now++;
    for (uint32_t i = 0; i < model.flow_count; i++) {
        struct model_flow *flow = &model.flows[i];
        if (!flow->is_used)
            continue;
        if (flow->flow.packets && flow->last_second + IDLE_S < model.now) {
            model_report(flow, FLOW_END_IDLE);
            flow->is_used = false;
        } else if (!flow->flow.packets && flow->closed_second + FLOW_CLOSED_S <= model.now) {
            flow->is_used = false;
        }
    }
}

static struct model_flow *model_find(const struct flow_key *key, bool any_direction)
{
    for (uint32_t i = 0; i < model.flow_count; i++) {
        struct flow_key other = model.flows[i].flow.key;
        if (any_direction)
            other.direction = key->direction;
        if (model.flows[i].is_used && memcmp(&other, key, sizeof other) == 0)
            return &model.flows[i];
    }
    return NULL;
}

static bool model_speaks_first(const struct flow_key *key, uint8_t tcp_flags)
{
    struct flow_key opposite = *key;

    memcpy(opposite.src_addr, key->dst_addr, 16);
    memcpy(opposite.dst_addr, key->src_addr, 16);
    opposite.src_port = key->dst_port;
    opposite.dst_port = key->src_port;
    if (tcp_flags & PACKET_TCP_SYN)
        return !(tcp_flags & PACKET_TCP_ACK);
    /* Whoever speaks to itself has no other end. */
    return memcmp(&opposite, key, sizeof opposite) == 0 || !model_find(&opposite, true);
}

static struct model_flow *model_flow_of(const struct packet_record *record,
                                        const struct flow_key *key)
{
    struct model_flow *flow = model_find(key, false);

    if (!flow) {
        bool is_initiator = model_speaks_first(key, record->tcp_flags);
        flow = &model.flows[model.flow_count++];
        ck_assert_uint_lt(model.flow_count, 4096);
        *flow = (struct model_flow) { .is_used = true, .is_initiator = is_initiator };
        flow->flow.key = *key;
        flow->flow.first_ns = record->first_ns;
    } else if (!flow->flow.packets) {
        flow->flow.first_ns = record->first_ns;
        flow->last_second = 0;
        if (record->tcp_flags & PACKET_TCP_SYN)
            flow->is_initiator = !(record->tcp_flags & PACKET_TCP_ACK);
    } else if (record->first_ns >= flow->flow.last_ns + IDLE_S * NS_PER_S) {
        model_report(flow, FLOW_END_IDLE);
        flow->flow.first_ns = record->first_ns;
        flow->is_initiator = model_speaks_first(key, record->tcp_flags);
    } else if (record->first_ns >= flow->flow.first_ns + FLUSH_S * NS_PER_S) {
        model_report(flow, FLOW_END_FLUSHED);
        flow->flow.first_ns = record->first_ns;
    }
    return flow;
}

static void model_add(const struct packet_record *record)
{
    struct flow_key key = {
        .src_port = record->src_port, .dst_port = record->dst_port,
        .protocol = record->protocol, .direction = record->direction,
    };
    uint32_t second = (uint32_t) (record->last_ns / NS_PER_S);
    unsigned host = record->src_addr[15] - 1, port = record->dst_port;

    memcpy(key.src_addr, record->src_addr, 16);
    memcpy(key.dst_addr, record->dst_addr, 16);
    while (model.now < second)
        model_step();

    struct model_flow *flow = model_flow_of(record, &key);
    flow->flow.packets += record->packets;
    flow->flow.bytes += record->bytes;
    flow->flow.tcp_flags |= record->tcp_flags;
    flow->flow.ip_version = record->ip_version;
    if (record->first_ns < flow->flow.first_ns)
        flow->flow.first_ns = record->first_ns;
    if (record->last_ns >= flow->flow.last_ns) {
        flow->flow.last_ns = record->last_ns;
        flow->flow.action = record->action;
        flow->flow.ifindex = record->ifindex;
    }
    if (second > flow->last_second)
        flow->last_second = second;
    model.packets[host][second] += record->packets;
    model.bytes[host][second] += record->bytes;
    if (flow->is_initiator && port && second > model.port_second[host][port])
        model.port_second[host][port] = second;
    if (record->protocol == IPPROTO_TCP
        && record->tcp_flags & (PACKET_TCP_FIN | PACKET_TCP_RST)) {
        model_report(flow, record->tcp_flags & PACKET_TCP_RST ? FLOW_END_RST : FLOW_END_FIN);
        flow->closed_second = model.now;
    }
}

static void compare_with_model(void)
{
    uint64_t total = 0;

    ck_assert_uint_eq(accounting_second(accounting), model.now + OFFSET_S);
    for (uint32_t host = 0; host < HOSTS; host++) {
        struct window_sums sums = sums_of(1 + host);
        uint64_t packets = 0, bytes = 0;
        uint32_t ports = 0;
        for (uint32_t second = model.now - WINDOW_S + 1; second <= model.now; second++) {
            packets += model.packets[host][second];
            bytes += model.bytes[host][second];
        }
        for (uint32_t port = 0; port < PORTS; port++)
            ports += model.port_second[host][port] + WINDOW_S > model.now;
        ck_assert_uint_eq(sums.packets, packets);
        ck_assert_uint_eq(sums.bytes, bytes);
        ck_assert_uint_eq(sums.ports, ports);
        total += packets;
    }
    ck_assert_uint_eq(ip_window_packets(accounting_window(accounting)), total);
}

static struct packet_record random_record(uint32_t second)
{
    static const uint8_t flags[] = {
        PACKET_TCP_ACK, PACKET_TCP_ACK, PACKET_TCP_ACK, PACKET_TCP_SYN,
        PACKET_TCP_SYN | PACKET_TCP_ACK, PACKET_TCP_FIN | PACKET_TCP_ACK, PACKET_TCP_RST,
    };
    /* One draw a line: compilers differ in the order in which they evaluate arguments. */
    uint8_t protocol = random() % 2 ? IPPROTO_TCP : IPPROTO_UDP;
    uint32_t src = 1 + (uint32_t) random() % HOSTS;
    uint16_t src_port = (uint16_t) (random() % PORTS);
    uint32_t dst = 1 + (uint32_t) random() % HOSTS;
    uint16_t dst_port = (uint16_t) (random() % PORTS);
    uint64_t time_ns = second * NS_PER_S + (uint64_t) random() % NS_PER_S;
    struct packet_record record = record_of(protocol, src, src_port, dst, dst_port, time_ns);

    if (record.protocol == IPPROTO_TCP)
        record.tcp_flags = flags[random() % (long) sizeof flags];
    if (random() % 10 == 0)             /* another CPU was slower */
        record.first_ns -= 2 * NS_PER_S, record.last_ns = record.first_ns;
    if (random() % 10 == 0)             /* merged in the kernel */
        record.last_ns = record.first_ns + (uint64_t) random() % (NS_PER_S / 10);
    record.packets = 1 + (uint32_t) random() % 1000;
    record.bytes = (uint64_t) random() % 1000000;
    record.direction = random() & 1;
    record.action = random() & 3;
    record.ifindex = (uint32_t) random() % 3;
    return record;
}

START_TEST(everything_is_what_a_plain_model_says)
{
    memset(&model, 0, sizeof model);
    model.now = MODEL_FIRST;
    accounting_advance(accounting, MODEL_FIRST + OFFSET_S);
    srandom((unsigned) _i);
    for (uint32_t second = MODEL_FIRST + 2; second < MODEL_FIRST + MODEL_SECONDS - 1; second++) {
        if (random() % 60 == 0)
            second += (uint32_t) random() % 30;         /* silence */
        if (second >= MODEL_FIRST + MODEL_SECONDS - 1)
            break;
        long count = random() % 12 - 4;
        for (long i = 0; i < count; i++) {
            struct packet_record record = random_record(second);
            put(&record);
            model_add(&record);
        }
        if (count > 0)
            cut();
        if (count > 0)
            compare_with_model();
    }
    for (int i = 0; i < 100; i++)
        model_step();
    accounting_advance(accounting, model.now + OFFSET_S);
    ck_assert(flow_table_is_empty(accounting_flows(accounting)));
    ck_assert(ip_window_is_empty(accounting_window(accounting)));
    ended_flows_sort(&ended);
    ended_flows_sort(&model.ended);
    ended_flows_compare(&ended, &model.ended);
    ended_flows_clear(&model.ended);
}
END_TEST

/* The same records twice: other hash seeds, batches cut elsewhere, promises of time in between or
 * not; tables that overflow. */
static void run_stream(unsigned seed, uint64_t hash_seed, uint32_t cut_at, bool with_promises)
{
    accounting_destroy(&accounting);
    accounting = new_accounting(40, 4, hash_seed);
    srandom(seed);
    for (uint32_t second = 1000, n = 0; second < 1200; second++) {
        for (long count = random() % 20; count > 0; count--) {
            struct packet_record record = random_record(second);
            put(&record);
            if (++n % cut_at == 0)
                cut();
        }
        if (with_promises && packet_batch_size(stream.batch) > 0) {
            cut();
            accounting_advance(accounting, second - 2 + OFFSET_S);
        }
    }
    if (packet_batch_size(stream.batch) > 0)
        cut();
    accounting_advance(accounting, 1400 + OFFSET_S);
}

START_TEST(a_replay_gives_the_same_flows_in_the_same_order)
{
    struct ended_flows first;

    run_stream((unsigned) _i, 1, 512, false);
    first = ended;
    ended = (struct ended_flows) { 0 };
    ck_assert_uint_gt(first.size, 100);
    run_stream((unsigned) _i, 2, 7, false);
    ended_flows_compare(&first, &ended);
    ended_flows_clear(&ended);
    run_stream((unsigned) _i, 3, 100, true);
    ended_flows_compare(&first, &ended);
    ended_flows_clear(&first);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("accounting");
    TCase *tcase = tcase_create("records");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_server_that_answers_many_clients_is_no_scanner);
    tcase_add_test(tcase, a_scan_counts_every_port_once_for_sixty_seconds);
    tcase_add_test(tcase, a_long_connection_keeps_its_port_and_a_fragment_has_none);
    tcase_add_test(tcase, thirty_three_packets_over_two_thousand_addresses_are_thirty_three);
    tcase_add_test(tcase, a_leap_of_years_is_quick_and_ends_everything);
    tcase_add_loop_test(tcase, everything_is_what_a_plain_model_says, 0, 60);
    tcase_add_loop_test(tcase, a_replay_gives_the_same_flows_in_the_same_order, 0, 24);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
