#include "list_commands.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "suite.h"
#include "zsock_setup.h"

#define STRANGER 4242

static char folder[64], path[128], endpoint[128];
static ip_list_t *lists;
static list_store_t *store;
static list_keeper_t *keeper;
static list_commands_t *commands;
static struct config_numbers uids;
static struct list_reply reply;
static uint64_t last_id;

/* 198.51.100.1 */
static void is_gateway_around(struct surroundings *ret_surroundings)
{
    *ret_surroundings = (struct surroundings) {
        .gateways = { .size = 1, .items = { { { [10] = 0xff, [11] = 0xff, 198, 51, 100, 1 } } } },
    };
}

static void setup(void)
{
    strcpy(folder, "/tmp/ntc-test-commands-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/lists.json", folder);
    ck_assert_int_eq(zsock_setup_endpoint(endpoint, folder, BUS_COMMANDS), 0);
    lists = ip_list_new(4096, 16);
    ck_assert_int_eq(list_store_open(&store, path), 0);
    keeper = list_keeper_new(lists, store, NULL);
    ck_assert_int_eq(list_commands_open(&commands, keeper, endpoint, 64, &uids,
                                        is_gateway_around), 0);
}

static void teardown(void)
{
    char command[128];

    list_reply_clear(&reply);
    list_commands_destroy(&commands);
    ck_assert_ptr_null(commands);
    list_keeper_destroy(&keeper);
    list_store_destroy(&store);
    ip_list_destroy(&lists);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    ck_assert_int_eq(system(command), 0);
}

/* Ask as `uid`, without a socket. */
static enum list_code ask_as(long uid, struct list_request *request)
{
    uint8_t *bytes, *answer;
    size_t size, answer_size;

    if (request->request_id == 0)
        request->request_id = ++last_id;
    list_reply_clear(&reply);
    ck_assert_int_eq(list_request_encode(request, &bytes, &size), 0);
    ck_assert_int_eq(list_commands_answer(commands, bytes, size, uid, &answer, &answer_size), 0);
    ck_assert_int_eq(list_reply_decode(&reply, answer, answer_size), 0);
    ck_assert_uint_eq(reply.request_id, request->request_id);
    free(bytes);
    free(answer);
    return reply.code;
}

static enum list_code add_as(long uid, const char *prefix)
{
    struct list_request request = { .op = LIST_OP_ADD };

    snprintf(request.prefix, sizeof request.prefix, "%s", prefix);
    return ask_as(uid, &request);
}

static enum list_code take(const char *prefix)
{
    struct list_request request = { .op = LIST_OP_REMOVE };

    snprintf(request.prefix, sizeof request.prefix, "%s", prefix);
    return ask_as(0, &request);
}

START_TEST(what_is_meant_for_another_collector_is_refused)
{
    struct list_request add = { .op = LIST_OP_ADD, .prefix = "192.0.2.1", .collector_id = "attic" };

    list_commands_answer_as(commands, "cellar");
    ck_assert_int_eq(ask_as(0, &add), LIST_BAD_REQUEST);
    ck_assert_str_eq(reply.error, "this is collector \"cellar\", not \"attic\"");
    ck_assert_str_eq(reply.collector_id, "cellar");
    strcpy(add.collector_id, "cellar");
    ck_assert_int_eq(ask_as(0, &add), LIST_OK);
    ck_assert_int_eq(take("192.0.2.1"), LIST_OK);      /* names nobody: whoever hears it */
    ck_assert_str_eq(reply.collector_id, "cellar");
}
END_TEST

