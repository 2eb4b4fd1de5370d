#include "flow_publisher.h"

#include "bus_folder.h"
#include "reactor_run.h"
#include "suite.h"
#include "zsock_setup.h"

static struct bus_folder folder;
static struct bound_socket bound;
static char endpoint[128];
static zloop_t *loop;
static collector_table_t *collectors;
static flow_publisher_t *publisher;
static zsock_t *subscriber;
static struct flow_batch batch;         /* the last one received */
static bool has_joined;

static int on_subscription(zloop_t *loop_, zsock_t *socket, void *arg)
{
    zmq_msg_t message;

    (void) loop_;
    (void) arg;
    zmq_msg_init(&message);
    while (zmq_msg_recv(&message, zsock_resolve(socket), ZMQ_DONTWAIT) >= 0) {
        flow_publisher_on_subscription(publisher, zmq_msg_data(&message), zmq_msg_size(&message));
        has_joined = true;
    }
    zmq_msg_close(&message);
    return 0;
}

static void setup(void)
{
    bus_folder_make(&folder);
    bus_folder_endpoint(&folder, BUS_SNAPSHOTS, endpoint);
    loop = zloop_new();
    collectors = collector_table_new();
    collector_table_find(collectors, "one")->wall_offset_ns = 111;
    collector_table_find(collectors, "two")->wall_offset_ns = 222;
    publisher = flow_publisher_new();
    ck_assert(loop && publisher);
    ck_assert_int_eq(zsock_setup_bind(&bound, ZMQ_XPUB, endpoint, 100), 0);
    flow_publisher_open(publisher, bound.socket, collectors);
    ck_assert_int_eq(zsock_setup_watch(loop, bound.socket, on_subscription, NULL), 0);
    has_joined = false;
}

static void teardown(void)
{
    flow_batch_clear(&batch);
    zsock_destroy(&subscriber);
    zloop_destroy(&loop);
    flow_publisher_destroy(&publisher);
    ck_assert_ptr_null(publisher);
    zsock_setup_unbind(&bound);
    collector_table_destroy(&collectors);
    bus_folder_remove(&folder);
}

static bool joined(void *arg)
{
    (void) arg;
    return has_joined;
}

static void subscribe(void)
{
    subscriber = zsock_setup_connect(ZMQ_SUB, endpoint, 100);
    ck_assert_ptr_nonnull(subscriber);
    zsock_set_subscribe(subscriber, TOPIC_FLOWS);
    reactor_run_until(loop, joined, NULL);
}

static bool has_batch(void *arg)
{
    struct bus_message message;

    (void) arg;
    if (bus_message_receive(subscriber, &message) != 0)
        return false;
    ck_assert_str_eq(message.topic, TOPIC_FLOWS);
    flow_batch_clear(&batch);
    ck_assert_int_eq(flow_batch_decode(&batch, zmq_msg_data(&message.body),
                                       zmq_msg_size(&message.body)), 0);
    bus_message_release(&message);
    return true;
}

static void end_flow(uint16_t collector, uint16_t port)
{
    struct ended_flow flow = {
        .key = { .src_port = port, .protocol = 17, .collector = collector },
        .first_ns = 5, .last_ns = 6, .packets = 7, .bytes = 800, .ip_version = 4,
        .reason = FLOW_END_IDLE,
    };

    flow_publisher_on_ended(&flow, publisher);
}

START_TEST(flows_go_out_by_collector_in_their_order)
{
    subscribe();
    for (uint16_t port = 1; port <= 10; port++)
        end_flow(port % 3 == 0, port);
    flow_publisher_flush(publisher);

    reactor_run_until(loop, has_batch, NULL);
    ck_assert_str_eq(batch.collector_id, "one");
    ck_assert_int_eq(batch.wall_offset_ns, 111);
    ck_assert_uint_eq(batch.size, 7);
    ck_assert_uint_eq(batch.flows[0].key.src_port, 1);
    ck_assert_uint_eq(batch.flows[2].key.src_port, 4);
    ck_assert_uint_eq(batch.flows[6].key.src_port, 10);
    ck_assert_uint_eq(batch.flows[6].bytes, 800);
    reactor_run_until(loop, has_batch, NULL);
    ck_assert_str_eq(batch.collector_id, "two");
    ck_assert_int_eq(batch.wall_offset_ns, 222);
    ck_assert_uint_eq(batch.size, 3);
    ck_assert_uint_eq(batch.flows[2].key.src_port, 9);
}
END_TEST

START_TEST(more_flows_than_a_batch_holds_are_sent_on_the_way)
{
    uint32_t received = 0;

    subscribe();
    for (uint32_t i = 0; i < 5000; i++)
        end_flow(0, (uint16_t) i);
    flow_publisher_flush(publisher);
    while (received < 5000) {
        reactor_run_until(loop, has_batch, NULL);
        for (uint32_t i = 0; i < batch.size; i++)
            ck_assert_uint_eq(batch.flows[i].key.src_port, received++);
    }
}
END_TEST

START_TEST(nothing_is_kept_while_nobody_subscribes)
{
    end_flow(0, 1);
    flow_publisher_flush(publisher);
    subscribe();
    end_flow(0, 2);
    flow_publisher_flush(publisher);
    reactor_run_until(loop, has_batch, NULL);
    ck_assert_uint_eq(batch.size, 1);
    ck_assert_uint_eq(batch.flows[0].key.src_port, 2);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("flow_publisher");
    TCase *tcase = tcase_create("bus");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, flows_go_out_by_collector_in_their_order);
    tcase_add_test(tcase, more_flows_than_a_batch_holds_are_sent_on_the_way);
    tcase_add_test(tcase, nothing_is_kept_while_nobody_subscribes);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
