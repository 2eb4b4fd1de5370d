#include "access.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "suite.h"

#define ADMIN "0123456789abcdef0123456789abcdef"
#define READER "let-me-read-0123"

static struct config config;
static access_t *access_rules;

static void add(struct config_list *list, const char *item)
{
    strcpy(list->items[list->size++], item);
}

static void setup(void)
{
    config_defaults(&config);
    add(&config.server.trusted_proxies, "10.0.0.0/8");
    add(&config.server.trusted_proxies, "127.0.0.9");
    add(&config.server.allowed_hosts, "ntc.example.org");
    access_rules = access_new(&config, ADMIN);
    ck_assert_ptr_nonnull(access_rules);
}

static void teardown(void)
{
    access_destroy(&access_rules);
}

static struct access_request from(const char *peer, const char *host)
{
    return (struct access_request) { .peer = peer, .host = host };
}

static int judge(const struct access_request *request, enum access_class class)
{
    struct access_verdict verdict = access_judge(access_rules, request, class, 1000 * NS_PER_S);

    ck_assert((verdict.status == 200) == (verdict.why[0] == '\0'));
    return verdict.status;
}

static const struct { const char *peer, *host, *origin; int status; } CHANGES[] = {
    { "127.0.0.1", "localhost:8086", NULL, 200 },
    { "127.0.0.1", "127.0.0.1:8086", "http://127.0.0.1:8086", 200 },
    { "127.0.0.1", "[::1]", NULL, 200 },
    { "127.0.0.1", "ntc.example.org", NULL, 200 },
    { "127.0.0.1", "ntc.example.org", "https://ntc.example.org", 200 },
    /* a foreign page in a browser on the router itself */
    { "127.0.0.1", "localhost:8086", "http://evil.example", 403 },
    { "127.0.0.1", "localhost:8086", "http://localhost:3000", 403 },
    { "127.0.0.1", "localhost:8086", "null", 403 },
    /* a rebound name */
    { "127.0.0.1", "evil.example", NULL, 403 },
    { "127.0.0.1", "evil.example", "http://evil.example", 403 },
    { "127.0.0.1", "127.0.0.1.evil.example", NULL, 403 },
    /* no loopback name, no loopback peer */
    { "127.0.0.1", "192.168.1.1", NULL, 401 },
    { "192.168.1.20", "192.168.1.1:8086", "http://192.168.1.1:8086", 401 },
    { "192.168.1.20", "localhost", NULL, 401 },
    { "192.168.1.20", "127.0.0.1:8086", NULL, 401 },
    { "127.0.0.1", NULL, NULL, 400 }, { "127.0.0.1", "", NULL, 400 },
    { "127.0.0.1", "localhost:8086, evil.example", NULL, 400 },
};

START_TEST(changes_without_a_token_are_for_loopback_only)
{
    struct access_request request = from(CHANGES[_i].peer, CHANGES[_i].host);

    request.origin = CHANGES[_i].origin;
    ck_assert_int_eq(judge(&request, ACCESS_CHANGE), CHANGES[_i].status);
}
END_TEST

START_TEST(a_cross_site_request_changes_nothing_even_with_the_token)
{
    struct access_request request = from("127.0.0.1", "localhost:8086");

    request.authorization = "Bearer " ADMIN;
    request.fetch_site = "cross-site";
    ck_assert_int_eq(judge(&request, ACCESS_CHANGE), 403);
    ck_assert_int_eq(judge(&request, ACCESS_LOGIN), 403);
    request.fetch_site = "same-origin";
    ck_assert_int_eq(judge(&request, ACCESS_CHANGE), 200);
}
END_TEST

static const struct {
    const char *peer, *forwarded_for, *client;
    bool is_unlimited;
} FORWARDED[] = {
    { "192.168.1.20", NULL, "192.168.1.20", false },
    { "192.168.1.20", "1.2.3.4", "192.168.1.20", false },   /* from no proxy of ours */
    { "10.1.1.1", "1.2.3.4", "1.2.3.4", false },
    { "10.1.1.1", "6.6.6.6, 1.2.3.4,10.2.2.2", "1.2.3.4", false },
    { "10.1.1.1", "127.0.0.1", "127.0.0.1", false },
    { "10.1.1.1", "2001:db8::7", "2001:db8::7", false },
    { "10.1.1.1", "[2001:db8::7]:4711", "2001:db8::7", false },
    { "10.1.1.1", "1.2.3.4:4711", "1.2.3.4", false },
    { "10.1.1.1", "10.2.2.2", "10.2.2.2", true },
    { "10.1.1.1", "nonsense", "10.1.1.1", true },
    { "10.1.1.1", "1.2.3.4,", "10.1.1.1", true },
    { "10.1.1.1", NULL, "10.1.1.1", true },
    { "127.0.0.9", NULL, "127.0.0.9", true },
    { "127.0.0.1", NULL, "127.0.0.1", true },
};

