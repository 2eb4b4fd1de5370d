/* The flow cache: whatever merges, moves and leaves, the sums are those of counting one by one. */
#include "kernel_fixture.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "flow_hash.h"
#include "suite.h"

enum { FLOWS = 24, MAX_CPUS = 64 };

static int cpus[MAX_CPUS];      /* where this process may run */
static int cpu_count;
static uint16_t dst_ports[FLOWS];       /* 0 = 443 */

static void open_with_budget(uint32_t per_second)
{
    char why[256] = "";
    cpu_set_t allowed;

    kernel_source_destroy(&source);
    kernel_config.events.per_second = per_second;
    kernel_config.events.ring_mib = 16;
    int rc = kernel_source_open(&source, &kernel_config, why, sizeof why);
    ck_assert_msg(rc == 0, "%s", why);
    cpu_count = 0;
    sched_getaffinity(0, sizeof allowed, &allowed);
    for (int cpu = 0; cpu < CPU_SETSIZE && cpu_count < MAX_CPUS; cpu++)
        if (CPU_ISSET(cpu, &allowed))
            cpus[cpu_count++] = cpu;
}

static void move_to(int cpu)
{
    cpu_set_t one;

    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    ck_assert_int_eq(sched_setaffinity(0, sizeof one, &one), 0);
}

/* Flow `i`: some over IPv6, some with SYN, FIN or PSH, every fourth from a listed address. */
static struct frame frame_of(int i, uint32_t payload)
{
    static const uint8_t FLAGS[] = { 0x10, 0x02, 0x18, 0x11, 0x10, 0x14 };
    struct frame frame;
    char src[40];

    if (i % 3 == 2) {
        snprintf(src, sizeof src, "2001:db8::%x", i + 1);
        frame_ethernet(&frame, 0x86dd);
        frame_ipv6(&frame, src, "2001:db8:1::1", 6);
    } else {
        snprintf(src, sizeof src, "192.0.2.%d", i + 1);
        frame_ethernet(&frame, 0x0800);
        frame_ipv4(&frame, src, "198.51.100.1", 6);
    }
    frame_tcp(&frame, (uint16_t) (1000 + i), dst_ports[i] ? dst_ports[i] : 443, FLAGS[i % 6]);
    frame_payload(&frame, payload);
    frame_finish(&frame);
    return frame;
}

static void send_times(const struct frame *frame, enum packet_direction direction, int times)
{
    DECLARE_LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame->data,
                        .data_size_in = frame->size, .repeat = times);

    int fd = kernel_source_program_fd(source, direction, LINK_ETHERNET);
    ck_assert_int_eq(bpf_prog_test_run_opts(fd, &opts), 0);
}

struct sums {
    uint64_t packets[FLOWS][PACKET_DIRECTIONS][PACKET_ACTIONS];
    uint64_t bytes[FLOWS][PACKET_DIRECTIONS][PACKET_ACTIONS];
    uint64_t records;
};

static void add_record(const struct packet_record *record, void *arg)
{
    struct sums *sums = arg;
    int flow = record->src_port - 1000;

    ck_assert_int_ge(flow, 0);
    ck_assert_int_lt(flow, FLOWS);
    ck_assert_uint_ge(record->packets, 1);
    ck_assert_uint_le(record->first_ns, record->last_ns);
    ck_assert_uint_eq(record->ip_version, flow % 3 == 2 ? 6 : 4);
    sums->packets[flow][record->direction][record->action] += record->packets;
    sums->bytes[flow][record->direction][record->action] += record->bytes;
    sums->records++;
}

static void drain(struct sums *sums)
{
    while (kernel_source_drain(source, 100000, add_record, sums) > 0)
        ;
}

static void flush_all(void)
{
    ck_assert_int_eq(kernel_source_flush(source, UINT64_MAX), 0);
    ck_assert_uint_eq(kernel_source_cached(source), 0);
}

/* ---- flows that meet ---- */

static struct packet_record identity;   /* of the last record drained */

static void keep_identity(const struct packet_record *record, void *arg)
{
    (void) arg;
    identity = *record;
}

