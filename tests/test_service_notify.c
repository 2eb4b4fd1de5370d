#include "service_notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "suite.h"

static int manager = -1;        /* the socket that plays the service manager */
static char folder[] = "/tmp/ntc-notify-XXXXXX";
static char path[64];

/* Listen on `text`, "@..." for an abstract address, and name it in the environment. */
static void listen_on(const char *text)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    size_t length = strlen(text);

    memcpy(address.sun_path, text, length);
    if (text[0] == '@')
        address.sun_path[0] = '\0';
    manager = socket(AF_UNIX, SOCK_DGRAM, 0);
    ck_assert_int_ge(manager, 0);
    ck_assert_int_eq(bind(manager, (struct sockaddr *) &address,
                          (socklen_t) (offsetof(struct sockaddr_un, sun_path) + length)), 0);
    setenv("NOTIFY_SOCKET", text, 1);
}

static void set_up(void)
{
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    strcpy(folder, "/tmp/ntc-notify-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/socket", folder);
    listen_on(path);
}

static void tear_down(void)
{
    close(manager);
    unlink(path);
    rmdir(folder);
    unsetenv("NOTIFY_SOCKET");
}

/* The manager has exactly this message next. */
static void assert_told(const char *message)
{
    char got[64] = "";

    ck_assert_int_ge(recv(manager, got, sizeof got - 1, MSG_DONTWAIT), 0);
    ck_assert_str_eq(got, message);
}

static void assert_told_nothing(void)
{
    char got[64];

    ck_assert_int_eq(recv(manager, got, sizeof got, MSG_DONTWAIT), -1);
    ck_assert_int_eq(errno, EAGAIN);
}

START_TEST(ready_and_stopping_reach_the_manager)
{
    ck_assert_int_eq(service_notify_ready(), 0);
    assert_told("READY=1");
    ck_assert_int_eq(service_notify_stopping(), 0);
    assert_told("STOPPING=1");
}
END_TEST

START_TEST(an_abstract_address_is_reached)
{
    char name[64];

    tear_down();
    snprintf(name, sizeof name, "@ntc-notify-%d", (int) getpid());
    listen_on(name);
    ck_assert_int_eq(service_notify_ready(), 0);
    assert_told("READY=1");
}
END_TEST

START_TEST(without_a_manager_nothing_happens)
{
    unsetenv("NOTIFY_SOCKET");
    ck_assert_int_eq(service_notify_ready(), 0);
    setenv("NOTIFY_SOCKET", "", 1);
    ck_assert_int_eq(service_notify_ready(), 0);
    assert_told_nothing();
}
END_TEST

START_TEST(an_address_that_cannot_be_is_an_error)
{
    char text[200];

    setenv("NOTIFY_SOCKET", "relative", 1);
    ck_assert_int_eq(service_notify_ready(), -EAFNOSUPPORT);
    memset(text, 'x', sizeof text);
    text[0] = '/';
    text[sizeof text - 1] = '\0';
    setenv("NOTIFY_SOCKET", text, 1);
    ck_assert_int_eq(service_notify_ready(), -EAFNOSUPPORT);
    setenv("NOTIFY_SOCKET", "/nowhere/at/all", 1);
    ck_assert_int_eq(service_notify_ready(), -ENOENT);
}
END_TEST

static int end_loop(zloop_t *loop, int timer_id, void *arg)
{
    (void) loop, (void) timer_id, (void) arg;
    return -1;
}

static int end_loop_when_told(zloop_t *loop, zmq_pollitem_t *item, void *arg)
{
    (void) loop, (void) item, (void) arg;
    return -1;
}

/* Run a watched loop until the manager hears of it, at most `patience_ms`. */
static void run_watched(size_t patience_ms)
{
    zloop_t *loop = zloop_new();
    zmq_pollitem_t item = { .fd = manager, .events = ZMQ_POLLIN };

    ck_assert_int_eq(service_notify_watch(loop), 0);
    zloop_poller(loop, &item, end_loop_when_told, NULL);
    zloop_timer(loop, patience_ms, 1, end_loop, NULL);
    zloop_start(loop);
    zloop_destroy(&loop);
}

START_TEST(a_watched_loop_shows_life)
{
    char pid[16];

    snprintf(pid, sizeof pid, "%d", (int) getpid());
    setenv("WATCHDOG_USEC", "20000", 1);
    run_watched(10000);
    assert_told("WATCHDOG=1");
    setenv("WATCHDOG_PID", pid, 1);
    run_watched(10000);
    assert_told("WATCHDOG=1");
}
END_TEST

START_TEST(a_loop_that_nobody_watches_is_silent)
{
    static const char *const INTERVALS[] = { "0", "", "soon" };

    run_watched(30);
    for (size_t i = 0; i < sizeof INTERVALS / sizeof INTERVALS[0]; i++) {
        setenv("WATCHDOG_USEC", INTERVALS[i], 1);
        run_watched(30);
    }
    setenv("WATCHDOG_USEC", "20000", 1);
    setenv("WATCHDOG_PID", "1", 1);     /* another process */
    run_watched(60);
    assert_told_nothing();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("service_notify");
    TCase *tcase = tcase_create("datagrams");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, ready_and_stopping_reach_the_manager);
    tcase_add_test(tcase, an_abstract_address_is_reached);
    tcase_add_test(tcase, without_a_manager_nothing_happens);
    tcase_add_test(tcase, an_address_that_cannot_be_is_an_error);
    tcase_add_test(tcase, a_watched_loop_shows_life);
    tcase_add_test(tcase, a_loop_that_nobody_watches_is_silent);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
