#include "remote_clients.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "bus_endpoint.h"
#include "bus_folder.h"
#include "key_folder.h"
#include "peer_link.h"
#include "suite.h"
#include "tcp_connections.h"
#include "zsock_setup.h"

/* A collector's two sockets that also listen on loopback, and the keys of it and of a client. */
static struct bus_folder folder;
static struct key_folder server, client;
static struct config config;
static struct bound_socket events, commands;
static remote_clients_t *remote;
static char commands_at[BUS_ENDPOINT_SIZE], why[512];

/* A port that is free, as is the next. */
static uint16_t free_ports(void)
{
    for (int tries = 0; tries < 100; tries++) {
        struct sockaddr_in addr = { .sin_family = AF_INET,
                                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t size = sizeof addr;
        int first = socket(AF_INET, SOCK_STREAM, 0), second = socket(AF_INET, SOCK_STREAM, 0);
        ck_assert_int_eq(bind(first, (struct sockaddr *) &addr, sizeof addr), 0);
        ck_assert_int_eq(getsockname(first, (struct sockaddr *) &addr, &size), 0);
        uint16_t port = ntohs(addr.sin_port);
        addr.sin_port = htons((uint16_t) (port + 1));
        bool both = port < 65534 && bind(second, (struct sockaddr *) &addr, sizeof addr) == 0;
        close(first);
        close(second);
        if (both)
            return port;
    }
    ck_abort_msg("no two free ports side by side");
    return 0;
}

static void setup(void)
{
    char endpoint[128];

    bus_folder_make(&folder);
    key_folder_make(&server);
    key_folder_make(&client);
    config_defaults(&config);
    snprintf(config.bus.listen, sizeof config.bus.listen, "tcp://127.0.0.1:%u", free_ports());
    strcpy(config.bus.keys, server.path);
    ck_assert_int_eq(bus_endpoint_commands(commands_at, config.bus.listen), 0);
    bus_folder_endpoint(&folder, "events", endpoint);
    ck_assert_int_eq(zsock_setup_bind(&events, ZMQ_XPUB, endpoint, 64), 0);
    bus_folder_endpoint(&folder, "commands", endpoint);
    ck_assert_int_eq(zsock_setup_bind(&commands, ZMQ_REP, endpoint, 64), 0);
}

static void listen_now(void)
{
    ck_assert_msg(remote_clients_open(&remote, &config, why, sizeof why) == 0, "%s", why);
    ck_assert_msg(remote_clients_listen(remote, events.socket, commands.socket, why, sizeof why)
                  == 0, "%s", why);
}

static void teardown(void)
{
    zsock_setup_unbind(&commands);
    zsock_setup_unbind(&events);
    remote_clients_destroy(&remote);
    key_folder_remove(&client);
    key_folder_remove(&server);
    bus_folder_remove(&folder);
}

/* Let both sides have what they need of each other. */
static void introduce(const char *rights)
{
    char text[128];

    snprintf(text, sizeof text, "%s%s\n", client.public_text, rights);
    key_folder_write(&server, "clients/it.key", text);
    snprintf(text, sizeof text, "%s\n", server.public_text);
    key_folder_write(&client, "collectors/127.0.0.1.key", text);
}

static peer_link_t *dial(int type, const char *endpoint)
{
    peer_link_t *link;

    ck_assert_int_eq(peer_link_open(&link, type, endpoint, 64, client.path, type == ZMQ_SUB), 0);
    return link;
}

/* Answer for keys until `socket` can be read or written.  Returns false when it never could. */
static bool await(zsock_t *socket, int what, int timeout_ms)
{
    int64_t end_ms = zclock_mono() + timeout_ms;

    while (zclock_mono() < end_ms) {
        zmq_pollitem_t item = { .socket = zsock_resolve(socket), .events = (short) what };
        remote_clients_on_request(remote);
        if (zmq_poll(&item, 1, 10) == 1)
            return true;
    }
    return false;
}

/* Send a request and say whether its sender may change the lists; -1 = it did not get through. */
static int ask(zsock_t *dealer)
{
    zmq_msg_t message;

    if (!await(dealer, ZMQ_POLLOUT, 20000))
        return -1;
    zstr_sendx(dealer, "", "hello", NULL);
    if (!await(commands.socket, ZMQ_POLLIN, 20000))
        return -1;
    zmq_msg_init(&message);
    ck_assert_int_ge(zmq_msg_recv(&message, zsock_resolve(commands.socket), 0), 0);
    int may_change = remote_clients_may_change(remote, &message);
    zmq_msg_close(&message);
    zstr_send(commands.socket, "answer");
    ck_assert(await(dealer, ZMQ_POLLIN, 20000));
    zmsg_t *answer = zmsg_recv(dealer);
    zmsg_destroy(&answer);
    return may_change;
}

START_TEST(a_client_with_a_key_gets_in_and_may_change_the_lists)
{
    introduce("");
    listen_now();
    peer_link_t *link = dial(ZMQ_DEALER, commands_at);

    ck_assert_int_eq(ask(peer_link_socket(link)), 1);
    key_folder_delete(&server, "clients/it.key");       /* also before it is cut off */
    zstr_sendx(peer_link_socket(link), "", "hello", NULL);
    ck_assert(await(commands.socket, ZMQ_POLLIN, 20000));
    zmq_msg_t message;
    zmq_msg_init(&message);
    zmq_msg_recv(&message, zsock_resolve(commands.socket), 0);
    ck_assert(!remote_clients_may_change(remote, &message));
    zmq_msg_close(&message);
    peer_link_destroy(&link);
}
END_TEST

START_TEST(a_read_only_client_gets_in_and_may_not_change_the_lists)
{
    introduce(" read-only");
    listen_now();
    peer_link_t *link = dial(ZMQ_DEALER, commands_at);

    ck_assert_int_eq(ask(peer_link_socket(link)), 0);
    peer_link_destroy(&link);
}
END_TEST

START_TEST(a_local_process_is_still_known_by_its_uid)
{
    char endpoint[128];

    listen_now();
    bus_folder_endpoint(&folder, "commands", endpoint);
    zsock_t *local = zsock_setup_connect(ZMQ_DEALER, endpoint, 16);
    zstr_sendx(local, "", "hello", NULL);
    ck_assert(await(commands.socket, ZMQ_POLLIN, 20000));
    zmq_msg_t message;
    zmq_msg_init(&message);
    zmq_msg_recv(&message, zsock_resolve(commands.socket), 0);
    ck_assert_int_eq(zsock_setup_peer_uid(&message), (long) getuid());
    ck_assert(!remote_clients_may_change(remote, &message));
    ck_assert(!remote_clients_may_change(NULL, &message));
    zmq_msg_close(&message);
    zsock_destroy(&local);
}
END_TEST

/* ---- who is kept out ---- */

START_TEST(a_client_without_a_file_or_with_a_broken_one_is_kept_out)
{
    introduce("");
    if (_i == 0)
        key_folder_delete(&server, "clients/it.key");
    else
        key_folder_write(&server, "clients/it.key", "garbled");
    listen_now();
    peer_link_t *link = dial(ZMQ_DEALER, commands_at);

    ck_assert(!await(peer_link_socket(link), ZMQ_POLLOUT, 500));
    const char *problem = NULL;
    for (int i = 0; i < 200 && !problem; i++) {
        await(peer_link_socket(link), ZMQ_POLLIN, 50);
        problem = peer_link_on_second(link);
    }
    ck_assert_ptr_nonnull(problem);
    ck_assert_ptr_nonnull(strstr(problem, "it refuses our key: put the public key"));
    ck_assert_ptr_nonnull(strstr(problem, client.public_text));
    introduce("");              /* and is let in as soon as it has one */
    for (int i = 0; i < 200 && !await(peer_link_socket(link), ZMQ_POLLOUT, 50); i++)
        peer_link_on_second(link);
    ck_assert_int_eq(ask(peer_link_socket(link)), 1);
    peer_link_destroy(&link);
}
END_TEST

START_TEST(a_client_that_is_waited_for_is_let_in_at_once)
{
    introduce("");
    key_folder_delete(&server, "clients/it.key");
    listen_now();
    peer_link_t *link = dial(ZMQ_DEALER, commands_at);

    ck_assert(!await(peer_link_socket(link), ZMQ_POLLOUT, 500));    /* refused: never again */
    introduce("");
    ck_assert(!await(peer_link_socket(link), ZMQ_POLLOUT, 500));
    peer_link_hasten(link);
    for (int i = 0; i < 40 && !await(peer_link_socket(link), ZMQ_POLLOUT, 50); i++)
        peer_link_hasten(link);     /* which leaves an attempt alone that is under way */
    ck_assert_int_eq(ask(peer_link_socket(link)), 1);
    peer_link_hasten(link);
    ck_assert_int_eq(ask(peer_link_socket(link)), 1);
    peer_link_destroy(&link);
}
END_TEST

START_TEST(a_plain_client_is_kept_out)
{
    introduce("");
    listen_now();
    zsock_t *plain = zsock_new(ZMQ_DEALER);
    zsock_set_immediate(plain, 1);
    ck_assert_int_eq(zsock_connect(plain, "%s", commands_at), 0);
    ck_assert(!await(plain, ZMQ_POLLOUT, 500));
    zsock_destroy(&plain);
}
END_TEST

START_TEST(nobody_gets_in_while_nobody_answers_for_keys)
{
    struct peer_key_pair own;

    introduce("");
    ck_assert_int_eq(peer_keys_read_own(server.path, &own, why, sizeof why), 0);
    ck_assert_int_eq(zsock_setup_secure_bind(commands.socket, commands_at, &own), 0);
    peer_link_t *link = dial(ZMQ_DEALER, commands_at);
    zmq_pollitem_t item = { .socket = zsock_resolve(peer_link_socket(link)),
                            .events = ZMQ_POLLOUT };
    ck_assert_int_eq(zmq_poll(&item, 1, 500), 0);
    peer_link_destroy(&link);
}
END_TEST

START_TEST(who_cannot_connect_is_told_why)
{
    struct key_folder stranger;
    peer_link_t *wrong, *nobody, *unknown;
    char nowhere[64], text[128];
    unsigned told = 0;

    introduce("");
    listen_now();
    key_folder_make(&stranger);
    snprintf(text, sizeof text, "%s\n", stranger.public_text);
    key_folder_write(&stranger, "collectors/127.0.0.1.key", text);
    snprintf(nowhere, sizeof nowhere, "tcp://127.0.0.1:%u", free_ports());
    ck_assert_int_eq(peer_link_open(&wrong, ZMQ_SUB, commands_at, 16, stranger.path, true), 0);
    nobody = dial(ZMQ_SUB, nowhere);
    unknown = dial(ZMQ_SUB, "tcp://localhost:9");
    for (int i = 0; i < 200 && told != 7; i++) {
        await(commands.socket, ZMQ_POLLIN, 50);
        const char *problem = peer_link_on_second(wrong);
        if (problem && strstr(problem, "it ends the connection before it is encrypted"))
            told |= 1;
        if ((problem = peer_link_on_second(nobody))
            && strstr(problem, "nothing accepts connections there"))
            told |= 2;
        if ((problem = peer_link_on_second(unknown)) && strstr(problem, "collectors/localhost.key"))
            told |= 4;
    }
    ck_assert_uint_eq(told, 7);
    ck_assert_ptr_nonnull(strstr(peer_link_problem(nobody), "nothing accepts"));
    peer_link_destroy(&wrong);
    peer_link_destroy(&nobody);
    peer_link_destroy(&unknown);
    key_folder_remove(&stranger);
}
END_TEST

/* ---- being cut off ---- */

/* Publish until the subscriber has got something, or for a second. */
static bool is_heard(zsock_t *subscriber)
{
    for (int i = 0; i < 100; i++) {
        zstr_send(events.socket, "news");
        if (await(subscriber, ZMQ_POLLIN, 10)) {
            while (zsock_events(subscriber) & ZMQ_POLLIN)
                zstr_free(&(char *) { zstr_recv(subscriber) });
            return true;
        }
    }
    return false;
}

START_TEST(removing_the_file_ends_a_running_connection)
{
    introduce("");
    listen_now();
    peer_link_t *link = dial(ZMQ_SUB, config.bus.listen);
    zsock_set_subscribe(peer_link_socket(link), "");
    for (int i = 0; i < 20 && !is_heard(peer_link_socket(link)); i++)
        ;
    ck_assert(is_heard(peer_link_socket(link)));

    remote_clients_on_second(remote);
    ck_assert(is_heard(peer_link_socket(link)));
    key_folder_delete(&server, "clients/it.key");
    remote_clients_on_second(remote);
    for (int i = 0; i < 20 && is_heard(peer_link_socket(link)); i++)
        ;
    ck_assert(!is_heard(peer_link_socket(link)));
    peer_link_destroy(&link);
}
END_TEST

static int dial_raw(const char *from)
{
    struct bus_endpoint to;
    struct sockaddr_in own = { .sin_family = AF_INET }, addr = { .sin_family = AF_INET };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_eq(bus_endpoint_parse(config.bus.listen, &to, why, sizeof why), 0);
    addr.sin_port = htons(to.port);
    inet_pton(AF_INET, from, &own.sin_addr);
    inet_pton(AF_INET, to.host, &addr.sin_addr);
    ck_assert_int_eq(bind(fd, (struct sockaddr *) &own, sizeof own), 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *) &addr, sizeof addr), 0);
    return fd;
}