/* Give flow `i`, on its way in, a destination port with which it shares the first `buckets` buckets
 * of the cache with all others.  For one in some thousand there is no such port: hence known
 * seeds. */
static void crowd_flow(int i, uint32_t buckets)
{
    uint64_t seed = kernel_source_settings(source)->hash_seed;
    struct frame frame = frame_of(i, 0);

    send_times(&frame, PACKET_INGRESS, 1);
    flush_all();
    while (kernel_source_drain(source, 100, keep_identity, NULL) > 0)
        ;
    ck_assert_uint_eq(identity.src_port, 1000 + i);
    identity.tcp_flags &= (uint8_t) ~PACKET_TCP_PSH;
    identity.action = 0;
    for (uint16_t port = 1024; dst_ports[i] == 0; port++) {
        ck_assert_uint_ne(port, 0);
        identity.dst_port = port;
        if (flow_hash_bucket(flow_hash(&identity, seed)) < buckets)
            dst_ports[i] = port;
    }
}

static void use_seed(uint64_t seed)
{
    kernel_source_settings(source)->hash_seed = seed;
    kernel_source_host_filter(source)->seed = seed;
}

static void crowd(int flows, uint32_t buckets)
{
    for (int i = 0; i < flows; i++)
        crowd_flow(i, buckets);
}

/* ---- exactness ---- */

struct history {
    struct sums expected, found;
    bool listed[FLOWS];
};

static void toggle_listing(struct history *history, int flow)
{
    char text[40];

    snprintf(text, sizeof text, flow % 3 == 2 ? "2001:db8::%x" : "192.0.2.%d", flow + 1);
    struct kernel_list_item item = list_item(NTC_BLACK, text, 0);
    ck_assert_int_eq(history->listed[flow] ? kernel_lists_remove(source, &item)
                                           : kernel_lists_put(source, &item), 0);
    history->listed[flow] = !history->listed[flow];
}

static void send_some(struct history *history, int flow, enum packet_direction direction)
{
    struct frame frame = frame_of(flow, (uint32_t) (random() % 100));
    int times = 1 + (int) (random() % 3);
    enum packet_action action = history->listed[flow] ? PACKET_DROP : PACKET_PASS;

    send_times(&frame, direction, times);
    history->expected.packets[flow][direction][action] += (uint64_t) times;
    history->expected.bytes[flow][direction][action] += (uint64_t) times * (frame.size - 14);
}

/* Any order of packets, list changes, CPU moves, flushes and drains. */
static void run_sequence(struct history *history, bool both_directions)
{
    enum { STEPS = 100 };

    for (int step = 0; step < STEPS; step++) {
        int flow = (int) (random() % FLOWS);
        switch (random() % 16) {
        case 0:
            move_to(cpus[random() % cpu_count]);
            break;
        case 1:
            flush_all();
            break;
        case 2:
            ck_assert_int_eq(kernel_source_flush(source, clock_boot_ns() - 2 * NS_PER_MS), 0);
            break;
        case 3:
            drain(&history->found);
            break;
        case 4:
            toggle_listing(history, flow);
            break;
        default:
            send_some(history, flow, both_directions && random() % 2 ? PACKET_EGRESS
                                                                     : PACKET_INGRESS);
        }
    }
    flush_all();
    drain(&history->found);
    ck_assert_mem_eq(history->found.packets, history->expected.packets,
                     sizeof history->expected.packets);
    ck_assert_mem_eq(history->found.bytes, history->expected.bytes, sizeof history->expected.bytes);
}

enum { SEQUENCES = 90, ROUNDS = 12 };

START_TEST(sums_are_those_of_counting_one_by_one)
{
    static struct history history;

    srandom((unsigned) _i);
    open_with_budget(_i % 3 == 0 ? 200 : 0);    /* some leave alone, the rest merge */
    for (int i = 0; i < SEQUENCES; i++)
        run_sequence(&history, true);
}
END_TEST

