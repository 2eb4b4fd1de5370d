#include "reactor.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "bus_message.h"
#include "clock.h"
#include "suite.h"
#include "zsock_setup.h"

#define WAIT_MS 5000

static char folder[64], path[128], events[128], commands_at[128];
static ip_list_t *lists;
static list_store_t *store;
static list_keeper_t *keeper;
static list_commands_t *commands;
static event_publisher_t *publisher;
static struct config_numbers uids;
static struct ntc_ledger ledger;
static reactor_t *reactor;
static pthread_t thread;
static int stop_fd, wake_fd, event_fd, result;

/* A source that does what a script says, then sleeps. */
static const int *script;
static atomic_int pumped, reported, happened, blocked, taken;

static int fake_pump(void *self, event_publisher_t *to)
{
    (void) self;
    (void) to;
    uint64_t value;
    ssize_t got = read(wake_fd, &value, sizeof value);
    (void) got;
    pumped++;
    return script && *script != 0 ? *script++ : SOURCE_SLEEPS;
}

static int fake_report(void *self, event_publisher_t *to, struct collector_status *status)
{
    (void) self;
    (void) to;
    if (blocked > 0) {
        blocked--;
        return SOURCE_IS_BLOCKED;
    }
    reported++;
    status->due_low = status->due_high = (uint64_t) reported;
    return atomic_exchange(&taken, 0);
}

static void fake_event(void *self)
{
    (void) self;
    uint64_t value;
    ssize_t got = read(event_fd, &value, sizeof value);
    (void) got;
    happened++;
}

static struct packet_source source = {
    .name = "mock", .ledger = &ledger, .pump = fake_pump, .report = fake_report,
    .on_event = fake_event,
};

static void setup(void)
{
    struct publisher_settings settings = { .collector_id = "router", .batch = 8 };

    strcpy(folder, "/tmp/ntc-test-reactor-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/lists.json", folder);
    zsock_setup_endpoint(events, folder, BUS_EVENTS);
    zsock_setup_endpoint(commands_at, folder, BUS_COMMANDS);
    lists = ip_list_new(16, 16);
    ck_assert_int_eq(list_store_open(&store, path), 0);
    keeper = list_keeper_new(lists, store, NULL);
    ck_assert_int_eq(list_commands_open(&commands, keeper, commands_at, 16, &uids, NULL), 0);
    ck_assert_int_eq(event_publisher_open(&publisher, &settings, events, 16), 0);
    event_publisher_use(publisher, &ledger, NULL);
    stop_fd = eventfd(0, EFD_NONBLOCK);
    source.wake_fd = wake_fd = eventfd(0, EFD_NONBLOCK);
    source.event_fd = event_fd = eventfd(0, EFD_NONBLOCK);
    script = NULL;
}

static void teardown(void)
{
    char command[128];

    reactor_destroy(&reactor);
    list_commands_destroy(&commands);
    event_publisher_destroy(&publisher);
    list_keeper_destroy(&keeper);
    list_store_destroy(&store);
    ip_list_destroy(&lists);
    close(stop_fd);
    close(wake_fd);
    close(event_fd);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    ck_assert_int_eq(system(command), 0);
}

static void *run(void *arg)
{
    (void) arg;
    result = reactor_run(reactor);
    return NULL;
}

static void start(void)
{
    reactor = reactor_new(&(struct reactor_parts) {
        .source = &source, .publisher = publisher, .keeper = keeper, .commands = commands,
        .stop_fd = stop_fd });
    ck_assert_ptr_nonnull(reactor);
    ck_assert_int_eq(pthread_create(&thread, NULL, run, NULL), 0);
}

static void stop(void)
{
    eventfd_write(stop_fd, 1);
    pthread_join(thread, NULL);
}

/* Wait until `value` is at least `least`. */
static void wait_for(atomic_int *value, int least)
{
    for (int i = 0; i < WAIT_MS && *value < least; i++)
        usleep(1000);
    ck_assert_int_ge(*value, least);
}

static struct collector_status receive_status(zsock_t *listener)
{
    zmq_pollitem_t item = { zsock_resolve(listener), 0, ZMQ_POLLIN, 0 };
    struct collector_status status;
    struct bus_message message;