/* Skip the greeting and wait for the end of the connection.  Returns false when it does not end. */
static bool ends(int fd, int timeout_ms)
{
    char greeting[128];
    struct timeval patience = { timeout_ms / 1000, timeout_ms % 1000 * 1000 };

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ssize_t got = recv(fd, greeting, sizeof greeting, 0);
    while (got > 0)
        got = recv(fd, greeting, sizeof greeting, 0);
    return got == 0 || errno == ECONNRESET;
}

START_TEST(a_flood_of_one_address_is_ended_and_others_stay)
{
    int flood[TCP_CONNECTIONS_MANY + 50], few[8];
    char greeting[11];

    introduce("");
    listen_now();
    for (size_t i = 0; i < sizeof flood / sizeof flood[0]; i++)
        flood[i] = dial_raw("127.0.0.3");
    for (size_t i = 0; i < sizeof few / sizeof few[0]; i++)
        few[i] = dial_raw("127.0.0.2");
    for (size_t i = 0; i < sizeof flood / sizeof flood[0]; i++)     /* all are accepted */
        ck_assert_int_gt(recv(flood[i], greeting, sizeof greeting, 0), 0);
    for (size_t i = 0; i < sizeof few / sizeof few[0]; i++)
        ck_assert_int_gt(recv(few[i], greeting, sizeof greeting, 0), 0);
    remote_clients_on_second(remote);
    for (size_t i = 0; i < sizeof few / sizeof few[0]; i++) {
        ck_assert(!ends(few[i], 1));
        close(few[i]);
    }
    for (size_t i = 0; i < sizeof flood / sizeof flood[0]; i++) {
        ck_assert(ends(flood[i], 5000));
        close(flood[i]);
    }
}
END_TEST

