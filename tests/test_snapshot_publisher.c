#include "snapshot_publisher.h"

#include "bus_folder.h"
#include "filled_aggregate.h"
#include "reactor_run.h"
#include "suite.h"
#include "zsock_setup.h"

#define BOOT_ID 4711
#define BAD_MESSAGES 3

static struct bus_folder folder;
static struct bound_socket bound;
static char endpoint[128];
static zloop_t *loop;
static aggregate_t *aggregate;
static flow_publisher_t *flows;
static batch_receiver_t *receiver;
static snapshot_publisher_t *publisher;
static uint32_t subscriptions;
static struct snapshot snapshot;        /* the last one received */

static int on_subscription(zloop_t *loop_, zsock_t *socket, void *arg)
{
    zmq_msg_t message;

    (void) loop_;
    (void) arg;
    zmq_msg_init(&message);
    while (zmq_msg_recv(&message, zsock_resolve(socket), ZMQ_DONTWAIT) >= 0) {
        snapshot_publisher_on_subscription(publisher, zmq_msg_data(&message),
                                           zmq_msg_size(&message), BAD_MESSAGES);
        subscriptions++;
    }
    zmq_msg_close(&message);
    return 0;
}

static void setup(void)
{
    bus_folder_make(&folder);
    bus_folder_endpoint(&folder, BUS_SNAPSHOTS, endpoint);
    loop = zloop_new();
    aggregate = filled_new();
    ck_assert_int_eq(zsock_setup_bind(&bound, ZMQ_XPUB, endpoint, 10), 0);
    zsock_set_xpub_verbose(bound.socket, 1);
    flows = flow_publisher_new();
    receiver = batch_receiver_new(aggregate, flows, NULL);
    publisher = snapshot_publisher_new(bound.socket, aggregate, receiver, BOOT_ID);
    ck_assert(loop && publisher);
    ck_assert_int_eq(zsock_setup_watch(loop, bound.socket, on_subscription, NULL), 0);
    subscriptions = 0;
}

static void teardown(void)
{
    snapshot_clear(&snapshot);
    zloop_destroy(&loop);
    snapshot_publisher_destroy(&publisher);
    ck_assert_ptr_null(publisher);
    batch_receiver_destroy(&receiver);
    flow_publisher_destroy(&flows);
    zsock_setup_unbind(&bound);
    aggregate_destroy(&aggregate);
    bus_folder_remove(&folder);
}

static zsock_t *subscribe(const char *topic)
{
    zsock_t *socket = zsock_setup_connect(ZMQ_SUB, endpoint, 10);

    ck_assert_ptr_nonnull(socket);
    zsock_set_subscribe(socket, topic);
    return socket;
}

static bool has_snapshot(void *arg)
{
    struct bus_message message;

    if (bus_message_receive(arg, &message) != 0)
        return false;
    ck_assert_str_eq(message.topic, TOPIC_SNAPSHOT);
    snapshot_clear(&snapshot);
    ck_assert_int_eq(snapshot_decode(&snapshot, zmq_msg_data(&message.body),
                                     zmq_msg_size(&message.body)), 0);
    bus_message_release(&message);
    return true;
}

static bool has_subscription(void *arg)
{
    return subscriptions >= *(uint32_t *) arg;
}

START_TEST(whoever_joins_gets_a_snapshot_at_once)
{
    zsock_t *first = subscribe(TOPIC_SNAPSHOT);
    reactor_run_until(loop, has_snapshot, first);
    ck_assert_uint_eq(snapshot.seq, 1);
    ck_assert_uint_eq(snapshot.boot_id, BOOT_ID);
    ck_assert_uint_eq(snapshot.bad_messages, BAD_MESSAGES);
    ck_assert_str_eq(snapshot.version, NTC_VERSION);
    ck_assert_uint_gt(snapshot.cost.resident_bytes, 0);
    ck_assert_uint_gt(snapshot.unix_ns, 0);

    zsock_t *late = subscribe("snap");
    reactor_run_until(loop, has_snapshot, late);
    ck_assert_uint_eq(snapshot.seq, 1);         /* the same again */
    snapshot_publisher_on_second(publisher, 0);
    reactor_run_until(loop, has_snapshot, late);
    ck_assert_uint_eq(snapshot.seq, 2);
    zsock_destroy(&first);
    zsock_destroy(&late);
}
END_TEST

START_TEST(nothing_is_made_while_nobody_subscribes)
{
    uint32_t one = 1, two = 2;

    for (int i = 0; i < 5; i++)
        snapshot_publisher_on_second(publisher, 0);
    zsock_t *other = subscribe(TOPIC_FLOWS);
    reactor_run_until(loop, has_subscription, &one);
    snapshot_publisher_on_second(publisher, 0);
    zsock_destroy(&other);
    reactor_run_until(loop, has_subscription, &two);

    zsock_t *socket = subscribe("");
    reactor_run_until(loop, has_snapshot, socket);
    ck_assert_uint_eq(snapshot.seq, 1);
    zsock_destroy(&socket);
}
END_TEST

/* What a hostile peer could claim: as many collectors and interfaces as can be told. */
START_TEST(a_snapshot_is_never_too_long_for_its_receivers)
{
    struct collector_status status = { .version = "0.1.0", .boot_id = 1, .next_seq = 1 };

    status.interface_count = STATUS_MAX_INTERFACES;
    for (uint32_t i = 0; i < STATUS_MAX_INTERFACES; i++) {
        memset(status.interfaces[i].name, 'x', sizeof status.interfaces[i].name - 1);
        memset(status.interfaces[i].error, 'y', sizeof status.interfaces[i].error - 1);
    }
    memset(status.packets, 0xff, sizeof status.packets);
    for (uint32_t i = 0; i < SNAPSHOT_MAX_COLLECTORS; i++) {
        snprintf(status.collector_id, sizeof status.collector_id, "%063u", i);
        aggregate_take_status(aggregate, &status, FILLED_LOCAL_NS);
    }
    zsock_t *socket = subscribe(TOPIC_SNAPSHOT);
    reactor_run_until(loop, has_snapshot, socket);
    ck_assert_uint_eq(snapshot.collector_count, SNAPSHOT_MAX_COLLECTORS);
    ck_assert_uint_eq(snapshot.collectors[0].status.interface_count, 0);
    zsock_destroy(&socket);
}
END_TEST

START_TEST(it_stops_when_the_last_one_leaves)
{
    uint32_t joined_and_left = 2;
    zsock_t *socket = subscribe(TOPIC_SNAPSHOT);

    reactor_run_until(loop, has_snapshot, socket);
    zsock_destroy(&socket);
    reactor_run_until(loop, has_subscription, &joined_and_left);
    for (int i = 0; i < 5; i++)
        snapshot_publisher_on_second(publisher, 0);
    socket = subscribe(TOPIC_SNAPSHOT);
    reactor_run_until(loop, has_snapshot, socket);
    ck_assert_uint_eq(snapshot.seq, 1);
    zsock_destroy(&socket);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("snapshot_publisher");
    TCase *tcase = tcase_create("bus");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, whoever_joins_gets_a_snapshot_at_once);
    tcase_add_test(tcase, nothing_is_made_while_nobody_subscribes);
    tcase_add_test(tcase, a_snapshot_is_never_too_long_for_its_receivers);
    tcase_add_test(tcase, it_stops_when_the_last_one_leaves);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