START_TEST(the_client_is_the_last_address_that_is_no_proxy)
{
    struct access_request request = from(FORWARDED[_i].peer, "192.168.1.1");
    char client[IP_TEXT_SIZE];

    request.forwarded_for = FORWARDED[_i].forwarded_for;
    request.is_forwarded = request.forwarded_for != NULL;
    struct access_verdict verdict = access_judge(access_rules, &request, ACCESS_OPEN, 1);
    ip_addr_format(verdict.client.bytes, client);
    ck_assert_str_eq(client, FORWARDED[_i].client);
    ck_assert_int_eq(verdict.is_unlimited, FORWARDED[_i].is_unlimited);
}
END_TEST

START_TEST(nothing_that_came_through_a_proxy_is_local)
{
    struct access_request request = from("127.0.0.1", "localhost");

    request.is_forwarded = true;            /* a proxy on this host that nobody told us of */
    ck_assert_int_eq(judge(&request, ACCESS_CHANGE), 401);
    request = from("127.0.0.9", "localhost");   /* one that we know, without its header */
    ck_assert_int_eq(judge(&request, ACCESS_CHANGE), 401);
    request.forwarded_for = "127.0.0.1";
    ck_assert_int_eq(judge(&request, ACCESS_CHANGE), 401);
    request.authorization = "Bearer " ADMIN;
    ck_assert_int_eq(judge(&request, ACCESS_CHANGE), 200);
}
END_TEST

START_TEST(reading_is_open_but_not_under_a_foreign_name)
{
    struct access_request request = from("192.168.1.20", "192.168.1.1:8086");
    char own[80] = "", own_local[96];

    ck_assert_int_eq(judge(&request, ACCESS_READ), 200);
    request.host = "evil.example";
    ck_assert_int_eq(judge(&request, ACCESS_READ), 403);
    ck_assert_int_eq(judge(&request, ACCESS_OPEN), 403);
    gethostname(own, sizeof own - 1);
    own[strcspn(own, ".")] = '\0';
    request.host = own;
    ck_assert_int_eq(judge(&request, ACCESS_READ), 200);
    snprintf(own_local, sizeof own_local, "%s.local", own);
    request.host = own_local;
    ck_assert_int_eq(judge(&request, ACCESS_READ), 200);
    snprintf(own_local, sizeof own_local, "%s.example", own);
    ck_assert_int_eq(judge(&request, ACCESS_READ), 403);
}
END_TEST

START_TEST(links_from_other_sites_work_and_their_scripts_do_not)
{
    struct access_request request = from("192.168.1.20", "192.168.1.1:8086");

    request.fetch_site = "cross-site";
    ck_assert_int_eq(judge(&request, ACCESS_READ), 403);
    request.fetch_mode = "navigate";
    ck_assert_int_eq(judge(&request, ACCESS_READ), 200);
}
END_TEST

START_TEST(with_a_read_token_reading_needs_it)
{
    struct access_request request = from("192.168.1.20", "192.168.1.1");

    strcpy(config.server.read_token, READER);
    ck_assert_int_eq(judge(&request, ACCESS_READ), 401);
    ck_assert_int_eq(judge(&request, ACCESS_OPEN), 200);
    request.authorization = "Bearer " READER;
    ck_assert_int_eq(judge(&request, ACCESS_READ), 200);
    ck_assert_int_eq(judge(&request, ACCESS_CHANGE), 401);
    ck_assert_int_eq(judge(&request, ACCESS_ADMIN), 401);
    request.authorization = "bearer  " ADMIN;
    ck_assert_int_eq(judge(&request, ACCESS_READ), 200);
    ck_assert_int_eq(judge(&request, ACCESS_ADMIN), 200);
    request = from("127.0.0.1", "localhost");
    ck_assert_int_eq(judge(&request, ACCESS_READ), 200);
}
END_TEST

START_TEST(no_admin_token_means_nobody_has_it)
{
    struct access_request request = from("192.168.1.20", "192.168.1.1");

    access_destroy(&access_rules);
    access_rules = access_new(&config, "");
    request.authorization = "Bearer ";
    ck_assert_int_eq(judge(&request, ACCESS_CHANGE), 401);
    request.authorization = "Bearer";
    ck_assert_int_eq(judge(&request, ACCESS_CHANGE), 401);
}
END_TEST

START_TEST(other_schemes_are_somebody_elses)
{
    struct access_request request = from("192.168.1.20", "192.168.1.1");

    request.authorization = "Basic dXNlcjpwYXNz";
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(judge(&request, ACCESS_READ), 200);
}
END_TEST

