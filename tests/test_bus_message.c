#include "bus_message.h"

#include <errno.h>

#include "suite.h"
#include "zsock_setup.h"

static zsock_t *sender, *receiver;

static void open_pair(int sender_type, int receiver_type, int queue)
{
    sender = zsock_new(sender_type);
    receiver = zsock_new(receiver_type);
    zsock_set_sndhwm(sender, queue);
    zsock_set_rcvhwm(receiver, queue);
    ck_assert_int_eq(zsock_bind(sender, "inproc://bus-message"), 0);
    ck_assert_int_eq(zsock_connect(receiver, "inproc://bus-message"), 0);
}

static void teardown(void)
{
    zsock_destroy(&sender);
    zsock_destroy(&receiver);
}

static uint8_t *bytes_of(const char *text)
{
    return (uint8_t *) strdup(text);
}

static int receive(struct bus_message *message)
{
    zsock_set_rcvtimeo(receiver, 2000);
    zmq_pollitem_t item = { .socket = zsock_resolve(receiver), .events = ZMQ_POLLIN };
    ck_assert_int_eq(zmq_poll(&item, 1, 5000), 1);
    return bus_message_receive(receiver, message);
}

static void assert_receives(const char *topic, const char *body)
{
    struct bus_message message;

    ck_assert_int_eq(receive(&message), 0);
    ck_assert_str_eq(message.topic, topic);
    ck_assert_uint_eq(zmq_msg_size(&message.body), strlen(body));
    ck_assert_mem_eq(zmq_msg_data(&message.body), body, strlen(body));
    bus_message_release(&message);
}

START_TEST(topic_and_body_arrive)
{
    open_pair(ZMQ_PUSH, ZMQ_PULL, 10);
    ck_assert_int_eq(bus_message_send(sender, TOPIC_PACKETS, bytes_of("one"), 3), 0);
    ck_assert_int_eq(bus_message_send(sender, "fifteen letters", bytes_of(""), 0), 0);
    assert_receives("packets", "one");
    assert_receives("fifteen letters", "");
}
END_TEST

START_TEST(nothing_to_receive_is_eagain)
{
    struct bus_message message;

    open_pair(ZMQ_PUSH, ZMQ_PULL, 10);
    ck_assert_int_eq(bus_message_receive(receiver, &message), -EAGAIN);
}
END_TEST

START_TEST(the_body_is_not_copied)
{
    struct bus_message message;
    uint8_t *bytes = malloc(100000);

    memset(bytes, 'x', 100000);
    open_pair(ZMQ_PUSH, ZMQ_PULL, 10);
    ck_assert_int_eq(bus_message_send(sender, "t", bytes, 100000), 0);
    ck_assert_int_eq(receive(&message), 0);
    ck_assert_ptr_eq(zmq_msg_data(&message.body), bytes);
    bus_message_release(&message);
}
END_TEST

START_TEST(a_full_queue_sends_nothing_and_keeps_messages_whole)
{
    enum { QUEUE = 4 };
    int sent = 0;

    open_pair(ZMQ_PUSH, ZMQ_PULL, QUEUE);
    for (; sent < 1000; sent++)
        if (bus_message_send(sender, "t", bytes_of("body"), 4) != 0)
            break;
    ck_assert_int_lt(sent, 100);
    ck_assert_int_eq(bus_message_send(sender, "t", bytes_of("body"), 4), -EAGAIN);
    for (int i = 0; i < sent; i++)
        assert_receives("t", "body");
    for (int tries = 0; bus_message_send(sender, "t", bytes_of("next"), 4) != 0; tries++) {
        ck_assert_int_lt(tries, 5000);      /* the reader's credit comes back through a command */
        zclock_sleep(1);
    }
    assert_receives("t", "next");
}
END_TEST

START_TEST(a_socket_without_a_peer_is_eagain)
{
    sender = zsock_new(ZMQ_PUSH);
    ck_assert_int_eq(zsock_bind(sender, "inproc://bus-message"), 0);
    ck_assert_int_eq(bus_message_send(sender, "t", bytes_of("body"), 4), -EAGAIN);
}
END_TEST

/* A publisher drops what a slow subscriber cannot take: whole messages, without an error. */
START_TEST(a_publisher_never_waits_and_drops_whole_messages)
{
    enum { QUEUE = 8, SENT = 500 };
    struct bus_message message;
    int received = 0;

    open_pair(ZMQ_XPUB, ZMQ_SUB, QUEUE);
    zsock_set_subscribe(receiver, "t");
    zmq_msg_t joined;
    zmq_msg_init(&joined);
    ck_assert_int_gt(zmq_msg_recv(&joined, zsock_resolve(sender), 0), 0);
    zmq_msg_close(&joined);
    for (int i = 0; i < SENT; i++)
        ck_assert_int_eq(bus_message_send(sender, "t", bytes_of("body"), 4), 0);
    while (bus_message_receive(receiver, &message) == 0) {
        ck_assert_str_eq(message.topic, "t");
        ck_assert_uint_eq(zmq_msg_size(&message.body), 4);
        bus_message_release(&message);
        received++;
    }
    ck_assert_int_ge(received, QUEUE);
    ck_assert_int_lt(received, SENT);
}
END_TEST

/* What a peer may send instead: each is refused, and the next message is read as ever. */
START_TEST(other_shapes_are_refused_whole)
{
    static const char *const SHAPES[][4] = {
        { "alone" }, { "" }, { "t", "body", "third" }, { "t", "body", "third", "fourth" },
        { "sixteen letters!", "body" },
    };
    struct bus_message message;

    open_pair(ZMQ_PUSH, ZMQ_PULL, 100);
    for (size_t i = 0; i < sizeof SHAPES / sizeof SHAPES[0]; i++) {
        zmsg_t *shape = zmsg_new();
        for (size_t frame = 0; frame < 4 && SHAPES[i][frame]; frame++)
            zmsg_addstr(shape, SHAPES[i][frame]);
        zmsg_send(&shape, sender);
        ck_assert_int_eq(bus_message_send(sender, "t", bytes_of("body"), 4), 0);
        ck_assert_int_eq(receive(&message), -EBADMSG);
        assert_receives("t", "body");
    }
    zmsg_t *shape = zmsg_new();
    zmsg_addmem(shape, "t\0t", 3);
    zmsg_addstr(shape, "body");
    zmsg_send(&shape, sender);
    ck_assert_int_eq(receive(&message), -EBADMSG);
    ck_assert_int_eq(bus_message_receive(receiver, &message), -EAGAIN);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("bus_message");
    TCase *tcase = tcase_create("frames");

    tcase_add_checked_fixture(tcase, NULL, teardown);
    tcase_add_test(tcase, topic_and_body_arrive);
    tcase_add_test(tcase, nothing_to_receive_is_eagain);
    tcase_add_test(tcase, the_body_is_not_copied);
    tcase_add_test(tcase, a_full_queue_sends_nothing_and_keeps_messages_whole);
    tcase_add_test(tcase, a_socket_without_a_peer_is_eagain);
    tcase_add_test(tcase, a_publisher_never_waits_and_drops_whole_messages);
    tcase_add_test(tcase, other_shapes_are_refused_whole);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
