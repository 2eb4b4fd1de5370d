#include "event_publisher.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bus_message.h"
#include "clock.h"
#include "suite.h"
#include "zsock_setup.h"

#define BATCH 8
#define WAIT_MS 5000            /* an event that should come soon */

static char folder[64], endpoint[128], recording[128];
static struct ntc_ledger ledger;
static event_publisher_t *publisher;
static stream_recorder_t *recorder;

static void open_publisher(bool lossless, int queue)
{
    struct publisher_settings settings = { .collector_id = "router", .boot_id = 99,
                                           .batch = BATCH, .flush_ns = 10 * NS_PER_MS,
                                           .lossless = lossless };

    memset(&ledger, 0, sizeof ledger);
    ck_assert_int_eq(event_publisher_open(&publisher, &settings, endpoint, queue), 0);
    event_publisher_use(publisher, &ledger, NULL);
}

static void make_folder(void)
{
    strcpy(folder, "/tmp/ntc-test-events-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(recording, sizeof recording, "%s/recording", folder);
    ck_assert_int_eq(zsock_setup_endpoint(endpoint, folder, BUS_EVENTS), 0);
}

static void setup(void)
{
    make_folder();
    open_publisher(false, 256);
}

static void teardown(void)
{
    char command[128];

    event_publisher_destroy(&publisher);
    ck_assert_ptr_null(publisher);
    stream_recorder_destroy(&recorder);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    ck_assert_int_eq(system(command), 0);
}

static struct packet_record record_of(uint32_t packets)
{
    return (struct packet_record) { .first_ns = 5, .last_ns = 5, .bytes = 100 * packets,
                                    .packets = packets, .ip_version = 4, .protocol = 6 };
}

static void add(uint32_t packets)
{
    struct packet_record record = record_of(packets);

    ck_assert(event_publisher_has_room(publisher));
    event_publisher_add(publisher, &record);
}

/* Wait until the publisher hears of a subscription.  Returns what it says of it. */
static unsigned wait_for_news(void)
{
    zmq_pollitem_t item = { zsock_resolve(event_publisher_socket(publisher)), 0, ZMQ_POLLIN, 0 };

    ck_assert_int_eq(zmq_poll(&item, 1, WAIT_MS), 1);
    return event_publisher_on_subscription(publisher);
}

static void subscribe(zsock_t *socket, const char *topic)
{
    zsock_set_subscribe(socket, topic);
}

static zsock_t *new_listener(const char *topic)
{
    zsock_t *socket = zsock_setup_connect(ZMQ_SUB, endpoint, 256);

    ck_assert_ptr_nonnull(socket);
    subscribe(socket, topic);
    ck_assert_uint_ne(wait_for_news(), 0);
    return socket;
}

static struct bus_message receive(zsock_t *socket)
{
    zmq_pollitem_t item = { zsock_resolve(socket), 0, ZMQ_POLLIN, 0 };
    struct bus_message message;

    ck_assert_int_eq(zmq_poll(&item, 1, WAIT_MS), 1);
    ck_assert_int_eq(bus_message_receive(socket, &message), 0);
    return message;
}

/* The bus takes more a moment after the listener has read: whoever waits must try again. */
static bool has_message(zsock_t *socket)
{
    zmq_pollitem_t item = { zsock_resolve(socket), 0, ZMQ_POLLIN, 0 };

    return zmq_poll(&item, 1, 1) == 1;
}

static struct packet_view receive_batch(zsock_t *socket)
{
    struct bus_message message = receive(socket);
    struct packet_view view;

    ck_assert_str_eq(message.topic, TOPIC_PACKETS);
    ck_assert_int_eq(packet_view_open(&view, zmq_msg_data(&message.body),
                                      zmq_msg_size(&message.body)), 0);
    bus_message_release(&message);
    return view;
}

START_TEST(without_listeners_records_are_only_counted)
{
    for (uint32_t i = 1; i <= 20; i++)
        add(i);
    ck_assert(event_publisher_is_empty(publisher));
    ck_assert_uint_eq(ledger.unsubscribed_records, 20);
    ck_assert_uint_eq(ledger.unsubscribed_packets, 210);
    ck_assert_uint_eq(ledger.unsubscribed_bytes, 21000);
    ck_assert_uint_eq(ledger.published_records, 0);
}
END_TEST

START_TEST(full_batches_are_sent_with_their_numbers)
{
    zsock_t *listener = new_listener(TOPIC_PACKETS);

    for (uint32_t i = 0; i < 2 * BATCH; i++)
        add(2);
    for (uint32_t i = 0; i < 2; i++) {
        struct packet_view view = receive_batch(listener);
        ck_assert_str_eq(view.header.collector_id, "router");
        ck_assert_uint_eq(view.header.boot_id, 99);
        ck_assert_uint_eq(view.size, BATCH);
        ck_assert_uint_eq(view.header.first_seq, 1 + i * BATCH);
        ck_assert_uint_eq(view.header.packets_before, i * 2 * BATCH);
        ck_assert_uint_eq(view.header.bytes_before, i * 200 * BATCH);
        int64_t error_ns = view.header.wall_offset_ns - clock_wall_offset_ns();
        ck_assert_int_lt(llabs(error_ns), (int64_t) NS_PER_S);
        packet_view_close(&view);
    }
    ck_assert_uint_eq(ledger.published_records, 2 * BATCH);
    ck_assert_uint_eq(ledger.published_packets, 4 * BATCH);
    ck_assert_uint_eq(ledger.published_bytes, 400 * BATCH);
    ck_assert_uint_eq(ledger.unsubscribed_records, 0);
    zsock_destroy(&listener);
}
END_TEST

START_TEST(a_batch_that_is_not_full_is_sent_when_it_is_old)
{
    zsock_t *listener = new_listener("");       /* everything */

    add(1);
    event_publisher_flush_due(publisher, 1000 * NS_PER_MS);
    event_publisher_flush_due(publisher, 1005 * NS_PER_MS);
    ck_assert(!event_publisher_is_empty(publisher));
    event_publisher_flush_due(publisher, 1010 * NS_PER_MS);
    ck_assert(event_publisher_is_empty(publisher));
    struct packet_view view = receive_batch(listener);
    ck_assert_uint_eq(view.size, 1);
    packet_view_close(&view);
    zsock_destroy(&listener);
}
END_TEST

START_TEST(a_listener_that_leaves_does_not_hide_one_that_stays)
{
    zsock_t *leaving = new_listener(TOPIC_PACKETS), *staying = new_listener(TOPIC_PACKETS);

    zsock_destroy(&leaving);
    /* A third one comes and goes, so that we have surely heard of the first. */
    zsock_t *third = new_listener(TOPIC_STATUS);
    zsock_destroy(&third);
    wait_for_news();
    ck_assert(event_publisher_has_listener(publisher));
    for (int i = 0; i < BATCH; i++)
        add(1);
    struct packet_view view = receive_batch(staying);
    packet_view_close(&view);

    zsock_destroy(&staying);
    wait_for_news();
    ck_assert(!event_publisher_has_listener(publisher));
    add(1);
    ck_assert_uint_eq(ledger.unsubscribed_records, 1);
}
END_TEST

START_TEST(only_who_asks_for_it_watches_live)
{
    zsock_t *patient = new_listener(""), *hasty = new_listener(TOPIC_PACKETS);

    ck_assert(!event_publisher_is_watched(publisher));
    subscribe(hasty, TOPIC_LIVE);
    wait_for_news();
    ck_assert(event_publisher_is_watched(publisher));
    zsock_destroy(&hasty);
    while (event_publisher_is_watched(publisher))
        wait_for_news();
    ck_assert(event_publisher_has_listener(publisher));
    zsock_destroy(&patient);
}
END_TEST

/* The child is made before libzmq has any thread: one that is born while a thread holds a lock may
 * wait for it for ever. */
START_TEST(a_listener_that_crashes_is_one_that_leaves)
{
    make_folder();
    pid_t child = fork();

    ck_assert_int_ge(child, 0);
    if (child == 0) {
        zsock_t *socket = zsock_setup_connect(ZMQ_SUB, endpoint, 256);
        subscribe(socket, TOPIC_PACKETS);
        for (;;)
            pause();
    }
    open_publisher(false, 256);
    ck_assert_uint_ne(wait_for_news(), 0);
    ck_assert(event_publisher_has_listener(publisher));
    add(1);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    wait_for_news();
    ck_assert(!event_publisher_has_listener(publisher));
    event_publisher_flush(publisher);           /* what waited for it had no other listener */
    ck_assert_uint_eq(ledger.unsubscribed_records, 1);
    ck_assert_uint_eq(ledger.published_records, 0);
}
END_TEST

START_TEST(every_new_listener_to_status_is_told)
{
    zsock_t *first = zsock_setup_connect(ZMQ_SUB, endpoint, 256);
    zsock_t *second = zsock_setup_connect(ZMQ_SUB, endpoint, 256);
    struct collector_status status = { .source = "mock", .version = "1", .due_low = 7 }, got;

    subscribe(first, TOPIC_STATUS);
    ck_assert_uint_eq(wait_for_news(), LISTENERS_CHANGED | STATUS_JOINED);
    ck_assert(!event_publisher_has_listener(publisher));
    subscribe(second, "st");            /* the beginning of a topic is a subscription to it */
    ck_assert_uint_eq(wait_for_news(), LISTENERS_CHANGED | STATUS_JOINED);

    ck_assert_int_eq(event_publisher_status(publisher, &status), 0);
    struct bus_message message = receive(second);
    ck_assert_str_eq(message.topic, TOPIC_STATUS);
    ck_assert_int_eq(collector_status_decode(&got, zmq_msg_data(&message.body),
                                             zmq_msg_size(&message.body)), 0);
    ck_assert_str_eq(got.collector_id, "router");
    ck_assert_uint_eq(got.boot_id, 99);
    ck_assert_uint_eq(got.next_seq, 1);
    ck_assert_uint_eq(got.due_low, 7);
    bus_message_release(&message);
    zsock_destroy(&first);
    zsock_destroy(&second);
}
END_TEST

START_TEST(a_slow_listener_loses_batches_and_can_count_them)
{
    event_publisher_destroy(&publisher);
    open_publisher(false, 4);
    zsock_t *listener = zsock_setup_connect(ZMQ_SUB, endpoint, 4);
    uint64_t expected = 1, missed = 0, got = 0;

    subscribe(listener, TOPIC_PACKETS);
    wait_for_news();
    for (int i = 0; i < 100000; i++)
        add(1);                         /* never waits */
    ck_assert_uint_eq(ledger.published_records, 100000);
    for (;;) {
        zmq_pollitem_t item = { zsock_resolve(listener), 0, ZMQ_POLLIN, 0 };
        if (zmq_poll(&item, 1, 200) != 1)       /* nothing is on its way any more */
            break;
        struct packet_view view = receive_batch(listener);
        missed += view.header.first_seq - expected;
        ck_assert_uint_eq(view.header.packets_before, view.header.first_seq - 1);
        expected = view.header.first_seq + view.size;
        got += view.size;
        packet_view_close(&view);
    }
    ck_assert_uint_gt(missed, 0);
    ck_assert_uint_eq(got + missed, expected - 1);
    zsock_destroy(&listener);
}
END_TEST

START_TEST(a_lossless_publisher_waits_for_a_slow_listener)
{
    event_publisher_destroy(&publisher);
    open_publisher(true, 4);
    zsock_t *listener = zsock_setup_connect(ZMQ_SUB, endpoint, 4);
    struct packet_record record = record_of(1);
    uint64_t added = 0, expected = 1;

    subscribe(listener, TOPIC_PACKETS);
    wait_for_news();
    while (expected <= 20000) {
        for (; added < 20000 && event_publisher_has_room(publisher); added++)
            event_publisher_add(publisher, &record);
        if (added == 20000)
            event_publisher_flush(publisher);
        if (!has_message(listener))
            continue;
        struct packet_view view = receive_batch(listener);
        ck_assert_uint_eq(view.header.first_seq, expected);
        expected += view.size;
        packet_view_close(&view);
    }
    ck_assert_uint_eq(ledger.published_records, 20000);
    zsock_destroy(&listener);
}
END_TEST

/* ---- recording ---- */

static size_t read_recording(uint8_t *bytes, size_t room)
{
    FILE *file = fopen(recording, "r");
    size_t size = fread(bytes, 1, room, file);

    fclose(file);
    return size;
}

START_TEST(a_recording_is_a_listener_of_its_own)
{
    static uint8_t bytes[65536];
    struct packet_view view;

    ck_assert_int_eq(stream_recorder_open(&recorder, recording), 0);
    event_publisher_use(publisher, &ledger, recorder);
    ck_assert(event_publisher_is_wanted(publisher));
    for (int i = 0; i < BATCH + 1; i++)
        add(1);
    event_publisher_flush(publisher);
    ck_assert_uint_eq(ledger.published_records, BATCH + 1);
    ck_assert_uint_eq(ledger.unsubscribed_records, 0);

    size_t size = read_recording(bytes, sizeof bytes), length = bytes[0] & 0x7f;
    ck_assert_uint_ge(bytes[0], 0x80);
    length |= (size_t) bytes[1] << 7;
    ck_assert_int_eq(packet_view_open(&view, bytes + 2, length), 0);
    ck_assert_uint_eq(view.size, BATCH);
    packet_view_close(&view);
    size_t second = 2 + length, second_length = bytes[second] & 0x7f;
    if (bytes[second] >= 0x80)
        second_length |= (size_t) bytes[++second] << 7;
    ck_assert_int_eq(packet_view_open(&view, bytes + second + 1, second_length), 0);
    ck_assert_uint_eq(view.header.first_seq, BATCH + 1);
    ck_assert_uint_eq(second + 1 + second_length, size);
    packet_view_close(&view);
}
END_TEST

/* What is tried again on a full bus is the same message, and is recorded once. */
START_TEST(a_recording_holds_what_the_listener_got)
{
    static uint8_t bytes[1 << 20];
    uint64_t added = 0, expected = 1;
    struct packet_record record = record_of(1);
    size_t at = 0;

    event_publisher_destroy(&publisher);
    open_publisher(true, 2);
    ck_assert_int_eq(stream_recorder_open(&recorder, recording), 0);
    event_publisher_use(publisher, &ledger, recorder);
    zsock_t *listener = zsock_setup_connect(ZMQ_SUB, endpoint, 2);
    subscribe(listener, TOPIC_PACKETS);
    wait_for_news();
    while (expected <= 2000) {
        while (added < 2000 && event_publisher_has_room(publisher)) {
            event_publisher_add(publisher, &record);
            added++;
            if (added % 3 == 0)
                event_publisher_flush(publisher);       /* also half-full ones */
        }
        event_publisher_flush(publisher);
        if (!has_message(listener))
            continue;
        struct bus_message message = receive(listener);
        size_t size = zmq_msg_size(&message.body);
        struct packet_view view;
        ck_assert_int_eq(packet_view_open(&view, zmq_msg_data(&message.body), size), 0);
        ck_assert_uint_eq(view.header.first_seq, expected);
        expected += view.size;
        packet_view_close(&view);
        if (expected == 1 + view.size)
            at = 0;
        read_recording(bytes, sizeof bytes);
        size_t length = bytes[at] & 0x7f;
        if (bytes[at++] >= 0x80)
            length |= (size_t) bytes[at++] << 7;
        ck_assert_uint_eq(length, size);
        ck_assert_int_eq(memcmp(bytes + at, zmq_msg_data(&message.body), size), 0);
        at += length;
        bus_message_release(&message);
    }
    zsock_destroy(&listener);
}
END_TEST

START_TEST(an_id_is_always_printable)
{
    char id[COLLECTOR_ID_SIZE];

    event_publisher_make_id("attic router\n", id);
    ck_assert_str_eq(id, "attic-router-");
    event_publisher_make_id("", id);
    ck_assert_uint_gt(strlen(id), 0);
    for (const char *c = id; *c != '\0'; c++)
        ck_assert(*c > ' ' && *c <= '~');
}
END_TEST

START_TEST(a_boot_id_is_drawn_and_a_taken_path_is_refused)
{
    struct publisher_settings settings = { .collector_id = "router", .batch = BATCH };
    event_publisher_t *second = NULL;
    struct collector_status one = { .source = "tc" }, two = { .source = "tc" };

    ck_assert_int_eq(event_publisher_open(&second, &settings, endpoint, 16), -EADDRINUSE);
    ck_assert_ptr_null(second);
    strcat(endpoint, "2");
    ck_assert_int_eq(event_publisher_open(&second, &settings, endpoint, 16), 0);
    event_publisher_use(second, &ledger, NULL);
    event_publisher_status(second, &one);
    event_publisher_destroy(&second);
    ck_assert_int_eq(event_publisher_open(&second, &settings, endpoint, 16), 0);
    event_publisher_use(second, &ledger, NULL);
    event_publisher_status(second, &two);
    event_publisher_destroy(&second);
    ck_assert_uint_ne(one.boot_id, 0);
    ck_assert_uint_ne(one.boot_id, two.boot_id);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("event_publisher");
    TCase *tcase = tcase_create("bus"), *crash = tcase_create("crash");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, without_listeners_records_are_only_counted);
    tcase_add_test(tcase, full_batches_are_sent_with_their_numbers);
    tcase_add_test(tcase, a_batch_that_is_not_full_is_sent_when_it_is_old);
    tcase_add_test(tcase, a_listener_that_leaves_does_not_hide_one_that_stays);
    tcase_add_test(tcase, only_who_asks_for_it_watches_live);
    tcase_add_test(tcase, every_new_listener_to_status_is_told);
    tcase_add_test(tcase, a_slow_listener_loses_batches_and_can_count_them);
    tcase_add_test(tcase, a_lossless_publisher_waits_for_a_slow_listener);
    tcase_add_test(tcase, a_recording_is_a_listener_of_its_own);
    tcase_add_test(tcase, a_recording_holds_what_the_listener_got);
    tcase_add_test(tcase, an_id_is_always_printable);
    tcase_add_test(tcase, a_boot_id_is_drawn_and_a_taken_path_is_refused);
    suite_add_tcase(suite, tcase);
    tcase_add_checked_fixture(crash, NULL, teardown);
    tcase_add_test(crash, a_listener_that_crashes_is_one_that_leaves);
    suite_add_tcase(suite, crash);
    return suite_run(suite);
}
