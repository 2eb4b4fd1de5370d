#include "sse_clients.h"

#include "gateway_rig.h"

static struct rig rig;

static void setup(void)
{
    rig_init(&rig);
    rig_bind(&rig, &rig.events, ZMQ_XPUB, BUS_EVENTS);
}

static void start(void)
{
    rig_start(&rig);
}

static void teardown(void)
{
    rig_finish(&rig);
}

static int ask_for_events(const char *query)
{
    char request[256];
    int fd = rig_connect(&rig);

    snprintf(request, sizeof request, "GET /events%s HTTP/1.1\r\nHost: localhost\r\n\r\n", query);
    rig_send(fd, request);
    return fd;
}

/* A client that has got its head. */
static int watch(const char *query)
{
    char text[4096] = "";
    int fd = ask_for_events(query);

    rig_read_until(fd, text, sizeof text, ": connected\n\n");
    ck_assert_ptr_nonnull(strstr(text, "HTTP/1.1 200 OK\r\n"));
    ck_assert_ptr_nonnull(strstr(text, "Content-Type: text/event-stream\r\n"));
    ck_assert_ptr_nonnull(strstr(text, "retry: 2000\n"));
    return fd;
}

static void wait_for_count(uint32_t count)
{
    for (int i = 0; i < RIG_PATIENCE_MS && sse_clients_count(rig.gateway.sse) != count; i++)
        usleep(1000);
    ck_assert_uint_eq(sse_clients_count(rig.gateway.sse), count);
}

/* ---- what a client gets ---- */

struct watched {
    uint64_t events, missed;
    uint64_t last_seq;
};

/* Read until the event `seq` has come.  Events are in order, and whole. */
static void watch_until(int fd, struct watched *watched, uint64_t seq)
{
    static char text[1 << 20];
    size_t length = 0;

    while (watched->last_seq < seq) {
        char *end;
        ssize_t got = recv(fd, text + length, sizeof text - 1 - length, 0);
        ck_assert_msg(got > 0, "event %llu did not come", (unsigned long long) seq);
        length += (size_t) got;
        text[length] = '\0';
        while ((end = strstr(text, "\n\n"))) {
            unsigned long long value, number;
            if (sscanf(text, "event: missed\ndata: {\"count\":%llu}", &value) == 1) {
                watched->missed += value;
            } else if (text[0] != ':') {
                ck_assert_int_eq(sscanf(text, "id: %llu\ndata: {\"time\":\"%*12c\",\"seq\":%llu,",
                                        &value, &number), 2);
                ck_assert_uint_eq(value, number);
                ck_assert_uint_gt(value, watched->last_seq);
                ck_assert_str_eq(strndupa(end - 1, 1), "}");
                watched->last_seq = value;
                watched->events++;
            }
            length -= (size_t) (end + 2 - text);
            memmove(text, end + 2, length + 1);
        }
    }
}

START_TEST(the_head_comes_at_once_on_an_idle_link)
{
    uint64_t began_ns = clock_monotonic_ns();

    start();
    close(watch(""));
    ck_assert_uint_lt((clock_monotonic_ns() - began_ns) / NS_PER_MS, 1000);
}
END_TEST

START_TEST(collectors_are_asked_only_while_somebody_watches)
{
    start();
    int first = watch("");
    rig_wait_subscriber(&rig.events, TOPIC_PACKETS, true);
    int second = watch("");
    close(first);
    wait_for_count(1);
    close(second);
    rig_wait_subscriber(&rig.events, TOPIC_PACKETS, false);
    first = watch("");
    rig_wait_subscriber(&rig.events, TOPIC_PACKETS, true);
    close(first);
}
END_TEST

