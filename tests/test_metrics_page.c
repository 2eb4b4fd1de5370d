#include "metrics_page.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "collector_totals.h"
#include "full_snapshot.h"
#include "suite.h"

static struct text_buffer text;
static struct snapshot *snapshot;
static struct metrics_input input;

static void setup(void)
{
    text = text_buffer_of(1 << 20);
    input = (struct metrics_input) {
        .view = { .state = PEER_LIVE, .age_s = 0.25 },
        .cost = { 0.5, 1024, 10 }, .sse_clients = 3, .sse_missed = 4,
        .connections = { .accepted = 90, .refused = 2, .timed_out = 3, .evicted = 4,
                         .malformed = 5 },
    };
}

static void teardown(void)
{
    text_buffer_free(&text);
    snapshot_clear(snapshot);
    free(snapshot);
}

static void write_page(uint32_t collectors)
{
    snapshot = full_snapshot(collectors);
    input.view.snapshot = snapshot;
    metrics_page_write(&text, &input);
    text_buffer_append(&text, "", 1);
    ck_assert(!text.failed);
}

static bool has(const char *line)
{
    char wanted[256];

    snprintf(wanted, sizeof wanted, "\n%s\n", line);
    return strstr(text.data, wanted) != NULL;
}

static unsigned lines(void)
{
    unsigned count = 0;

    for (const char *c = text.data; *c != '\0'; c++)
        count += *c == '\n';
    return count;
}

/* promtool reads the page from its standard input and says what it does not like. */
static void promtool_says_nothing(void)
{
    char path[] = "/tmp/ntc-metrics-XXXXXX", command[128], said[4096] = "";
    int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text.data, text.size - 1), (ssize_t) text.size - 1);
    close(fd);
    snprintf(command, sizeof command, "promtool check metrics < %s 2>&1", path);
    FILE *tool = popen(command, "r");
    ck_assert_ptr_nonnull(tool);
    said[fread(said, 1, sizeof said - 1, tool)] = '\0';
    int status = pclose(tool);
    unlink(path);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
        return;                 /* not installed here */
    ck_assert_msg(status == 0 && said[0] == '\0', "promtool: %s", said);
}

START_TEST(everything_is_there_and_right)
{
    write_page(1);
    ck_assert(has("ntc_build_info{version=\"" NTC_VERSION "\"} 1"));
    ck_assert(has("ntc_snapshot_age_seconds 0.25"));
    ck_assert(has("ntc_packets_per_second 33.5"));
    ck_assert(has("ntc_bytes_per_second 4000"));
    ck_assert(has("ntc_active_ips 10"));
    ck_assert(has("ntc_active_flows 20"));
    ck_assert(has("ntc_packets_total{proto=\"tcp\",direction=\"ingress\",action=\"pass\"} 100"));
    ck_assert(has("ntc_packets_total{proto=\"icmp\",direction=\"egress\",action=\"drop\"} 121"));
    ck_assert(has("ntc_bytes_total{proto=\"tcp\",direction=\"ingress\",action=\"ssh\"} 1003"));
    ck_assert(has("ntc_lost_packets_total{stage=\"ring\"} 2"));
    ck_assert(has("ntc_lost_packets_total{stage=\"bus\"} 220"));
    ck_assert(has("ntc_lost_bytes_total{stage=\"bus\"} 330"));
    ck_assert(has("ntc_ledger_difference_packets -2"));
    ck_assert(has("ntc_ledger_in_flight_packets 17"));
    ck_assert(has("ntc_unparsed_packets_total 4"));
    ck_assert(has("ntc_not_ip_packets_total 3"));
    ck_assert(has("ntc_collector_up 1"));
    ck_assert(has("ntc_interface_attached{interface=\"eth0\"} 1"));
    ck_assert(has("ntc_interface_attached{interface=\"wlan0\"} 0"));
    ck_assert(has("ntc_list_entries{list=\"blacklist\"} 11"));
    ck_assert(has("ntc_list_entries{list=\"whitelist\"} 15"));
    ck_assert(has("ntc_list_hits_total{list=\"blacklist\"} 920"));  /* 101 + 105 + ... + 129 */
    ck_assert(has("ntc_list_hits_total{list=\"whitelist\"} 928"));
    ck_assert(has("ntc_table_entries{table=\"flows\"} 20"));
    ck_assert(has("ntc_table_capacity{table=\"flows\"} 65536"));
    ck_assert(has("ntc_table_evicted_total{table=\"ports\"} 7"));
    ck_assert(has("ntc_ip_packets_per_second{ip=\"192.0.2.10\"} 33.25"));
    ck_assert(has("ntc_ip_bytes_per_second{ip=\"192.0.2.20\"} 4000.5"));
    ck_assert(has("ntc_ip_unique_dst_ports{ip=\"192.0.2.30\"} 50"));
    ck_assert(has("ntc_ip_syn_count{ip=\"192.0.2.40\"} 60"));
    ck_assert(has("ntc_ip_ack_count{ip=\"192.0.2.50\"} 70"));
    ck_assert(has("ntc_sse_clients 3"));
    ck_assert(has("ntc_sse_missed_events_total 4"));
    ck_assert(has("ntc_http_unanswered_total 14"));
    ck_assert(has("ntc_process_cpu_seconds_total{process=\"collector\"} 1.25"));
    ck_assert(has("ntc_process_resident_memory_bytes{process=\"aggregator\"} 8192"));
    ck_assert(has("ntc_process_open_fds{process=\"gateway\"} 10"));
    promtool_says_nothing();
}
END_TEST

