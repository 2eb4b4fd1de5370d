#include "mock_source.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "mock_traffic.h"
#include "source_counters.h"
#include "suite.h"

#define MANY 50000

static const struct config_numbers BYPASS = { .size = 1, .items = { 22 } };
static ip_list_t *lists;
static mock_source_t *source;

static void setup(void)
{
    lists = ip_list_new(64, 64);
    source = mock_source_new(1, MOCK_DEFAULT_RATE, &BYPASS, lists);
    ck_assert_ptr_nonnull(source);
}

static void teardown(void)
{
    mock_source_destroy(&source);
    ck_assert_ptr_null(source);
    ip_list_destroy(&lists);
}

static struct ip_prefix prefix_of(const char *text)
{
    struct ip_prefix prefix;
    char why[200];

    ck_assert_msg(ip_prefix_parse(text, &prefix, why, sizeof why) == 0, "%s", why);
    return prefix;
}

static void put(enum ntc_list list, const char *text, uint64_t expires_ns)
{
    struct ip_list_entry entry = { .prefix = prefix_of(text), .expires_ns = expires_ns,
                                   .reason = "" };

    ck_assert_int_eq(ip_list_put(lists, list, &entry), 0);
}

static bool is_from(const struct packet_record *record, const char *prefix)
{
    struct ip_prefix wanted = prefix_of(prefix);

    return ip_prefix_contains(&wanted, record->src_addr);
}

static bool is_between(const struct packet_record *record, const char *prefix)
{
    struct ip_prefix wanted = prefix_of(prefix);

    return is_from(record, prefix) || ip_prefix_contains(&wanted, record->dst_addr);
}

START_TEST(the_same_seed_gives_the_same_packets)
{
    mock_source_t *twin = mock_source_new(1, 1000, &BYPASS, lists);
    mock_source_t *other = mock_source_new(2, 1000, &BYPASS, lists);
    uint32_t different = 0;

    for (int i = 0; i < MANY; i++) {
        struct packet_record a, b, c;
        mock_source_next(source, 7, &a);
        mock_source_next(twin, 7, &b);
        mock_source_next(other, 7, &c);
        ck_assert_int_eq(memcmp(&a, &b, sizeof a), 0);
        different += memcmp(&a, &c, sizeof a) != 0;
    }
    ck_assert_uint_gt(different, MANY / 2);
    mock_source_destroy(&twin);
    mock_source_destroy(&other);
}
END_TEST

START_TEST(packets_are_such_as_a_wire_could_carry)
{
    static const char *const KNOWN[] = { "192.168.1.0/24", "192.0.2.0/24", "198.51.100.0/24",
                                         "203.0.113.0/24", "2001:db8::/32" };

    for (int i = 0; i < MANY; i++) {
        struct packet_record record;
        mock_source_next(source, 77, &record);
        uint32_t header = record.ip_version == 4 ? 20 : 40;
        bool known = false;
        for (size_t k = 0; k < sizeof KNOWN / sizeof KNOWN[0]; k++)
            known |= is_from(&record, KNOWN[k]);
        ck_assert(known);
        ck_assert_int_eq(ip_addr_version(record.src_addr), record.ip_version);
        ck_assert_int_eq(ip_addr_version(record.dst_addr), record.ip_version);
        ck_assert_uint_eq(record.packets, 1);
        ck_assert_uint_gt(record.bytes, header);
        ck_assert_uint_le(record.bytes, 1500);
        ck_assert_uint_eq(record.first_ns, 77);
        ck_assert_uint_eq(record.last_ns, 77);
        ck_assert_uint_eq(record.ifindex, MOCK_IFINDEX);
        ck_assert_int_eq(record.tcp_flags != 0, record.protocol == IPPROTO_TCP);
        bool has_ports = record.protocol == IPPROTO_TCP || record.protocol == IPPROTO_UDP;
        ck_assert_int_eq(record.src_port != 0, has_ports);
        ck_assert_int_eq(record.dst_port != 0, has_ports);
    }
}
END_TEST