START_TEST(records_become_events_with_the_interface_s_name)
{
    char text[8192] = "";

    start();
    rig_publish_snapshot(&rig, full_snapshot(1));
    rig_wait_snapshot(&rig, 1);
    int fd = watch("");
    rig_wait_subscriber(&rig.events, TOPIC_PACKETS, true);
    rig_publish(&rig, 443, 1, 9);
    rig_read_until(fd, text, sizeof text, "\n\n");
    ck_assert_ptr_nonnull(strstr(text, "id: 443\ndata: {"));
    ck_assert_ptr_nonnull(strstr(text, "\"src\":\"192.0.2.9\",\"dst\":\"198.51.100.1\","
                                       "\"src_port\":443,\"dst_port\":443,\"proto\":\"TCP\""));
    ck_assert_ptr_nonnull(strstr(text, "\"interface\":\"eth0\"}\n\n"));
    close(fd);
}
END_TEST

START_TEST(each_client_gets_what_it_asked_for)
{
    struct watched all = { 0 }, one = { 0 }, port = { 0 }, none = { 0 };

    start();
    int everything = watch("");
    rig_wait_subscriber(&rig.events, TOPIC_PACKETS, true);
    int host = watch("?ip=192.0.2.2"), ports = watch("?port=100&proto=tcp");
    int nothing = watch("?action=drop");
    for (uint64_t seq = 1; seq < 200; seq += 20) {
        rig_publish(&rig, seq, 10, 1);
        rig_publish(&rig, seq + 10, 10, 2);
    }
    watch_until(everything, &all, 200);
    ck_assert_uint_eq(all.events, 200);
    watch_until(host, &one, 200);
    ck_assert_uint_eq(one.events, 100);
    watch_until(ports, &port, 100);
    ck_assert_uint_eq(port.events, 1);
    ck_assert_uint_eq(all.missed + one.missed + port.missed + none.missed, 0);
    ck_assert_uint_eq(sse_clients_missed(rig.gateway.sse), 0);
    close(everything);
    close(host);
    close(ports);
    close(nothing);
}
END_TEST

START_TEST(a_gap_on_the_bus_is_told)
{
    struct watched watched = { 0 };

    start();
    int fd = watch("?ip=192.0.2.1");
    rig_wait_subscriber(&rig.events, TOPIC_PACKETS, true);
    rig_publish(&rig, 1, 10, 1);
    watch_until(fd, &watched, 10);
    rig_publish(&rig, 31, 10, 1);
    watch_until(fd, &watched, 40);
    ck_assert_uint_eq(watched.events, 20);
    ck_assert_uint_eq(watched.missed, 20);
    close(fd);
}
END_TEST

START_TEST(what_nobody_watched_is_not_missed)
{
    struct watched first = { 0 }, second = { 0 };

    start();
    int fd = watch("");
    rig_wait_subscriber(&rig.events, TOPIC_PACKETS, true);
    rig_publish(&rig, 1, 10, 1);
    watch_until(fd, &first, 10);
    close(fd);
    rig_wait_subscriber(&rig.events, TOPIC_PACKETS, false);
    fd = watch("");
    rig_wait_subscriber(&rig.events, TOPIC_PACKETS, true);
    rig_publish(&rig, 1001, 10, 1);
    watch_until(fd, &second, 1010);
    ck_assert_uint_eq(second.events, 10);
    ck_assert_uint_eq(second.missed, 0);
    close(fd);
}
END_TEST

/* One client stops reading, another goes on.  The first one hurts nobody and learns what it missed:
 * events and misses add up. */