START_TEST(guessing_tokens_becomes_slow)
{
    struct access_request request = from("192.168.1.20", "192.168.1.1");
    struct access_verdict verdict;
    uint64_t now_ns = 1000 * NS_PER_S;

    request.authorization = "Bearer wrong";
    for (int i = 0; i < 6; i++)
        ck_assert_int_eq(judge(&request, ACCESS_READ), 401);
    verdict = access_judge(access_rules, &request, ACCESS_READ, now_ns);
    ck_assert_int_eq(verdict.status, 429);
    ck_assert_uint_eq(verdict.retry_after_s, 1);
    request.authorization = "Bearer " ADMIN;    /* not even the right one, else waiting is no use */
    ck_assert_int_eq(judge(&request, ACCESS_CHANGE), 429);
    verdict = access_judge(access_rules, &request, ACCESS_CHANGE, now_ns + NS_PER_S);
    ck_assert_int_eq(verdict.status, 200);
    request.peer = "192.168.1.21";
    ck_assert_int_eq(judge(&request, ACCESS_CHANGE), 200);
}
END_TEST

static void log_in(const char *token, char cookie[128])
{
    struct ip_addr client = { { 0 } };
    char id[SESSION_ID_SIZE];
    unsigned wait_s;

    ck_assert_int_eq(access_login(access_rules, &client, token, 1000 * NS_PER_S, id, &wait_s), 0);
    snprintf(cookie, 128, "theme=dark; " ACCESS_COOKIE "=%s; other=1", id);
}

START_TEST(a_session_changes_things_only_from_our_own_page)
{
    struct access_request request = from("192.168.1.20", "192.168.1.1:8086");
    char cookie[128];

    log_in(ADMIN, cookie);
    request.cookie = cookie;
    ck_assert_int_eq(judge(&request, ACCESS_ADMIN), 200);
    ck_assert_int_eq(judge(&request, ACCESS_CHANGE), 401);
    request.origin = "http://192.168.1.1:8086";
    ck_assert_int_eq(judge(&request, ACCESS_CHANGE), 200);
    request.origin = "http://192.168.1.1:9999";
    ck_assert_int_eq(judge(&request, ACCESS_CHANGE), 403);
    request.origin = NULL;
    request.fetch_site = "same-origin";
    ck_assert_int_eq(judge(&request, ACCESS_CHANGE), 200);

    access_logout(access_rules, cookie);
    ck_assert_int_eq(judge(&request, ACCESS_CHANGE), 401);
}
END_TEST

START_TEST(a_read_session_reads)
{
    struct access_request request = from("192.168.1.20", "192.168.1.1:8086");
    char cookie[128];

    strcpy(config.server.read_token, READER);
    log_in(READER, cookie);
    request.cookie = cookie;
    request.origin = "http://192.168.1.1:8086";
    ck_assert_int_eq(judge(&request, ACCESS_READ), 200);
    ck_assert_int_eq(judge(&request, ACCESS_CHANGE), 401);
    request.cookie = ACCESS_COOKIE "=short";
    ck_assert_int_eq(judge(&request, ACCESS_READ), 401);
    request.cookie = "not_" ACCESS_COOKIE "=x; ;;";
    ck_assert_int_eq(judge(&request, ACCESS_READ), 401);
}
END_TEST

START_TEST(wrong_logins_are_refused_and_slowed_down)
{
    struct ip_addr client = { { 1 } };
    char id[SESSION_ID_SIZE];
    unsigned wait_s;

    for (int i = 0; i < 6; i++)
        ck_assert_int_eq(access_login(access_rules, &client, "wrong", 1, id, &wait_s), -EACCES);
    ck_assert_int_eq(access_login(access_rules, &client, ADMIN, 1, id, &wait_s), -EAGAIN);
    ck_assert_uint_eq(wait_s, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("access");
    TCase *tcase = tcase_create("rules");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, changes_without_a_token_are_for_loopback_only, 0,
                        sizeof CHANGES / sizeof CHANGES[0]);
    tcase_add_test(tcase, a_cross_site_request_changes_nothing_even_with_the_token);
    tcase_add_loop_test(tcase, the_client_is_the_last_address_that_is_no_proxy, 0,
                        sizeof FORWARDED / sizeof FORWARDED[0]);
    tcase_add_test(tcase, nothing_that_came_through_a_proxy_is_local);
    tcase_add_test(tcase, reading_is_open_but_not_under_a_foreign_name);
    tcase_add_test(tcase, links_from_other_sites_work_and_their_scripts_do_not);
    tcase_add_test(tcase, with_a_read_token_reading_needs_it);
    tcase_add_test(tcase, no_admin_token_means_nobody_has_it);
    tcase_add_test(tcase, other_schemes_are_somebody_elses);
    tcase_add_test(tcase, guessing_tokens_becomes_slow);
    tcase_add_test(tcase, a_session_changes_things_only_from_our_own_page);
    tcase_add_test(tcase, a_read_session_reads);
    tcase_add_test(tcase, wrong_logins_are_refused_and_slowed_down);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