    ck_assert_int_eq(zmq_poll(&item, 1, WAIT_MS), 1);
    ck_assert_int_eq(bus_message_receive(listener, &message), 0);
    ck_assert_str_eq(message.topic, TOPIC_STATUS);
    ck_assert_int_eq(collector_status_decode(&status, zmq_msg_data(&message.body),
                                             zmq_msg_size(&message.body)), 0);
    bus_message_release(&message);
    return status;
}

static zsock_t *new_listener(void)
{
    zsock_t *listener = zsock_setup_connect(ZMQ_SUB, events, 16);

    zsock_set_subscribe(listener, TOPIC_STATUS);
    return listener;
}

START_TEST(a_status_is_sent_every_second)
{
    zsock_t *listener = new_listener();

    start();
    receive_status(listener);
    receive_status(listener);
    struct collector_status status = receive_status(listener);
    stop();
    ck_assert_str_eq(status.source, "mock");
    ck_assert_str_eq(status.version, NTC_VERSION);
    ck_assert_uint_eq(status.loss_count, 2);
    ck_assert_str_eq(status.losses[0].stage, "unsubscribed");
    ck_assert_str_eq(status.losses[1].stage, "crash");
    ck_assert_uint_eq(status.list_version, 1);
    ck_assert_uint_gt(status.cost.resident_bytes, 0);
    ck_assert_uint_gt(status.started_ns, 0);
    zsock_destroy(&listener);
}
END_TEST

/* Twenty listeners one after the other, each waits for its first status only: with the report of
 * each second alone that would take about twenty seconds. */
START_TEST(a_late_listener_gets_a_status_at_once)
{
    zsock_t *first = new_listener();

    start();
    receive_status(first);
    uint64_t start_ns = clock_monotonic_ns();
    for (int i = 0; i < 20; i++) {
        zsock_t *late = new_listener();
        receive_status(late);
        zsock_destroy(&late);
    }
    ck_assert_uint_lt(clock_monotonic_ns() - start_ns, 5 * NS_PER_S);
    stop();
    zsock_destroy(&first);
}
END_TEST

START_TEST(a_sleeping_source_is_pumped_when_its_descriptor_says_so)
{
    start();
    wait_for(&pumped, 1);
    usleep(100000);
    ck_assert_int_eq(pumped, 1);
    for (int i = 2; i < 50; i++) {
        eventfd_write(wake_fd, 1);
        wait_for(&pumped, i);
    }
    usleep(50000);
    ck_assert_int_eq(pumped, 49);
    stop();
}
END_TEST

/* The report drained the record that would have woken the source. */
START_TEST(a_report_that_took_records_wakes_the_source)
{
    start();
    wait_for(&pumped, 1);
    taken = 1;
    wait_for(&pumped, 2);
    stop();
}
END_TEST

START_TEST(a_source_that_wants_a_report_gets_it_first)
{
    static const int SCRIPT[] = { SOURCE_REPORTS, 1, SOURCE_REPORTS, SOURCE_IS_DONE };

    script = SCRIPT;
    blocked = 3;                        /* the bus is full for a while */
    start();
    pthread_join(thread, NULL);
    ck_assert_int_eq(result, 0);
    ck_assert_int_eq(pumped, 4);
    ck_assert_int_ge(reported, 2);
}
END_TEST

START_TEST(a_report_that_finds_the_bus_full_is_tried_again_soon)
{
    zsock_t *listener = new_listener();

    start();
    receive_status(listener);
    blocked = 20;
    uint64_t start_ns = clock_monotonic_ns();
    receive_status(listener);           /* of the next second, not of the twentieth */
    ck_assert_uint_lt(clock_monotonic_ns() - start_ns, 5 * NS_PER_S);
    stop();
    zsock_destroy(&listener);
}
END_TEST

START_TEST(a_source_that_fails_ends_the_loop_with_an_error)
{
    static const int SCRIPT[] = { SOURCE_FAILED };

    script = SCRIPT;
    start();
    pthread_join(thread, NULL);
    ck_assert_int_eq(result, -EIO);
}
END_TEST