START_TEST(a_stalled_client_hurts_only_itself)
{
    struct watched stalled = { 0 }, quick = { 0 };
    uint64_t seq = 1;
    int small = 4096;

    start();
    int slow = rig_connect(&rig);
    setsockopt(slow, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    rig_send(slow, "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n");
    rig_wait_subscriber(&rig.events, TOPIC_PACKETS, true);
    int fd = watch("");
    for (; seq < 20000; seq += 100) {
        rig_publish(&rig, seq, 100, 1);
        watch_until(fd, &quick, seq + 99);
    }
    ck_assert_uint_eq(quick.events, 20000);
    ck_assert_uint_eq(quick.missed, 0);

    char text[4096] = "";
    while (!strstr(text, ": connected\n\n")) {
        size_t length = strlen(text);
        ck_assert_int_eq(recv(slow, text + length, 1, 0), 1);
    }
    watch_until(slow, &stalled, 20000);
    ck_assert_uint_gt(stalled.missed, 0);
    ck_assert_uint_eq(stalled.events + stalled.missed, 20000);
    ck_assert_uint_eq(sse_clients_missed(rig.gateway.sse), stalled.missed);
    close(slow);
    close(fd);
}
END_TEST

START_TEST(past_the_cap_there_is_503_and_everything_else_goes_on)
{
    int fds[40];

    rig.config.server.sse_clients = 40;         /* more than there are threads */
    start();
    for (int i = 0; i < 40; i++)
        fds[i] = watch("");
    struct rig_answer answer = rig_receive(ask_for_events(""));
    ck_assert_int_eq(answer.status, 503);
    ck_assert_ptr_nonnull(strstr(answer.head, "\r\nRetry-After: "));
    ck_assert_ptr_nonnull(strstr(answer.body, "all 40 places"));
    rig_free(&answer);
    for (int i = 0; i < 40; i++) {
        answer = rig_get(&rig, "/healthz");
        ck_assert_int_eq(answer.status, 200);
        rig_free(&answer);
    }
    close(fds[7]);
    wait_for_count(39);
    fds[7] = watch("");
    for (int i = 0; i < 40; i++)
        close(fds[i]);
    wait_for_count(0);
}
END_TEST

START_TEST(too_many_different_filters_are_refused)
{
    int fds[64];
    char query[32];

    start();
    for (int i = 0; i < 64; i++) {
        snprintf(query, sizeof query, "?port=%d", i + 1);
        fds[i] = watch(query);
    }
    struct rig_answer answer = rig_receive(ask_for_events("?port=100"));
    ck_assert_int_eq(answer.status, 503);
    ck_assert_ptr_nonnull(strstr(answer.body, "too many different filters"));
    rig_free(&answer);
    int another = watch("?port=5");
    close(another);
    for (int i = 0; i < 64; i++)
        close(fds[i]);
}
END_TEST

START_TEST(a_client_that_goes_away_is_noticed_without_traffic)
{
    struct linger reset = { 1, 0 };

    start();
    int closed = watch(""), broken = watch("");
    ck_assert_uint_eq(sse_clients_count(rig.gateway.sse), 2);
    close(closed);
    wait_for_count(1);
    setsockopt(broken, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(broken);
    wait_for_count(0);
}
END_TEST

START_TEST(clients_do_not_hold_up_the_stop)
{
    int fds[20];
    char byte;

    start();
    for (int i = 0; i < 20; i++)
        fds[i] = watch("");
    uint64_t began_ns = clock_monotonic_ns();
    rig_stop(&rig);
    ck_assert_uint_lt((clock_monotonic_ns() - began_ns) / NS_PER_MS, 1000);
    for (int i = 0; i < 20; i++) {
        ck_assert_int_eq(recv(fds[i], &byte, 1, 0), 0);
        close(fds[i]);
    }
}
END_TEST

/* The way that is gone when a connection's descriptor cannot be found. */
START_TEST(clients_can_be_served_from_their_threads)
{
    struct watched watched = { 0 };
    int fds[8];

    start();
    http_server_keep_streams(rig.gateway.server);
    for (int i = 0; i < 8; i++)                 /* half of the 16 threads */
        fds[i] = watch("");
    rig_wait_subscriber(&rig.events, TOPIC_PACKETS, true);
    struct rig_answer answer = rig_receive(ask_for_events(""));
    ck_assert_int_eq(answer.status, 503);
    rig_free(&answer);
    rig_publish(&rig, 1, 100, 1);
    watch_until(fds[3], &watched, 100);
    ck_assert_uint_eq(watched.events, 100);
    close(fds[5]);
    for (uint64_t seq = 101; sse_clients_count(rig.gateway.sse) == 8; seq++)
        rig_publish(&rig, seq, 1, 1);           /* only writing shows that the client has gone */
    uint64_t began_ns = clock_monotonic_ns();
    rig_stop(&rig);
    ck_assert_uint_lt((clock_monotonic_ns() - began_ns) / NS_PER_MS, 1000);
    for (int i = 0; i < 8; i++)
        if (i != 5)
            close(fds[i]);
}
END_TEST

/* Clients that come, go and break all the time, while others ask for other things: no slot is lost
 * and no answer goes to the wrong connection. */
START_TEST(no_slot_is_lost_in_a_crowd)
{
    struct linger reset = { 1, 0 };
    uint64_t seq = 1;

    start();
    srandom((unsigned) _i);
    for (int round = 0; round < 30; round++) {
        int fds[8];
        for (int i = 0; i < 8; i++) {
            fds[i] = watch(random() % 2 ? "" : "?port=7");
            rig_publish(&rig, seq++, 1, 1);
            struct rig_answer answer = rig_get(&rig, "/healthz");
            ck_assert_str_eq(answer.body, "{\"ok\":true}");
            rig_free(&answer);
        }
        for (int i = 0; i < 8; i++) {
            if (random() % 3 == 0)
                setsockopt(fds[i], SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
            close(fds[i]);
        }
    }
    wait_for_count(0);
}
END_TEST

START_TEST(garbage_from_the_bus_harms_nobody)
{
    struct watched watched = { 0 };

    start();
    int fd = watch("");
    rig_wait_subscriber(&rig.events, TOPIC_PACKETS, true);
    srandom(1);
    for (int i = 0; i < 500; i++) {
        size_t size = (size_t) random() % 2000;
        uint8_t *bytes = malloc(size + 1);
        for (size_t n = 0; n < size; n++)
            bytes[n] = (uint8_t) random();
        bus_message_send(rig.events.socket, TOPIC_PACKETS, bytes, size);
    }
    zmq_send(zsock_resolve(rig.events.socket), "packets", 7, 0);
    zmq_send(zsock_resolve(rig.events.socket), "packetsandmorethanthat", 22, ZMQ_SNDMORE);
    zmq_send(zsock_resolve(rig.events.socket), "", 0, ZMQ_SNDMORE);
    zmq_send(zsock_resolve(rig.events.socket), "x", 1, 0);
    rig_publish(&rig, 1, 10, 1);
    watch_until(fd, &watched, 10);
    close(fd);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("live_events");
    TCase *tcase = tcase_create("clients");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, the_head_comes_at_once_on_an_idle_link);
    tcase_add_test(tcase, collectors_are_asked_only_while_somebody_watches);
    tcase_add_test(tcase, records_become_events_with_the_interface_s_name);
    tcase_add_test(tcase, each_client_gets_what_it_asked_for);
    tcase_add_test(tcase, a_gap_on_the_bus_is_told);
    tcase_add_test(tcase, what_nobody_watched_is_not_missed);
    tcase_add_test(tcase, a_stalled_client_hurts_only_itself);
    tcase_add_test(tcase, past_the_cap_there_is_503_and_everything_else_goes_on);
    tcase_add_test(tcase, too_many_different_filters_are_refused);
    tcase_add_test(tcase, a_client_that_goes_away_is_noticed_without_traffic);
    tcase_add_test(tcase, clients_do_not_hold_up_the_stop);
    tcase_add_test(tcase, clients_can_be_served_from_their_threads);
    tcase_add_loop_test(tcase, no_slot_is_lost_in_a_crowd, 0, 2);
    tcase_add_test(tcase, garbage_from_the_bus_harms_nobody);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