/* Many flows in one to four buckets of two: they push each other out all the time. */
START_TEST(sums_are_right_when_flows_push_each_other_out)
{
    static struct history history;

    srandom((unsigned) _i);
    open_with_budget(0);
    use_seed(0x9e3779b97f4a7c15 + (unsigned) _i);
    crowd(FLOWS, 1 + (uint32_t) _i % 4);
    for (int i = 0; i < SEQUENCES; i++)
        run_sequence(&history, false);
}
END_TEST

static void *send_on_one_cpu(void *arg)
{
    move_to(*(int *) arg);
    for (int round = 0; round < 300; round++) {
        struct frame frame = frame_of(round % FLOWS, 10);
        send_times(&frame, PACKET_INGRESS, 1000);
    }
    return NULL;
}

/* Packets on every CPU while another thread flushes all of them: no count is lost or doubled. */
START_TEST(flushing_does_not_disturb_packets_that_come_meanwhile)
{
    struct sums found = { 0 };
    struct ntc_counters counters;
    pthread_t threads[MAX_CPUS];
    uint64_t total = 0, flushes = 0;

    open_with_budget(0);
    for (int i = 0; i < cpu_count; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, send_on_one_cpu, &cpus[i]), 0);
    for (int i = 0; i < cpu_count; i++) {
        struct timespec soon = { 0 };
        do {
            ck_assert_int_eq(kernel_source_flush(source, UINT64_MAX), 0);
            flushes++;
            drain(&found);
            clock_gettime(CLOCK_REALTIME, &soon);
        } while (pthread_timedjoin_np(threads[i], NULL, &soon) == ETIMEDOUT);
    }
    ck_assert_int_eq(kernel_source_flush(source, UINT64_MAX), 0);
    drain(&found);
    for (int flow = 0; flow < FLOWS; flow++)
        total += found.packets[flow][PACKET_INGRESS][PACKET_PASS];
    kernel_source_counters(source, &counters);
    ck_assert_uint_eq(counters.ring_lost_packets, 0);
    ck_assert_uint_eq(total, 300000ull * (unsigned) cpu_count);
    ck_assert_uint_lt(found.records, total / 10);
    ck_assert_uint_gt(flushes, 3);
}
END_TEST

/* ---- what merges and what does not ---- */

START_TEST(the_budget_is_spent_on_single_records_and_the_rest_merges)
{
    struct sums found = { 0 };
    struct frame frame = frame_of(0, 0);

    open_with_budget(100);
    move_to(cpus[0]);
    send_times(&frame, PACKET_INGRESS, 1000);
    drain(&found);
    ck_assert_uint_ge(found.records, 100);      /* a burst of one second's budget */
    ck_assert_uint_le(found.records, 110);
    ck_assert_uint_eq(kernel_source_cached(source), 1);
    ck_assert_int_eq(kernel_source_flush(source, UINT64_MAX), 0);
    drain(&found);
    ck_assert_uint_le(found.records, 111);
    ck_assert_uint_eq(found.packets[0][PACKET_INGRESS][PACKET_PASS], 1000);
}
END_TEST

/* Not one of them alone while the traffic is above the budget; each of them again soon after. */
START_TEST(a_cpu_above_its_budget_merges_all_its_packets)
{
    struct sums found = { 0 };
    struct frame frame = frame_of(0, 0);

    open_with_budget(1000);
    move_to(cpus[0]);
    send_times(&frame, PACKET_INGRESS, 5000);
    uint64_t begin = clock_monotonic_ns();
    drain(&found);
    uint64_t sent = 5000, burst = found.records;
    ck_assert_uint_le(burst, 1110);
    while (found.records == burst) {
        usleep(5000);               /* a fifth of the budget */
        send_times(&frame, PACKET_INGRESS, 1);
        sent++;
        drain(&found);
    }
    uint64_t took_ms = (clock_monotonic_ns() - begin) / NS_PER_MS;
    ck_assert_uint_ge(took_ms, 240);
    ck_assert_uint_lt(took_ms, 2000);
    ck_assert_int_eq(kernel_source_flush(source, UINT64_MAX), 0);
    drain(&found);
    ck_assert_uint_eq(found.packets[0][PACKET_INGRESS][PACKET_PASS], sent);
}
END_TEST