START_TEST(an_entry_is_added_listed_and_removed)
{
    struct list_request add = { .op = LIST_OP_ADD, .list = LIST_WHITE, .ttl_s = 60,
                                .prefix = "2001:DB8::1", .reason = "office" };
    struct list_request list = { .list = LIST_WHITE };
    uint64_t before_ns = clock_wall_ns();

    ck_assert_int_eq(ask_as(0, &add), LIST_OK);
    ck_assert_str_eq(reply.prefix, "2001:db8::1");
    ck_assert(reply.changed);
    ck_assert_uint_eq(reply.list_version, 2);

    ck_assert_int_eq(ask_as(STRANGER, &list), LIST_OK);
    ck_assert_uint_eq(reply.entry_count, 1);
    ck_assert_uint_eq(reply.total, 1);
    ck_assert(!reply.more);
    ck_assert_str_eq(reply.entries[0].prefix, "2001:db8::1");
    ck_assert_str_eq(reply.entries[0].reason, "office");
    ck_assert_uint_ge(reply.entries[0].added_unix_ns, before_ns);
    ck_assert_uint_ge(reply.entries[0].expires_unix_ns, before_ns + 59 * NS_PER_S);
    ck_assert_uint_le(reply.entries[0].expires_unix_ns, clock_wall_ns() + 61 * NS_PER_S);

    struct list_request drop = { .op = LIST_OP_REMOVE, .list = LIST_WHITE,
                                 .prefix = "2001:db8::1" };
    ck_assert_int_eq(ask_as(0, &drop), LIST_OK);
    ck_assert_int_eq(take("2001:db8::1"), LIST_NOT_FOUND);
}
END_TEST

START_TEST(bad_input_is_told_what_is_wrong)
{
    struct list_request request = { .op = LIST_OP_ADD, .prefix = "192.0.2.1",
                                    .ttl_s = UINT64_MAX };

    ck_assert_int_eq(add_as(0, "::ffff:192.0.2.1"), LIST_BAD_REQUEST);
    ck_assert_ptr_nonnull(strstr(reply.error, "write 192.0.2.1"));
    ck_assert_int_eq(add_as(0, "10.1.1.1/8"), LIST_BAD_REQUEST);
    ck_assert_ptr_nonnull(strstr(reply.error, "10.0.0.0/8"));
    ck_assert_int_eq(add_as(0, ""), LIST_BAD_REQUEST);
    ck_assert_int_eq(ask_as(0, &request), LIST_BAD_REQUEST);
    ck_assert_ptr_nonnull(strstr(reply.error, "ttl"));
    struct list_request list = { .after = "nonsense" };
    ck_assert_int_eq(ask_as(0, &list), LIST_BAD_REQUEST);
    ck_assert_int_eq(add_as(0, "10.0.0.0/8"), LIST_OK);
}
END_TEST

START_TEST(only_known_users_may_change)
{
    ck_assert_int_eq(add_as(STRANGER, "192.0.2.1"), LIST_NOT_ALLOWED);
    ck_assert_ptr_nonnull(strstr(reply.error, "4242"));
    ck_assert_int_eq(add_as(-1, "192.0.2.1"), LIST_NOT_ALLOWED);
    ck_assert_uint_eq(ip_list_size(lists, NTC_BLACK), 0);
    uids = (struct config_numbers) { .size = 1, .items = { STRANGER } };
    ck_assert_int_eq(add_as(STRANGER, "192.0.2.1"), LIST_OK);
    ck_assert_int_eq(add_as((long) geteuid(), "192.0.2.2"), LIST_OK);
}
END_TEST

START_TEST(a_repeated_request_is_answered_again_and_not_done_again)
{
    struct list_request remove = { .op = LIST_OP_REMOVE, .prefix = "192.0.2.1",
                                   .request_id = 1ull << 40 };

    ck_assert_int_eq(add_as(0, "192.0.2.1"), LIST_OK);
    ck_assert_int_eq(ask_as(0, &remove), LIST_OK);
    ck_assert_int_eq(ask_as(0, &remove), LIST_OK);      /* not NOT_FOUND */
    ck_assert_uint_eq(reply.list_version, 3);
    ck_assert_uint_eq(list_keeper_version(keeper), 3);
    ck_assert_int_eq(ask_as(STRANGER, &remove), LIST_NOT_ALLOWED);
    for (int i = 0; i < 1024; i++)
        ck_assert_int_eq(take("192.0.2.9"), LIST_NOT_FOUND);
    ck_assert_int_eq(ask_as(0, &remove), LIST_NOT_FOUND);       /* forgotten by now */
}
END_TEST

