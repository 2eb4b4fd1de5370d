#include "batch_receiver.h"

#include "bus_folder.h"
#include "captured.h"
#include "ended_flows.h"
#include "reactor_run.h"
#include "record_stream.h"
#include "suite.h"
#include "zsock_setup.h"

static struct bus_folder folder;
static struct bound_socket events;
static zloop_t *loop;
static flow_publisher_t *flows;
static aggregate_t *aggregate;
static batch_receiver_t *receiver;
static struct record_stream stream;
static uint32_t topics;         /* that are subscribed to, as the publisher sees it */

static void count_topics(void)
{
    zmq_msg_t message;

    zmq_msg_init(&message);
    while (zmq_msg_recv(&message, zsock_resolve(events.socket), ZMQ_DONTWAIT) >= 0)
        topics += *(char *) zmq_msg_data(&message) == 1 ? 1u : -1u;
    zmq_msg_close(&message);
}

static bool is_subscribed(void *arg)
{
    (void) arg;
    count_topics();
    return topics == 2;
}

static void setup(void)
{
    struct flow_limits limits = { .flows = 64, .idle_s = 30, .flush_s = 60 };
    char endpoint[128];

    bus_folder_make(&folder);
    bus_folder_endpoint(&folder, BUS_EVENTS, endpoint);
    loop = zloop_new();
    flows = flow_publisher_new();
    aggregate = aggregate_new(&limits, 64, 42, flow_publisher_on_ended, flows);
    receiver = batch_receiver_new(aggregate, flows, NULL);
    ck_assert(loop && flows && aggregate && receiver);
    ck_assert_int_eq(batch_receiver_connect(receiver, loop, endpoint, 100, ""), 0);
    ck_assert_int_eq(zsock_setup_bind(&events, ZMQ_XPUB, endpoint, 100), 0);
    stream = record_stream_open("pi", 7);
    topics = 0;
    reactor_run_until(loop, is_subscribed, NULL);
}

static void teardown(void)
{
    record_stream_close(&stream);
    zloop_destroy(&loop);
    batch_receiver_destroy(&receiver);
    ck_assert_ptr_null(receiver);
    aggregate_destroy(&aggregate);
    flow_publisher_destroy(&flows);
    zsock_setup_unbind(&events);
    bus_folder_remove(&folder);
}

static void send_bytes(const char *topic, const void *bytes, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);

    if (size > 0)
        memcpy(copy, bytes, size);
    ck_assert_int_eq(bus_message_send(events.socket, topic, copy, size), 0);
}

static void send_udp(uint32_t packets)
{
    struct packet_record record = record_of(IPPROTO_UDP, 1, 1000, 2, 53, clock_boot_ns());

    record.packets = packets;
    packet_batch_add(stream.batch, &record);
    record_stream_cut(&stream);
    send_bytes(TOPIC_PACKETS, stream.bytes, stream.size);
}

static void send_status(void)
{
    struct collector_status status = {
        .collector_id = "pi", .boot_id = 7, .next_seq = stream.header.first_seq,
        .clock_ns = clock_boot_ns(), .published_packets = stream.header.packets_before,
        .published_bytes = stream.header.bytes_before, .due_low = stream.header.packets_before,
        .due_high = stream.header.packets_before,
    };
    uint8_t *bytes;
    size_t size;

    ck_assert_int_eq(collector_status_encode(&status, &bytes, &size), 0);
    ck_assert_int_eq(bus_message_send(events.socket, TOPIC_STATUS, bytes, size), 0);
}

static bool has_status(void *arg)
{
    const collector_table_t *collectors = aggregate_collectors(aggregate);

    (void) arg;
    return collector_table_size(collectors) == 1
        && collector_table_at(collectors, 0)->has_status;
}

static bool has_bad_messages(void *arg)
{
    return batch_receiver_bad_messages(receiver) == *(uint64_t *) arg;
}

START_TEST(records_and_statuses_are_taken_in_order)
{
    for (uint32_t i = 1; i <= 80; i++)
        send_udp(i);
    send_status();
    reactor_run_until(loop, has_status, NULL);

    const struct collector *collector = collector_table_at(aggregate_collectors(aggregate), 0);
    ck_assert_uint_eq(collector->ledger.accounted.packets, 80 * 81 / 2);
    ck_assert_int_eq(collector->ledger.difference_packets, 0);
    ck_assert_uint_eq(batch_receiver_bad_messages(receiver), 0);
}
END_TEST

