#include "zsock_setup.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "bus_folder.h"
#include "suite.h"

static struct bus_folder folder;
static char endpoint[128];

static void setup(void)
{
    bus_folder_make(&folder);
    bus_folder_endpoint(&folder, "events", endpoint);
}

static void teardown(void) { bus_folder_remove(&folder); }

static struct bound_socket bind_type(int type)
{
    struct bound_socket bound;

    ck_assert_int_eq(zsock_setup_bind(&bound, type, endpoint, 16), 0);
    return bound;
}

/* Wait until `socket` can be read. */
static void await(zsock_t *socket)
{
    zmq_pollitem_t item = { .socket = zsock_resolve(socket), .events = ZMQ_POLLIN };

    ck_assert_int_eq(zmq_poll(&item, 1, 20000), 1);
}

START_TEST(endpoints_must_fit_a_sockaddr_un)
{
    char directory[256], text[128];

    ck_assert_int_eq(zsock_setup_endpoint(text, "/run/ntc", BUS_EVENTS), 0);
    ck_assert_str_eq(text, "ipc:///run/ntc/events");
    memset(directory, 'x', sizeof directory);
    directory[107 - 7] = '\0';
    ck_assert_int_eq(zsock_setup_endpoint(text, directory, "events"), 0);
    ck_assert_uint_eq(strlen(text), 6 + 107);
    directory[107 - 7] = 'x';
    directory[107 - 6] = '\0';
    ck_assert_int_eq(zsock_setup_endpoint(text, directory, "events"), -ENAMETOOLONG);
    directory[107 - 6] = 'x';
    directory[255] = '\0';
    ck_assert_int_eq(zsock_setup_endpoint(text, directory, "events"), -ENAMETOOLONG);
}
END_TEST

START_TEST(sockets_have_bounds)
{
    struct bound_socket bound = bind_type(ZMQ_XPUB);
    zsock_t *connected = zsock_setup_connect(ZMQ_SUB, endpoint, 32);

    ck_assert_int_eq(zsock_sndhwm(bound.socket), 16);
    ck_assert_int_eq(zsock_rcvhwm(connected), 32);
    ck_assert_int_eq(zsock_maxmsgsize(bound.socket), ZSOCK_MAX_MESSAGE);
    ck_assert_int_eq(zsock_maxmsgsize(connected), ZSOCK_MAX_MESSAGE);
    ck_assert_int_eq(zsock_linger(bound.socket), 2000);
    ck_assert_int_eq(zsock_linger(connected), 0);
    ck_assert_int_eq(zsock_handshake_ivl(bound.socket), 2000);
    ck_assert_int_eq(zsock_reconnect_ivl(connected), 100);
    ck_assert_int_eq(zsock_reconnect_ivl_max(connected), 500);
    zsock_destroy(&connected);
    zsock_setup_unbind(&bound);
}
END_TEST

START_TEST(the_path_is_for_owner_and_group)
{
    struct stat status;
    mode_t mask = umask(022);

    snprintf(endpoint, sizeof endpoint, "ipc://%s/made/events", folder.path);
    struct bound_socket bound = bind_type(ZMQ_XPUB);
    ck_assert_int_eq(umask(mask), 022);
    ck_assert_int_eq(stat(endpoint + 6, &status), 0);
    ck_assert_int_eq(status.st_mode & 07777, 0660);
    ck_assert(S_ISSOCK(status.st_mode));
    *strrchr(endpoint, '/') = '\0';
    ck_assert_int_eq(stat(endpoint + 6, &status), 0);
    ck_assert_int_eq(status.st_mode & 07777, 0750);
    zsock_setup_unbind(&bound);
}
END_TEST

START_TEST(a_path_that_is_held_is_refused_and_stays)
{
    struct bound_socket bound = bind_type(ZMQ_REP), second = { .lock_fd = -1 };

    ck_assert_int_eq(zsock_setup_bind(&second, ZMQ_REP, endpoint, 16), -EADDRINUSE);
    ck_assert_ptr_null(second.socket);

    zsock_t *client = zsock_setup_connect(ZMQ_DEALER, endpoint, 16);
    zstr_sendx(client, "", "hello", NULL);
    await(bound.socket);
    zsock_destroy(&client);
    zsock_setup_unbind(&bound);
}
END_TEST

START_TEST(nothing_is_left_after_unbind)
{
    struct bound_socket bound = bind_type(ZMQ_XPUB);

    ck_assert_uint_eq(bus_folder_files(&folder), 2);
    zsock_setup_unbind(&bound);
    ck_assert_uint_eq(bus_folder_files(&folder), 0);
    ck_assert_ptr_null(bound.socket);
    zsock_setup_unbind(&bound);
    bound = bind_type(ZMQ_XPUB);
    zsock_setup_unbind(&bound);
}
END_TEST