START_TEST(a_change_of_another_version_is_refused)
{
    struct list_request request = { .op = LIST_OP_ADD, .prefix = "192.0.2.1", .request_id = 5,
                                    .expected_version = 7 };

    ck_assert_int_eq(ask_as(0, &request), LIST_REFUSED_VERSION);
    ck_assert_uint_eq(reply.list_version, 1);
    request.expected_version = 1;       /* the same id, now with the right version */
    ck_assert_int_eq(ask_as(0, &request), LIST_OK);
}
END_TEST

START_TEST(pages_show_every_entry_once_in_order)
{
    enum { ENTRIES = 2500, PAGE = 700 };
    struct ip_list_entry entry = { .prefix = { .bits = 128 }, .reason = "" };
    struct list_request request = { .limit = PAGE };
    struct ip_prefix last = { .bits = 0 };
    uint32_t seen = 0;
    char why[200];

    memcpy(entry.prefix.addr.bytes, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a", 13);
    for (int i = 0; i < ENTRIES; i++) {
        entry.prefix.addr.bytes[14] = (uint8_t) (i / 250);
        entry.prefix.addr.bytes[15] = (uint8_t) (i % 250);
        ck_assert_int_eq(ip_list_put(lists, NTC_BLACK, &entry), 0);
    }
    do {
        request.request_id = 0;
        ck_assert_int_eq(ask_as(0, &request), LIST_OK);
        ck_assert_uint_eq(reply.total, ENTRIES);
        for (uint32_t i = 0; i < reply.entry_count; i++) {
            struct ip_prefix prefix;
            ck_assert_int_eq(ip_prefix_parse(reply.entries[i].prefix, &prefix, why, sizeof why), 0);
            ck_assert_int_lt(ip_prefix_compare(&last, &prefix), 0);
            last = prefix;
        }
        seen += reply.entry_count;
        strcpy(request.after, reply.entries[reply.entry_count - 1].prefix);
    } while (reply.more);
    ck_assert_uint_eq(seen, ENTRIES);

    struct list_request all = { .limit = 0 };
    ck_assert_int_eq(ask_as(0, &all), LIST_OK);
    ck_assert_uint_eq(reply.entry_count, LIST_PAGE_MAX);
    ck_assert(reply.more);
}
END_TEST

START_TEST(a_change_that_cuts_off_who_asks_is_refused_unless_forced)
{
    struct list_request request = { .op = LIST_OP_ADD, .prefix = "203.0.113.0/24",
                                    .client = { .bytes = { [10] = 0xff, [11] = 0xff, 203, 0, 113,
                                                           9 } } };

    ck_assert_int_eq(ask_as(0, &request), LIST_LOCK_OUT);
    ck_assert_ptr_nonnull(strstr(reply.error, "203.0.113.9 (who asks for it)"));
    ck_assert_uint_eq(ip_list_size(lists, NTC_BLACK), 0);
    ck_assert_uint_eq(reply.list_version, 1);
    request.force = true;
    request.request_id = 0;
    ck_assert_int_eq(ask_as(0, &request), LIST_OK);
    ck_assert_uint_eq(ip_list_size(lists, NTC_BLACK), 1);
    ck_assert_int_eq(add_as(0, "198.51.100.1"), LIST_LOCK_OUT);
    ck_assert_ptr_nonnull(strstr(reply.error, "198.51.100.1 (default gateway)"));
}
END_TEST

START_TEST(random_bytes_are_answered_and_change_nothing)
{
    uint8_t bytes[300], *answer;
    size_t size;

    srandom((unsigned) _i);
    for (int i = 0; i < 500; i++) {
        size_t length = (size_t) random() % sizeof bytes;
        for (size_t at = 0; at < length; at++)
            bytes[at] = (uint8_t) random();
        ck_assert_int_eq(list_commands_answer(commands, bytes, length, STRANGER, &answer, &size),
                         0);
        ck_assert_int_eq(list_reply_decode(&reply, answer, size), 0);
        list_reply_clear(&reply);
        free(answer);
    }
    ck_assert_uint_eq(list_keeper_version(keeper), 1);
}
END_TEST

/* ---- over a real socket ---- */

static zmq_msg_t exchange(zsock_t *client, const void *bytes, size_t size)
{
    zmq_pollitem_t item = { zsock_resolve(list_commands_socket(commands)), 0, ZMQ_POLLIN, 0 };
    zmq_pollitem_t back = { zsock_resolve(client), 0, ZMQ_POLLIN, 0 };
    zmq_msg_t answer;

    /* REQ sends only once it is connected. */
    zsock_set_sndtimeo(client, 5000);
    ck_assert_int_ge(zmq_send(zsock_resolve(client), bytes, size, 0), 0);
    ck_assert_int_eq(zmq_poll(&item, 1, 5000), 1);
    list_commands_on_request(commands);
    ck_assert_int_eq(zmq_poll(&back, 1, 5000), 1);
    zmq_msg_init(&answer);
    ck_assert_int_ge(zmq_msg_recv(&answer, zsock_resolve(client), 0), 0);
    return answer;
}

START_TEST(the_socket_knows_its_peer_and_survives_nonsense)
{
    struct list_request request = { .op = LIST_OP_ADD, .prefix = "192.0.2.1", .request_id = 9 };
    zsock_t *client = zsock_setup_connect(ZMQ_REQ, endpoint, 16);
    uint8_t *bytes;
    size_t size;

    zmq_msg_t answer = exchange(client, "\xff\xff garbage", 10);
    ck_assert_int_eq(list_reply_decode(&reply, zmq_msg_data(&answer), zmq_msg_size(&answer)), 0);
    ck_assert_int_eq(reply.code, LIST_BAD_REQUEST);
    zmq_msg_close(&answer);

    ck_assert_int_eq(list_request_encode(&request, &bytes, &size), 0);
    ck_assert_int_ge(zmq_send(zsock_resolve(client), "more", 4, ZMQ_SNDMORE), 0);
    answer = exchange(client, bytes, size);
    ck_assert_int_eq(list_reply_decode(&reply, zmq_msg_data(&answer), zmq_msg_size(&answer)), 0);
    ck_assert_int_eq(reply.code, LIST_BAD_REQUEST);
    zmq_msg_close(&answer);

    answer = exchange(client, bytes, size);     /* our own uid, from the socket's credentials */
    ck_assert_int_eq(list_reply_decode(&reply, zmq_msg_data(&answer), zmq_msg_size(&answer)), 0);
    ck_assert_int_eq(reply.code, LIST_OK);
    ck_assert_uint_eq(ip_list_size(lists, NTC_BLACK), 1);
    zmq_msg_close(&answer);
    free(bytes);
    zsock_destroy(&client);
}
END_TEST

START_TEST(a_second_collector_finds_the_path_taken)
{
    list_commands_t *second = NULL;

    ck_assert_int_eq(list_commands_open(&second, keeper, endpoint, 64, &uids, NULL),
                     -EADDRINUSE);
    ck_assert_ptr_null(second);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("list_commands");
    TCase *tcase = tcase_create("requests");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, an_entry_is_added_listed_and_removed);
    tcase_add_test(tcase, what_is_meant_for_another_collector_is_refused);
    tcase_add_test(tcase, bad_input_is_told_what_is_wrong);
    tcase_add_test(tcase, only_known_users_may_change);
    tcase_add_test(tcase, a_repeated_request_is_answered_again_and_not_done_again);
    tcase_add_test(tcase, a_change_of_another_version_is_refused);
    tcase_add_test(tcase, pages_show_every_entry_once_in_order);
    tcase_add_test(tcase, a_change_that_cuts_off_who_asks_is_refused_unless_forced);
    tcase_add_loop_test(tcase, random_bytes_are_answered_and_change_nothing, 0, 8);
    tcase_add_test(tcase, the_socket_knows_its_peer_and_survives_nonsense);
    tcase_add_test(tcase, a_second_collector_finds_the_path_taken);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