START_TEST(there_is_some_of_everything)
{
    uint32_t by_group[PACKET_GROUPS] = { 0 }, ipv6 = 0, ssh = 0, syn = 0, syn_ack = 0, fin = 0;
    uint32_t egress = 0, scanned = 0;
    static bool port_seen[65536];

    for (int i = 0; i < MANY; i++) {
        struct packet_record record;
        mock_source_next(source, 1, &record);
        by_group[packet_group_of(record.protocol)]++;
        ipv6 += record.ip_version == 6;
        egress += record.direction == PACKET_EGRESS;
        ssh += record.action == PACKET_SSH;
        syn += (record.tcp_flags & (PACKET_TCP_SYN | PACKET_TCP_ACK)) == PACKET_TCP_SYN;
        syn_ack += (record.tcp_flags & PACKET_TCP_SYN) && (record.tcp_flags & PACKET_TCP_ACK);
        fin += (record.tcp_flags & PACKET_TCP_FIN) != 0;
        if (is_from(&record, "203.0.113.66") && !port_seen[record.dst_port]) {
            port_seen[record.dst_port] = true;
            scanned++;
        }
    }
    ck_assert_uint_gt(by_group[PACKET_TCP], MANY / 4);
    ck_assert_uint_gt(by_group[PACKET_UDP], MANY / 20);
    ck_assert_uint_gt(by_group[PACKET_ICMP], MANY / 50);
    ck_assert_uint_gt(ipv6, MANY / 10);
    ck_assert_uint_gt(egress, MANY / 4);
    ck_assert_uint_gt(ssh, MANY / 200);
    ck_assert_uint_gt(syn, 100);
    ck_assert_uint_gt(syn_ack, 100);
    ck_assert_uint_gt(fin, 200);
    ck_assert_uint_gt(scanned, 500);
}
END_TEST

START_TEST(the_number_of_flows_is_bounded)
{
    enum { SLOTS = 1 << 17 };
    static uint64_t seen[SLOTS];
    uint32_t flows = 0;

    for (int i = 0; i < 1000000; i++) {
        struct packet_record record;
        mock_source_next(source, 1, &record);
        uint64_t hash = 0;
        for (int k = 0; k < 16; k++)
            hash = (hash * 31 + record.src_addr[k]) * 31 + record.dst_addr[k];
        hash = (hash * 65599 + record.src_port) * 65599 + record.dst_port;
        hash = hash * 65599 + record.protocol + 1;
        uint32_t slot = (uint32_t) (hash * 0x9e3779b97f4a7c15u >> 47);
        while (seen[slot] != 0 && seen[slot] != hash)
            slot = (slot + 1) % SLOTS;
        flows += seen[slot] == 0;
        seen[slot] = hash;
    }
    ck_assert_uint_gt(flows, 5000);
    ck_assert_uint_lt(flows, 16384);
}
END_TEST

START_TEST(counters_are_the_sum_of_the_packets)
{
    struct ntc_counters sum = { 0 };

    put(NTC_BLACK, "203.0.113.0/24", 0);
    put(NTC_WHITE, "2001:db8::/32", 0);
    for (int i = 0; i < MANY; i++) {
        struct packet_record record;
        mock_source_next(source, 1, &record);
        source_counters_add(&sum, packet_group_of(record.protocol), record.direction,
                            record.action, record.packets, record.bytes);
    }
    ck_assert_int_eq(memcmp(&sum, mock_source_counters(source), sizeof sum), 0);
    ck_assert_uint_eq(source_counters_due_packets(&sum), MANY);
    ck_assert_uint_gt(sum.traffic[PACKET_TCP][PACKET_EGRESS][PACKET_DROP].packets, 0);
    ck_assert_uint_gt(sum.traffic[PACKET_UDP][PACKET_INGRESS][PACKET_SKIP].packets, 0);
}
END_TEST

/* What the TC programs would decide, spelled out. */
static enum packet_action expected_action(const struct packet_record *record, uint64_t now_ns)
{
    uint32_t match;
    bool opens = (record->tcp_flags & PACKET_TCP_SYN) && !(record->tcp_flags & PACKET_TCP_ACK);