START_TEST(what_cannot_be_bound_leaves_nothing)
{
    struct bound_socket bound;

    ck_assert_int_eq(mkdir(endpoint + 6, 0700), 0);     /* a folder where the path should be */
    ck_assert_int_lt(zsock_setup_bind(&bound, ZMQ_REP, endpoint, 16), 0);
    ck_assert_uint_eq(bus_folder_files(&folder), 1);
    ck_assert_int_eq(zsock_setup_bind(&bound, ZMQ_REP, "ipc:///nonexistent/folder/x", 16), -ENOENT);
    ck_assert_int_lt(zsock_setup_bind(&bound, ZMQ_REP, "nonsense", 16), 0);
    char text[200] = "ipc:///tmp/";
    memset(text + strlen(text), 'x', 120);
    ck_assert_int_eq(zsock_setup_bind(&bound, ZMQ_REP, text, 16), -ENAMETOOLONG);
}
END_TEST

/* The child binds, says so, and is killed: path and lock file stay behind. */
static void leave_dead_socket(void)
{
    int ready[2];
    char byte;

    ck_assert_int_eq(pipe(ready), 0);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        struct bound_socket bound;
        byte = zsock_setup_bind(&bound, ZMQ_REP, endpoint, 16) == 0 ? 'y' : 'n';
        ssize_t written = write(ready[1], &byte, 1);
        (void) written;
        pause();
    }
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    ck_assert_int_eq(byte, 'y');
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    close(ready[0]);
    close(ready[1]);
}

START_TEST(a_path_of_a_killed_process_is_taken_over)
{
    leave_dead_socket();
    ck_assert_uint_eq(bus_folder_files(&folder), 2);
    struct bound_socket bound = bind_type(ZMQ_REP);
    zsock_t *client = zsock_setup_connect(ZMQ_DEALER, endpoint, 16);

    zstr_sendx(client, "", "hello", NULL);
    await(bound.socket);
    zsock_destroy(&client);
    zsock_setup_unbind(&bound);
    ck_assert_uint_eq(bus_folder_files(&folder), 0);
}
END_TEST

/* Receive a request and answer it. */
static long serve(zsock_t *server)
{
    zmq_msg_t message;

    await(server);
    zmq_msg_init(&message);
    ck_assert_int_ge(zmq_msg_recv(&message, zsock_resolve(server), 0), 0);
    long uid = zsock_setup_peer_uid(&message);
    zmq_msg_close(&message);
    zstr_send(server, "answer");
    return uid;
}

START_TEST(a_peer_is_known_by_its_uid)
{
    struct bound_socket bound = bind_type(ZMQ_REP);
    zsock_t *client = zsock_setup_connect(ZMQ_DEALER, endpoint, 16);

    zstr_sendx(client, "", "hello", NULL);
    ck_assert_int_eq(serve(bound.socket), (long) getuid());
    zsock_destroy(&client);
    zsock_setup_unbind(&bound);
}
END_TEST

/* The child is made before libzmq has any thread: one that is born while a thread holds a lock may
 * wait for it for ever. */
START_TEST(another_users_uid_is_seen)
{
    int bound_pipe[2];

    if (getuid() != 0)
        return;
    ck_assert_int_eq(pipe(bound_pipe), 0);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        char byte;
        close(bound_pipe[1]);
        if (read(bound_pipe[0], &byte, 1) != 1 || setgid(65534) != 0 || setuid(65534) != 0)
            _exit(1);
        zsock_t *client = zsock_setup_connect(ZMQ_DEALER, endpoint, 16);
        zstr_sendx(client, "", "hello", NULL);
        zsock_set_rcvtimeo(client, 5000);
        free(zstr_recv(client));
        _exit(0);
    }
    struct bound_socket bound = bind_type(ZMQ_REP);
    chmod(folder.path, 0755);
    chmod(endpoint + 6, 0666);
    ck_assert_int_eq(write(bound_pipe[1], "y", 1), 1);
    ck_assert_int_eq(serve(bound.socket), 65534);
    waitpid(pid, NULL, 0);
    close(bound_pipe[0]);
    close(bound_pipe[1]);
    zsock_setup_unbind(&bound);
}
END_TEST