START_TEST(the_first_syn_fin_and_dropped_packet_leave_at_once)
{
    open_with_budget(0);
    put_on_list(NTC_BLACK, "192.0.2.5", 0);
    static const int AT_ONCE[] = { 1 /* SYN */, 3 /* FIN */, 4 /* listed */, 5 /* RST, IPv6 */ };
    for (size_t i = 0; i < 4; i++) {
        struct sums found = { 0 };
        struct frame frame = frame_of(AT_ONCE[i], 0);
        send_times(&frame, PACKET_INGRESS, 5);
        drain(&found);
        ck_assert_uint_eq(found.records, 1);
        ck_assert_int_eq(kernel_source_flush(source, UINT64_MAX), 0);
        drain(&found);
        ck_assert_uint_eq(found.records, 2);
    }
    struct sums found = { 0 };
    struct frame plain = frame_of(0, 0);
    send_times(&plain, PACKET_INGRESS, 5);
    drain(&found);
    ck_assert_uint_eq(found.records, 0);
}
END_TEST

/* Flows 0 and 2 fill a bucket; 6 and 8 come to it.  None of them has flags that leave at once. */
static void fill_a_bucket(struct sums *found)
{
    static const int FLOW[] = { 0, 2, 6, 8 };

    open_with_budget(0);
    use_seed(0x9e3779b97f4a7c15);
    for (size_t i = 0; i < 4; i++)
        crowd_flow(FLOW[i], 1);
    move_to(cpus[0]);
    for (int i = 0; i < 2; i++) {
        struct frame frame = frame_of(FLOW[i], 0);
        send_times(&frame, PACKET_INGRESS, 10 + i);
    }
    drain(found);
    ck_assert_uint_eq(found->records, 0);
}

START_TEST(flows_of_one_packet_push_nobody_out)
{
    struct sums found = { 0 };

    fill_a_bucket(&found);
    struct frame first = frame_of(0, 0), other = frame_of(6, 0), another = frame_of(8, 0);
    for (int i = 0; i < 4; i++)
        send_times(i % 2 ? &other : &another, PACKET_INGRESS, 1);
    send_times(&first, PACKET_INGRESS, 10);
    drain(&found);
    ck_assert_uint_eq(found.records, 4);
    flush_all();
    drain(&found);
    ck_assert_uint_eq(found.records, 6);
    ck_assert_uint_eq(found.packets[0][PACKET_INGRESS][PACKET_PASS], 20);
}
END_TEST

START_TEST(a_flow_that_comes_again_takes_the_place_of_the_colder_one)
{
    struct sums found = { 0 };

    fill_a_bucket(&found);
    struct frame newcomer = frame_of(6, 0);
    send_times(&newcomer, PACKET_INGRESS, 50);
    drain(&found);
    ck_assert_uint_eq(found.records, 2);
    ck_assert_uint_eq(found.packets[0][PACKET_INGRESS][PACKET_PASS], 10);
    ck_assert_uint_eq(found.packets[6][PACKET_INGRESS][PACKET_PASS], 1);
    flush_all();
    drain(&found);
    ck_assert_uint_eq(found.records, 4);
    ck_assert_uint_eq(found.packets[6][PACKET_INGRESS][PACKET_PASS], 50);
}
END_TEST

static void check_times(const struct packet_record *record, void *arg)
{
    const uint64_t *sent = arg;         /* before the first packet, after the last; at least */
    uint64_t tick_ns = kernel_source_settings(source)->tick_ns;

    ck_assert_uint_ge(record->first_ns + 2 * tick_ns, sent[0]);
    ck_assert_uint_le(record->last_ns, sent[1] + tick_ns);
    ck_assert_uint_le(record->first_ns, record->last_ns);
    if (sent[2])
        ck_assert_uint_ge(record->last_ns - record->first_ns + 2 * tick_ns, sent[2]);
}