/* ---- listening ---- */

START_TEST(a_port_that_is_taken_is_refused)
{
    zsock_t *other = zsock_new(ZMQ_PULL);

    ck_assert_int_ge(zsock_bind(other, "%s", _i == 0 ? config.bus.listen : commands_at), 0);
    ck_assert_int_eq(remote_clients_open(&remote, &config, why, sizeof why), 0);
    ck_assert_int_eq(remote_clients_listen(remote, events.socket, commands.socket, why, sizeof why),
                     -EADDRINUSE);
    ck_assert_ptr_nonnull(strstr(why, "another program has the port, see bus.listen"));
    zsock_destroy(&other);
}
END_TEST

START_TEST(an_address_that_is_not_there_yet_is_waited_for)
{
    strcpy(config.bus.listen, "tcp://192.0.2.1:7386");
    listen_now();
    remote_clients_on_second(remote);
}
END_TEST

START_TEST(without_keys_nothing_listens)
{
    key_folder_delete(&server, "secret.key");
    ck_assert_int_eq(remote_clients_open(&remote, &config, why, sizeof why), -ENOENT);
    ck_assert_ptr_nonnull(strstr(why, "--make-keys"));
    ck_assert_ptr_null(remote);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("remote_clients");
    TCase *tcase = tcase_create("clients");

    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_client_with_a_key_gets_in_and_may_change_the_lists);
    tcase_add_test(tcase, a_read_only_client_gets_in_and_may_not_change_the_lists);
    tcase_add_test(tcase, a_local_process_is_still_known_by_its_uid);
    tcase_add_loop_test(tcase, a_client_without_a_file_or_with_a_broken_one_is_kept_out, 0, 2);
    tcase_add_test(tcase, a_client_that_is_waited_for_is_let_in_at_once);
    tcase_add_test(tcase, a_plain_client_is_kept_out);
    tcase_add_test(tcase, nobody_gets_in_while_nobody_answers_for_keys);
    tcase_add_test(tcase, who_cannot_connect_is_told_why);
    tcase_add_test(tcase, removing_the_file_ends_a_running_connection);
    tcase_add_test(tcase, a_flood_of_one_address_is_ended_and_others_stay);
    tcase_add_loop_test(tcase, a_port_that_is_taken_is_refused, 0, 2);
    tcase_add_test(tcase, an_address_that_is_not_there_yet_is_waited_for);
    tcase_add_test(tcase, without_keys_nothing_listens);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