START_TEST(a_peer_over_tcp_has_no_uid)
{
    struct bound_socket bound;

    ck_assert_int_eq(zsock_setup_bind(&bound, ZMQ_REP, "tcp://127.0.0.1:*", 16), 0);
    ck_assert_int_eq(bound.lock_fd, -1);
    ck_assert_ptr_null(zsock_setup_connect(ZMQ_DEALER, zsock_endpoint(bound.socket), 16));
    ck_assert_int_eq(errno, ENOKEY);
    zsock_t *client = zsock_new_dealer(zsock_endpoint(bound.socket));
    zstr_sendx(client, "", "hello", NULL);
    ck_assert_int_eq(serve(bound.socket), -ENODATA);
    zsock_destroy(&client);
    zsock_setup_unbind(&bound);

    zmq_msg_t local;
    zmq_msg_init(&local);
    ck_assert_int_eq(zsock_setup_peer_uid(&local), -ENODATA);
    zmq_msg_close(&local);
}
END_TEST

START_TEST(a_request_to_nobody_is_not_kept)
{
    zsock_t *client = zsock_setup_connect(ZMQ_REQ, endpoint, 16);

    ck_assert_int_eq(zmq_send(zsock_resolve(client), "late", 4, ZMQ_DONTWAIT), -1);
    ck_assert_int_eq(zmq_errno(), EAGAIN);
    struct bound_socket bound = bind_type(ZMQ_REP);
    zmq_pollitem_t item = { .socket = zsock_resolve(client), .events = ZMQ_POLLOUT };
    ck_assert_int_eq(zmq_poll(&item, 1, 20000), 1);
    ck_assert_int_eq(zmq_send(zsock_resolve(client), "first", 5, ZMQ_DONTWAIT), 5);
    ck_assert_int_eq(zmq_send(zsock_resolve(client), "again", 5, ZMQ_DONTWAIT), 5);
    await(bound.socket);
    char *text = zstr_recv(bound.socket);
    ck_assert_str_eq(text, "first");
    freen(text);
    zsock_destroy(&client);
    zsock_setup_unbind(&bound);
}
END_TEST

START_TEST(a_peer_that_restarts_is_found_within_a_second)
{
    struct bound_socket bound = bind_type(ZMQ_REP);
    zsock_t *client = zsock_setup_connect(ZMQ_DEALER, endpoint, 16);
    int64_t started_ms;

    zstr_sendx(client, "", "hello", NULL);
    ck_assert_int_eq(serve(bound.socket), (long) getuid());
    zsock_setup_unbind(&bound);
    zclock_sleep(1200);                 /* long enough for the pauses between tries to grow */
    bound = bind_type(ZMQ_REP);
    started_ms = zclock_mono();
    zstr_sendx(client, "", "hello again", NULL);
    serve(bound.socket);
    ck_assert_int_lt(zclock_mono() - started_ms, 1800);
    zsock_destroy(&client);
    zsock_setup_unbind(&bound);
}
END_TEST

START_TEST(a_message_over_the_limit_is_cut_off)
{
    struct bound_socket bound = bind_type(ZMQ_PULL);
    zsock_t *client = zsock_setup_connect(ZMQ_PUSH, endpoint, 16);
    char *large = calloc(1, ZSOCK_MAX_MESSAGE + 1);

    ck_assert_int_eq(zmq_send(zsock_resolve(client), large, ZSOCK_MAX_MESSAGE, 0),
                     ZSOCK_MAX_MESSAGE);
    await(bound.socket);
    ck_assert_int_eq(zmq_recv(zsock_resolve(bound.socket), large, ZSOCK_MAX_MESSAGE, 0),
                     ZSOCK_MAX_MESSAGE);
    ck_assert_int_gt(zmq_send(zsock_resolve(client), large, ZSOCK_MAX_MESSAGE + 1, 0), 0);
    zmq_pollitem_t item = { .socket = zsock_resolve(bound.socket), .events = ZMQ_POLLIN };
    ck_assert_int_eq(zmq_poll(&item, 1, 300), 0);
    free(large);
    zsock_set_linger(client, 0);
    zsock_destroy(&client);
    zsock_setup_unbind(&bound);
}
END_TEST

/* A peer that is no ZeroMQ at all. */
START_TEST(garbage_on_the_wire_ends_only_its_own_connection)
{
    struct bound_socket bound = bind_type(ZMQ_REP);
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    strcpy(address.sun_path, endpoint + 6);
    ck_assert_int_eq(connect(fd, (struct sockaddr *) &address, sizeof address), 0);
    srandom(1);
    for (int i = 0; i < 64; i++) {
        uint8_t noise[64];
        for (size_t n = 0; n < sizeof noise; n++)
            noise[n] = (uint8_t) random();
        if (send(fd, noise, sizeof noise, MSG_NOSIGNAL) < 0)
            break;
    }
    close(fd);
    zsock_t *client = zsock_setup_connect(ZMQ_DEALER, endpoint, 16);
    zstr_sendx(client, "", "hello", NULL);
    ck_assert_int_eq(serve(bound.socket), (long) getuid());
    zsock_destroy(&client);
    zsock_setup_unbind(&bound);
}
END_TEST