START_TEST(times_of_merged_packets_are_true_to_a_tick_or_two)
{
    struct frame frame = frame_of(0, 0);
    struct timespec pause = { .tv_nsec = 50 * NS_PER_MS };
    uint64_t sent[3] = { 0, 0, 50 * NS_PER_MS };

    open_with_budget(0);
    move_to(cpus[0]);
    sent[0] = clock_boot_ns();
    send_times(&frame, PACKET_INGRESS, 3);
    nanosleep(&pause, NULL);    /* what is measured is time */
    send_times(&frame, PACKET_INGRESS, 3);
    sent[1] = clock_boot_ns();
    flush_all();
    ck_assert_uint_eq(kernel_source_drain(source, 100, check_times, sent), 1);
}
END_TEST

/* Make the only entry of the cache look as if it began `ticks` ago. */
static void age_entry(uint32_t ticks)
{
    char path[PATH_MAX + 32];
    struct ntc_cache_bucket bucket;
    uint32_t count = (uint32_t) libbpf_num_possible_cpus() * NTC_CACHE_BUCKETS;

    ck_assert_int_eq(kernel_source_pin(source), 0);
    snprintf(path, sizeof path, "%s/v%d/cache", kernel_config.network.pin_path, NTC_LAYOUT);
    int fd = bpf_obj_get(path);
    ck_assert_int_ge(fd, 0);
    for (uint32_t i = 0; i < count; i++) {
        ck_assert_int_eq(bpf_map_lookup_elem(fd, &i, &bucket), 0);
        for (int way = 0; way < NTC_CACHE_WAYS; way++)
            bucket.way[way].first_tick -= ticks;
        if (bucket.way[0].packets)
            ck_assert_int_eq(bpf_map_update_elem(fd, &i, &bucket, BPF_ANY), 0);
    }
    close(fd);
}

/* Without a collector nobody flushes, and an entry's clock has 16 bits. */
START_TEST(what_nobody_has_flushed_for_minutes_leaves_with_its_next_packet)
{
    struct sums found = { 0 };
    struct frame frame = frame_of(0, 0);
    enum { TICKS = 40000 };
    uint64_t sent[3] = { 0 };

    open_with_budget(0);
    move_to(cpus[0]);
    sent[0] = clock_boot_ns() - TICKS * (uint64_t) kernel_source_settings(source)->tick_ns;
    send_times(&frame, PACKET_INGRESS, 5);
    age_entry(TICKS);
    send_times(&frame, PACKET_INGRESS, 1);
    sent[1] = clock_boot_ns();
    ck_assert_uint_eq(kernel_source_drain(source, 100, check_times, sent), 1);
    send_times(&frame, PACKET_INGRESS, 3);      /* and merging goes on */
    flush_all();
    drain(&found);
    ck_assert_uint_eq(found.records, 1);
    ck_assert_uint_eq(found.packets[0][PACKET_INGRESS][PACKET_PASS], 3);
}
END_TEST

START_TEST(a_list_change_holds_for_flows_that_are_cached)
{
    struct sums found = { 0 };
    struct frame frame = frame_of(0, 0);
    struct kernel_list_item item = list_item(NTC_BLACK, "192.0.2.0/24", 0);

    open_with_budget(0);
    move_to(cpus[0]);
    send_times(&frame, PACKET_INGRESS, 10);
    ck_assert_int_eq(kernel_lists_put(source, &item), 0);
    send_times(&frame, PACKET_INGRESS, 20);
    ck_assert_int_eq(kernel_lists_remove(source, &item), 0);
    send_times(&frame, PACKET_INGRESS, 30);
    ck_assert_int_eq(kernel_source_flush(source, UINT64_MAX), 0);
    drain(&found);
    ck_assert_uint_eq(found.packets[0][PACKET_INGRESS][PACKET_PASS], 40);
    ck_assert_uint_eq(found.packets[0][PACKET_INGRESS][PACKET_DROP], 20);
}
END_TEST