START_TEST(the_page_is_short_with_all_that_can_happen)
{
    write_page(1);
    ck_assert_uint_le(lines(), 200);
    ck_assert(has("ntc_ip_ack_count{ip=\"192.0.2.53\"} 67"));
    text_buffer_clear(&text);
    for (unsigned i = 0; i < STATUS_COUNTERS; i++)      /* a router without lists */
        if (i % PACKET_ACTIONS != PACKET_PASS)
            snapshot->collectors[0].status.packets[i] = 0;
    metrics_page_write(&text, &input);
    text_buffer_append(&text, "", 1);
    ck_assert_uint_le(lines(), 200);
    ck_assert(has("ntc_ip_ack_count{ip=\"192.0.2.59\"} 61"));
    ck_assert(has("ntc_packets_total{proto=\"udp\",direction=\"egress\",action=\"drop\"} 0"));
    ck_assert_ptr_null(strstr(text.data, "action=\"skip\""));
}
END_TEST

START_TEST(endpoints_without_a_voice_are_counted)
{
    write_page(1);
    ck_assert_ptr_null(strstr(text.data, "ntc_endpoints_unheard"));
    text_buffer_clear(&text);
    snapshot->unheard_count = 2;
    metrics_page_write(&text, &input);
    snapshot->unheard_count = 0;
    text_buffer_append(&text, "", 1);
    ck_assert(has("ntc_endpoints_unheard 2"));
    promtool_says_nothing();
}
END_TEST

START_TEST(several_collectors_carry_their_names)
{
    write_page(2);
    ck_assert(has("ntc_packets_total{proto=\"tcp\",direction=\"ingress\",action=\"pass\","
                  "collector=\"c1\"} 100"));
    ck_assert(has("ntc_collector_up{collector=\"c0\"} 1"));
    ck_assert(has("ntc_process_open_fds{process=\"collector\",collector=\"c1\"} 11"));
    ck_assert(has("ntc_process_open_fds{process=\"aggregator\"} 12"));
    promtool_says_nothing();
}
END_TEST

START_TEST(without_a_snapshot_the_gateway_speaks_for_itself)
{
    static const struct snapshot NOTHING;

    input.view = (struct latest_view) { .snapshot = &NOTHING, .age_s = INFINITY };
    metrics_page_write(&text, &input);
    text_buffer_append(&text, "", 1);
    ck_assert(has("ntc_snapshot_age_seconds +Inf"));
    ck_assert(has("ntc_process_open_fds{process=\"gateway\"} 10"));
    ck_assert_ptr_null(strstr(text.data, "ntc_packets"));
    ck_assert_ptr_null(strstr(text.data, "aggregator\""));
    promtool_says_nothing();
}
END_TEST

START_TEST(label_values_are_escaped)
{
    snapshot = full_snapshot(1);
    strcpy(snapshot->collectors[0].status.interfaces[0].name, "a\"b\\c\nd");
    input.view.snapshot = snapshot;
    metrics_page_write(&text, &input);
    text_buffer_append(&text, "", 1);
    ck_assert(has("ntc_interface_attached{interface=\"a\\\"b\\\\c\\nd\"} 1"));
    promtool_says_nothing();
}
END_TEST

START_TEST(losses_without_a_place_go_together)
{
    struct collector_totals totals = { 0 };
    struct collector_state state = { .loss_count = 1 };
    uint64_t packets = 0;

    for (int i = 0; i < 30; i++) {
        snprintf(state.losses[0].stage, sizeof state.losses[0].stage, "stage%d", i);
        state.losses[0].packets = 10;
        collector_totals_add(&totals, &state);
    }
    ck_assert_uint_eq(totals.loss_count, TOTALS_MAX_LOSSES);
    ck_assert_str_eq(totals.losses[0].stage, "stage0");
    ck_assert_str_eq(totals.losses[TOTALS_MAX_LOSSES - 1].stage, "other");
    for (uint32_t i = 0; i < totals.loss_count; i++)
        packets += totals.losses[i].packets;
    ck_assert_uint_eq(packets, 300);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("metrics_page");
    TCase *tcase = tcase_create("page");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, everything_is_there_and_right);
    tcase_add_test(tcase, the_page_is_short_with_all_that_can_happen);
    tcase_add_test(tcase, endpoints_without_a_voice_are_counted);
    tcase_add_test(tcase, several_collectors_carry_their_names);
    tcase_add_test(tcase, label_values_are_escaped);
    TCase *bare = tcase_create("bare");
    tcase_add_checked_fixture(bare, setup, NULL);
    tcase_add_test(bare, without_a_snapshot_the_gateway_speaks_for_itself);
    tcase_add_test(bare, losses_without_a_place_go_together);
    suite_add_tcase(suite, tcase);
    suite_add_tcase(suite, bare);
    return suite_run(suite);
}