START_TEST(events_of_the_source_are_handled)
{
    start();
    eventfd_write(event_fd, 1);
    wait_for(&happened, 1);
    stop();
    ck_assert_int_eq(result, 0);
}
END_TEST

static struct list_reply ask(struct list_request *request)
{
    zsock_t *client = zsock_setup_connect(ZMQ_REQ, commands_at, 16);
    struct list_reply reply;
    uint8_t *bytes;
    size_t size;
    zmq_msg_t message;

    ck_assert_int_eq(list_request_encode(request, &bytes, &size), 0);
    zsock_set_sndtimeo(client, WAIT_MS);
    zsock_set_rcvtimeo(client, WAIT_MS);
    ck_assert_int_ge(zmq_send(zsock_resolve(client), bytes, size, 0), 0);
    free(bytes);
    zmq_msg_init(&message);
    ck_assert_int_ge(zmq_msg_recv(&message, zsock_resolve(client), 0), 0);
    ck_assert_int_eq(list_reply_decode(&reply, zmq_msg_data(&message), zmq_msg_size(&message)), 0);
    zmq_msg_close(&message);
    zsock_destroy(&client);
    return reply;
}

START_TEST(commands_are_answered_and_entries_expire)
{
    struct list_request add = { .op = LIST_OP_ADD, .prefix = "192.0.2.1", .ttl_s = 1,
                                .request_id = 1 };
    struct list_request list = { .request_id = 2 };
    zsock_t *listener = new_listener();
    uint64_t start_ns = clock_monotonic_ns();

    start();
    struct list_reply reply = ask(&add);
    ck_assert_int_eq(reply.code, LIST_OK);
    list_reply_clear(&reply);
    reply = ask(&list);
    ck_assert_uint_eq(reply.total, 1);
    list_reply_clear(&reply);
    while (receive_status(listener).list_version < 3)
        ck_assert_uint_lt(clock_monotonic_ns() - start_ns, 10 * NS_PER_S);
    ck_assert_uint_ge(clock_monotonic_ns() - start_ns, NS_PER_S);
    reply = ask(&list);
    ck_assert_uint_eq(reply.total, 0);
    list_reply_clear(&reply);
    stop();
    zsock_destroy(&listener);
}
END_TEST

/* More clients at once than one look takes. */
START_TEST(no_request_is_forgotten)
{
    enum { CLIENTS = 500 };
    struct list_request list = { .request_id = 2 };
    zsock_t *clients[CLIENTS];
    uint8_t *bytes;
    size_t size;
    char answer[256];

    ck_assert_int_eq(list_request_encode(&list, &bytes, &size), 0);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = zsock_setup_connect(ZMQ_REQ, commands_at, 16);
        zsock_set_sndtimeo(clients[i], WAIT_MS);
        zsock_set_rcvtimeo(clients[i], WAIT_MS);
        ck_assert_int_ge(zmq_send(zsock_resolve(clients[i]), bytes, size, 0), 0);
    }
    start();
    for (int i = 0; i < CLIENTS; i++) {
        ck_assert_int_gt(zmq_recv(zsock_resolve(clients[i]), answer, sizeof answer, 0), 0);
        zsock_destroy(&clients[i]);
    }
    stop();
    free(bytes);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("reactor");
    TCase *tcase = tcase_create("loop");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 20);
    tcase_add_test(tcase, a_status_is_sent_every_second);
    tcase_add_test(tcase, a_late_listener_gets_a_status_at_once);
    tcase_add_test(tcase, a_sleeping_source_is_pumped_when_its_descriptor_says_so);
    tcase_add_test(tcase, a_report_that_took_records_wakes_the_source);
    tcase_add_test(tcase, a_source_that_wants_a_report_gets_it_first);
    tcase_add_test(tcase, a_report_that_finds_the_bus_full_is_tried_again_soon);
    tcase_add_test(tcase, a_source_that_fails_ends_the_loop_with_an_error);
    tcase_add_test(tcase, events_of_the_source_are_handled);
    tcase_add_test(tcase, commands_are_answered_and_entries_expire);
    tcase_add_test(tcase, no_request_is_forgotten);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
