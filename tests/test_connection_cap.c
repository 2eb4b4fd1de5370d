#include "connection_cap.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "socket_takeover.h"
#include "suite.h"

enum { END = 200 };

static struct config config;
static access_t *access_rules;
static connection_cap_t *cap;
static int listener;
static uint16_t port;

/* The cap counts by address, and a loopback address is not capped: so the address of this host on
 * some other interface stands for a neighbour. */
static struct sockaddr_in neighbour(void)
{
    struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(9),
                               .sin_addr.s_addr = htonl(0xc0000201) }, own;
    socklen_t size = sizeof own;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    own.sin_addr.s_addr = 0;
    if (connect(fd, (struct sockaddr *) &any, sizeof any) == 0)
        getsockname(fd, (struct sockaddr *) &own, &size);
    close(fd);
    own.sin_family = AF_INET;
    return own;
}

static void setup(void)
{
    struct sockaddr_in addr = { .sin_family = AF_INET };
    socklen_t size = sizeof addr;

    config_defaults(&config);
    access_rules = access_new(&config, "");
    cap = connection_cap_new(END, 3, access_rules);
    ck_assert_ptr_nonnull(cap);
    listener = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(listener, (struct sockaddr *) &addr, sizeof addr), 0);
    ck_assert_int_eq(listen(listener, 16), 0);
    getsockname(listener, (struct sockaddr *) &addr, &size);
    port = ntohs(addr.sin_port);
}

static void teardown(void)
{
    connection_cap_destroy(&cap);
    access_destroy(&access_rules);
    close(listener);
}

/* Connect to `addr` from the same address; *ret_served is the server's end. */
static int connect_from(struct sockaddr_in addr, int *ret_served)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    addr.sin_port = 0;
    ck_assert_int_eq(bind(fd, (struct sockaddr *) &addr, sizeof addr), 0);
    addr.sin_port = htons(port);
    ck_assert_int_eq(connect(fd, (struct sockaddr *) &addr, sizeof addr), 0);
    *ret_served = accept(listener, NULL, NULL);
    ck_assert_int_ge(*ret_served, 0);
    return fd;
}

static bool is_turned_away(int fd)
{
    char text[256] = "";

    return recv(fd, text, sizeof text - 1, MSG_DONTWAIT) > 0 && strstr(text, " 503 ") != NULL;
}

START_TEST(the_fourth_connection_of_an_address_is_turned_away)
{
    struct sockaddr_in addr = neighbour();
    int fds[5], served[5];

    if (addr.sin_addr.s_addr == 0 || (ntohl(addr.sin_addr.s_addr) >> 24) == 127)
        return;                 /* this host has no other address */
    for (int i = 0; i < 5; i++) {
        fds[i] = connect_from(addr, &served[i]);
        connection_cap_enforce(cap, port);
        ck_assert_int_eq(is_turned_away(fds[i]), i >= 3);
    }
    close(fds[1]);
    close(served[1]);
    close(fds[4]);
    close(served[4]);
    close(fds[3]);
    close(served[3]);
    fds[1] = connect_from(addr, &served[1]);
    connection_cap_enforce(cap, port);
    ck_assert(!is_turned_away(fds[1]));
}
END_TEST

START_TEST(of_many_at_once_only_those_too_many_are_turned_away)
{
    struct sockaddr_in addr = neighbour();
    int fds[10], served, turned_away = 0;

    if (addr.sin_addr.s_addr == 0 || (ntohl(addr.sin_addr.s_addr) >> 24) == 127)
        return;
    for (int i = 0; i < 10; i++)
        fds[i] = connect_from(addr, &served);
    connection_cap_enforce(cap, port);
    for (int i = 0; i < 10; i++)
        turned_away += is_turned_away(fds[i]);
    ck_assert_int_eq(turned_away, 7);
}
END_TEST

START_TEST(this_host_itself_is_not_capped)
{
    struct sockaddr_in addr = { .sin_family = AF_INET,
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int served;

    for (int i = 0; i < 10; i++) {
        int fd = connect_from(addr, &served);
        connection_cap_enforce(cap, port);
        ck_assert(!is_turned_away(fd));
    }
}
END_TEST

START_TEST(a_connection_is_found_by_its_four_tuple)
{
    struct sockaddr_in addr = { .sin_family = AF_INET,
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK) }, own;
    socklen_t size = sizeof own;
    int served, other;
    int fd = connect_from(addr, &served);

    connect_from(addr, &other);
    getsockname(fd, (struct sockaddr *) &own, &size);
    ck_assert_int_eq(socket_takeover_find(END, "127.0.0.1", ntohs(own.sin_port), port), served);
    ck_assert_int_eq(socket_takeover_find(END, "127.0.0.2", ntohs(own.sin_port), port), -ENOENT);
    ck_assert_int_eq(socket_takeover_find(END, "nonsense", ntohs(own.sin_port), port), -ENOENT);
    ck_assert_int_eq(socket_takeover_find(served, "127.0.0.1", ntohs(own.sin_port), port), -ENOENT);
}
END_TEST

START_TEST(a_taken_connection_outlives_its_descriptor)
{
    struct sockaddr_in addr = { .sin_family = AF_INET,
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int served;
    int fd = connect_from(addr, &served);
    char byte = 0;

    int copy = socket_takeover_copy(served, END);
    ck_assert_int_ge(copy, END);
    ck_assert_int_eq(socket_takeover_detach(served), 0);
    shutdown(served, SHUT_RDWR);
    close(served);
    ck_assert_int_eq(recv(fd, &byte, 1, MSG_DONTWAIT), -1);     /* not closed */
    ck_assert_int_eq(send(copy, "x", 1, 0), 1);
    ck_assert_int_eq(recv(fd, &byte, 1, 0), 1);
    close(copy);
    ck_assert_int_eq(recv(fd, &byte, 1, 0), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("connection_cap");
    TCase *tcase = tcase_create("descriptors");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, the_fourth_connection_of_an_address_is_turned_away);
    tcase_add_test(tcase, of_many_at_once_only_those_too_many_are_turned_away);
    tcase_add_test(tcase, this_host_itself_is_not_capped);
    tcase_add_test(tcase, a_connection_is_found_by_its_four_tuple);
    tcase_add_test(tcase, a_taken_connection_outlives_its_descriptor);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