START_TEST(there_is_room_for_all_collectors)
{
    static zsock_t *sockets[1200];
    struct rlimit limit;

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = 256;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    zsock_setup_make_room(256, 100);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    ck_assert_uint_eq(limit.rlim_cur, 1024 + 100 + 8 * 256);
    for (size_t i = 0; i < sizeof sockets / sizeof sockets[0]; i++)
        ck_assert_ptr_nonnull(sockets[i] = zsock_setup_new(ZMQ_SUB, endpoint, 16));
    for (size_t i = 0; i < sizeof sockets / sizeof sockets[0]; i++)
        zsock_destroy(&sockets[i]);
}
END_TEST

static int on_readable(zloop_t *loop, zsock_t *reader, void *arg)
{
    (void) loop;
    char *text = zstr_recv(reader);

    strcpy(arg, text);
    freen(text);
    return -1;
}

START_TEST(a_watched_socket_calls_its_handler)
{
    struct bound_socket bound = bind_type(ZMQ_PULL);
    zsock_t *client = zsock_setup_connect(ZMQ_PUSH, endpoint, 16);
    zloop_t *loop = zloop_new();
    char text[64] = "";

    ck_assert_int_eq(zsock_setup_watch(loop, bound.socket, on_readable, text), 0);
    zstr_send(client, "hello");
    zloop_start(loop);
    ck_assert_str_eq(text, "hello");
    zloop_destroy(&loop);
    zsock_destroy(&client);
    zsock_setup_unbind(&bound);
}
END_TEST

struct reading {
    zsock_t *socket;
    unsigned messages;
};

/* Take all there is, and end with the third message. */
static int on_change(zloop_t *loop, zmq_pollitem_t *item, void *arg)
{
    struct reading *reading = arg;

    (void) loop;
    (void) item;
    while (zsock_events(reading->socket) & ZMQ_POLLIN) {
        char *text = zstr_recv(reading->socket);
        ck_assert_str_eq(text, "hello");
        freen(text);
        reading->messages++;
    }
    return reading->messages < 3 ? 0 : -1;
}

START_TEST(a_socket_whose_changes_are_watched_calls_its_handler)
{
    struct bound_socket bound = bind_type(ZMQ_PULL);
    zsock_t *client = zsock_setup_connect(ZMQ_PUSH, endpoint, 16);
    struct reading reading = { .socket = bound.socket };
    zloop_t *loop = zloop_new();

    ck_assert_int_eq(zsock_setup_watch_changes(loop, bound.socket, on_change, &reading), 0);
    for (int i = 0; i < 3; i++)
        zstr_send(client, "hello");
    zloop_start(loop);
    ck_assert_uint_eq(reading.messages, 3);
    zloop_destroy(&loop);
    zsock_destroy(&client);
    zsock_setup_unbind(&bound);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("zsock_setup");
    TCase *tcase = tcase_create("sockets");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, endpoints_must_fit_a_sockaddr_un);
    tcase_add_test(tcase, sockets_have_bounds);
    tcase_add_test(tcase, the_path_is_for_owner_and_group);
    tcase_add_test(tcase, a_path_that_is_held_is_refused_and_stays);
    tcase_add_test(tcase, nothing_is_left_after_unbind);
    tcase_add_test(tcase, what_cannot_be_bound_leaves_nothing);
    tcase_add_test(tcase, a_path_of_a_killed_process_is_taken_over);
    tcase_add_test(tcase, a_peer_is_known_by_its_uid);
    tcase_add_test(tcase, another_users_uid_is_seen);
    tcase_add_test(tcase, a_peer_over_tcp_has_no_uid);
    tcase_add_test(tcase, a_request_to_nobody_is_not_kept);
    tcase_add_test(tcase, a_peer_that_restarts_is_found_within_a_second);
    tcase_add_test(tcase, a_message_over_the_limit_is_cut_off);
    tcase_add_test(tcase, garbage_on_the_wire_ends_only_its_own_connection);
    tcase_add_test(tcase, there_is_room_for_all_collectors);
    tcase_add_test(tcase, a_watched_socket_calls_its_handler);
    tcase_add_test(tcase, a_socket_whose_changes_are_watched_calls_its_handler);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