    if (record->protocol == IPPROTO_TCP
        && (record->dst_port == 22 || (record->src_port == 22 && !opens)))
        return PACKET_SSH;
    return ip_list_verdict(lists, record->src_addr, record->dst_addr, now_ns, &match);
}

START_TEST(verdicts_follow_the_lists_through_every_change)
{
    static const char *const PREFIXES[] = { "192.168.1.12", "203.0.113.0/24", "2001:db8::/32",
                                            "192.0.2.0/24", "192.168.1.1", "0.0.0.0/0" };
    uint64_t now_ns = 1000;

    srandom((unsigned) _i);
    for (int step = 0; step < 3000; step++) {
        struct packet_record record;
        struct ip_prefix prefix = prefix_of(PREFIXES[random() % 6]);
        enum ntc_list list = (enum ntc_list) (random() % 2);

        if (random() % 20 == 0)
            ip_list_remove(lists, list, &prefix);
        if (random() % 40 == 0)
            put(list, PREFIXES[random() % 6], random() % 2 ? now_ns + 1 + random() % 50 : 0);
        if (random() % 100 == 0)
            ip_list_expire(lists, now_ns);
        now_ns += (uint64_t) (random() % 3);
        mock_source_next(source, now_ns, &record);
        ck_assert_int_eq(record.action, expected_action(&record, now_ns));
    }
}
END_TEST

START_TEST(hits_are_counted_at_the_entry)
{
    struct ip_prefix prefix = prefix_of("203.0.113.0/24");
    uint64_t packets = 0, bytes = 0;

    put(NTC_BLACK, "203.0.113.0/24", 0);
    for (int i = 0; i < MANY; i++) {
        struct packet_record record;
        mock_source_next(source, 500 + (uint64_t) i, &record);
        if (!is_between(&record, "203.0.113.0/24") || record.action == PACKET_SSH)
            continue;           /* the scan comes by port 22, too */
        ck_assert_int_eq(record.action, PACKET_DROP);
        packets++;
        bytes += record.bytes;
    }
    struct kernel_list_hits hits = ip_list_hits(lists, NTC_BLACK, &prefix);
    ck_assert_uint_gt(packets, 100);
    ck_assert_uint_eq(hits.packets, packets);
    ck_assert_uint_eq(hits.bytes, bytes);
    ck_assert_uint_gt(hits.last_ns, 500);
}
END_TEST

START_TEST(bursts_come_after_every_calm)
{
    mock_traffic_t *traffic = mock_traffic_new(3);
    struct packet_record record;
    uint32_t path;

    for (int cycle = 0; cycle < 10; cycle++)
        for (int i = 0; i < MOCK_CALM + MOCK_BURST; i++) {
            ck_assert_int_eq(mock_traffic_in_burst(traffic), i >= MOCK_CALM);
            mock_traffic_next(traffic, &record, &path);
            ck_assert_uint_lt(path, mock_traffic_paths(traffic));
        }
    mock_traffic_destroy(&traffic);
}
END_TEST

START_TEST(a_packet_costs_little)
{
    enum { PACKETS = 5000000 };
    struct packet_record record;
    uint64_t sum = 0, start_ns = clock_monotonic_ns();

    for (int i = 0; i < PACKETS; i++) {
        mock_source_next(source, 1, &record);
        sum += record.bytes;
    }
    ck_assert_uint_gt(sum, 0);
    printf("a synthetic packet: %.1f ns\n",
           (double) (clock_monotonic_ns() - start_ns) / PACKETS);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("mock_source");
    TCase *tcase = tcase_create("traffic");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, the_same_seed_gives_the_same_packets);
    tcase_add_test(tcase, packets_are_such_as_a_wire_could_carry);
    tcase_add_test(tcase, there_is_some_of_everything);
    tcase_add_test(tcase, the_number_of_flows_is_bounded);
    tcase_add_test(tcase, counters_are_the_sum_of_the_packets);
    tcase_add_loop_test(tcase, verdicts_follow_the_lists_through_every_change, 0, 8);
    tcase_add_test(tcase, hits_are_counted_at_the_entry);
    tcase_add_test(tcase, bursts_come_after_every_calm);
    tcase_add_test(tcase, a_packet_costs_little);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