/* One batch with every look, then the status that covers them all. */
static bool has_steady_stream(void *arg)
{
    uint32_t *left = arg;

    if (*left > 0) {
        send_udp(1);
        if (--*left == 0)
            send_status();
    }
    return *left == 0 && has_status(NULL);
}

START_TEST(a_steady_stream_is_taken_whole_with_rests_in_between)
{
    uint32_t batches = 200;

    reactor_run_until(loop, has_steady_stream, &batches);
    const struct collector *collector = collector_table_at(aggregate_collectors(aggregate), 0);
    ck_assert_uint_eq(collector->ledger.accounted.packets, 200);
    ck_assert_uint_eq(collector->ledger.bus.packets, 0);
    ck_assert_int_eq(collector->ledger.difference_packets, 0);
}
END_TEST

START_TEST(bad_messages_are_counted_and_change_nothing)
{
    uint64_t expected = 5;
    uint8_t noise[100];

    memset(noise, 0x5a, sizeof noise);
    send_bytes(TOPIC_PACKETS, noise, sizeof noise);
    send_bytes(TOPIC_PACKETS, "", 0);
    send_bytes(TOPIC_STATUS, noise, sizeof noise);
    zsock_send(events.socket, "s", TOPIC_PACKETS);
    zsock_send(events.socket, "sss", TOPIC_PACKETS, "one", "two");
    send_bytes("packets-later", noise, 0);
    reactor_run_until(loop, has_bad_messages, &expected);

    ck_assert_uint_eq(collector_table_size(aggregate_collectors(aggregate)), 0);
    send_udp(1);
    send_status();
    reactor_run_until(loop, has_status, NULL);
    ck_assert_uint_eq(batch_receiver_bad_messages(receiver), expected);
}
END_TEST

START_TEST(a_collector_is_announced_once)
{
    struct captured captured = captured_begin(STDERR_FILENO);
    char text[4096];

    send_udp(1);
    send_udp(1);
    send_status();
    reactor_run_until(loop, has_status, NULL);
    captured_end(&captured, text, sizeof text);
    const char *first = strstr(text, "collector \"pi\" is heard\n");
    ck_assert_ptr_nonnull(first);
    ck_assert_ptr_null(strstr(first + 1, "collector"));
}
END_TEST

static bool is_cut_off(void *arg)
{
    (void) arg;
    count_topics();
    return topics == 0;
}

static bool is_subscribed_again(void *arg)
{
    batch_receiver_on_second(receiver);
    return is_subscribed(arg);
}

START_TEST(after_a_message_too_long_the_next_one_is_heard_again)
{
    uint8_t *bytes = calloc(2, ZSOCK_MAX_MESSAGE);

    ck_assert_int_eq(bus_message_send(events.socket, TOPIC_PACKETS, bytes, 2 * ZSOCK_MAX_MESSAGE),
                     0);
    reactor_run_until(loop, is_cut_off, NULL);
    reactor_run_until(loop, is_subscribed_again, NULL);
    send_udp(1);
    send_status();
    reactor_run_until(loop, has_status, NULL);
}
END_TEST

START_TEST(endpoints_at_which_nothing_is_heard_are_told)
{
    struct snapshot snapshot = { 0 };

    ck_assert_int_eq(batch_receiver_connect(receiver, loop, "ipc:///nonexistent/events", 10, ""),
                     0);
    send_status();
    reactor_run_until(loop, has_status, NULL);
    ck_assert_int_eq(batch_receiver_fill_unheard(receiver, &snapshot), 0);
    ck_assert_uint_eq(snapshot.unheard_count, 1);
    ck_assert_str_eq(snapshot.unheard[0].endpoint, "ipc:///nonexistent/events");
    ck_assert_str_eq(snapshot.unheard[0].problem, "");
    snapshot_clear(&snapshot);
}
END_TEST

START_TEST(an_endpoint_that_makes_no_sense_is_refused)
{
    ck_assert_int_lt(batch_receiver_connect(receiver, loop, "nonsense://x", 10, ""), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("batch_receiver");
    TCase *tcase = tcase_create("bus");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, records_and_statuses_are_taken_in_order);
    tcase_add_test(tcase, a_steady_stream_is_taken_whole_with_rests_in_between);
    tcase_add_test(tcase, bad_messages_are_counted_and_change_nothing);
    tcase_add_test(tcase, a_collector_is_announced_once);
    tcase_add_test(tcase, after_a_message_too_long_the_next_one_is_heard_again);
    tcase_add_test(tcase, endpoints_at_which_nothing_is_heard_are_told);
    tcase_add_test(tcase, an_endpoint_that_makes_no_sense_is_refused);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