START_TEST(a_flush_by_age_leaves_young_entries)
{
    struct sums found = { 0 };
    struct frame frame = frame_of(0, 0);

    open_with_budget(0);
    send_times(&frame, PACKET_INGRESS, 10);
    ck_assert_int_eq(kernel_source_flush(source, clock_boot_ns() - NS_PER_S), 0);
    drain(&found);
    ck_assert_uint_eq(found.records, 0);
    ck_assert_uint_eq(kernel_source_cached(source), 1);
    ck_assert_int_eq(kernel_source_flush(source, clock_boot_ns() + NS_PER_S), 0);
    drain(&found);
    ck_assert_uint_eq(found.packets[0][PACKET_INGRESS][PACKET_PASS], 10);
    ck_assert_uint_eq(kernel_source_cached(source), 0);
}
END_TEST

START_TEST(a_record_never_holds_more_bytes_than_a_message_can_carry)
{
    struct __sk_buff context = { .gso_segs = 60000, .gso_size = 1 };
    struct frame frame = frame_of(0, 100);
    DECLARE_LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame.data, .data_size_in = frame.size,
                        .ctx_in = &context, .ctx_size_in = sizeof context, .repeat = 2000);
    struct sums found = { 0 };

    open_with_budget(0);
    move_to(cpus[0]);
    int fd = kernel_source_program_fd(source, PACKET_EGRESS, LINK_ETHERNET);
    ck_assert_int_eq(bpf_prog_test_run_opts(fd, &opts), 0);
    drain(&found);
    ck_assert_uint_ge(found.records, 2);
    ck_assert_uint_lt(found.bytes[0][PACKET_EGRESS][PACKET_PASS] / found.records, UINT32_MAX);
    ck_assert_int_eq(kernel_source_flush(source, UINT64_MAX), 0);
    drain(&found);
    ck_assert_uint_eq(found.packets[0][PACKET_EGRESS][PACKET_PASS], 2000ull * 60000);
}
END_TEST

START_TEST(a_sleeping_collector_is_woken_also_when_all_is_merged)
{
    struct sums found = { 0 };
    struct frame frame = frame_of(0, 0);

    open_with_budget(0);
    ck_assert(!kernel_source_sleep(source));
    ck_assert(kernel_source_sleep(source));
    send_times(&frame, PACKET_INGRESS, 5);
    ck_assert_uint_eq(kernel_source_settings(source)->asleep, 0);
    drain(&found);
    ck_assert_uint_eq(found.records, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("flow_cache");
    TCase *exact = tcase_create("exactness"), *regimes = tcase_create("regimes");

    tcase_set_timeout(exact, 20);
    tcase_add_checked_fixture(exact, kernel_setup, kernel_teardown);
    tcase_add_loop_test(exact, sums_are_those_of_counting_one_by_one, 0, ROUNDS);
    tcase_add_loop_test(exact, sums_are_right_when_flows_push_each_other_out, 0, ROUNDS);
    tcase_add_test(exact, flushing_does_not_disturb_packets_that_come_meanwhile);
    tcase_add_checked_fixture(regimes, kernel_setup, kernel_teardown);
    tcase_add_test(regimes, the_budget_is_spent_on_single_records_and_the_rest_merges);
    tcase_add_test(regimes, a_cpu_above_its_budget_merges_all_its_packets);
    tcase_add_test(regimes, the_first_syn_fin_and_dropped_packet_leave_at_once);
    tcase_add_test(regimes, flows_of_one_packet_push_nobody_out);
    tcase_add_test(regimes, a_flow_that_comes_again_takes_the_place_of_the_colder_one);
    tcase_add_test(regimes, times_of_merged_packets_are_true_to_a_tick_or_two);
    tcase_add_test(regimes, what_nobody_has_flushed_for_minutes_leaves_with_its_next_packet);
    tcase_add_test(regimes, a_list_change_holds_for_flows_that_are_cached);
    tcase_add_test(regimes, a_flush_by_age_leaves_young_entries);
    tcase_add_test(regimes, a_record_never_holds_more_bytes_than_a_message_can_carry);
    tcase_add_test(regimes, a_sleeping_collector_is_woken_also_when_all_is_merged);
    suite_add_tcase(suite, exact);
    suite_add_tcase(suite, regimes);
    return suite_run(suite);
}
