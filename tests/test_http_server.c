#include "http_server.h"

#include "gateway_rig.h"

static struct rig rig;

static void setup(void)
{
    rig_init(&rig);
    rig_start(&rig);
}

static void teardown(void)
{
    rig_finish(&rig);
}

static void answers(struct rig_answer answer, int status, const char *says)
{
    ck_assert_msg(answer.status == status, "%d, not %d: %s", answer.status, status, answer.body);
    ck_assert_msg(strstr(answer.body, says) != NULL, "\"%s\" is not in: %s", says, answer.body);
    rig_free(&answer);
}

START_TEST(every_answer_has_the_security_headers_and_a_length)
{
    static const char *const PATHS[] = { "/", "/healthz", "/metrics", "/api/summary", "/nothing",
                                         "/a%2fb" };
    static const char *const HEADERS[] = {
        "\r\nContent-Security-Policy: default-src 'self'",
        "\r\nX-Content-Type-Options: nosniff\r\n", "\r\nX-Frame-Options: DENY\r\n",
        "\r\nReferrer-Policy: no-referrer\r\n",
        "\r\nContent-Length: ", "\r\nCache-Control: no-",
    };

    for (size_t i = 0; i < sizeof PATHS / sizeof PATHS[0]; i++) {
        struct rig_answer answer = rig_get(&rig, PATHS[i]);
        for (size_t n = 0; n < sizeof HEADERS / sizeof HEADERS[0]; n++)
            ck_assert_msg(strstr(answer.head, HEADERS[n]) != NULL, "%s: %s", PATHS[i], answer.head);
        ck_assert_ptr_null(strstr(answer.head, "Access-Control"));
        rig_free(&answer);
    }
}
END_TEST

static const struct { const char *path; int status; } PATHS[] = {
    { "/healthz", 200 }, { "/healthz/", 404 }, { "/healthzz", 404 }, { "/healthz?", 200 },
    { "/API/summary", 404 }, { "/api", 404 }, { "/api/summary/x", 404 }, { "//healthz", 400 },
    { "/api/../healthz", 400 }, { "/./healthz", 400 }, { "/..", 400 }, { "/api/.", 400 },
    { "/api%2fsummary", 400 }, { "/%2e%2e/etc/passwd", 400 }, { "/api/%2e%2e/healthz", 400 },
    { "/health%7a", 400 }, { "/a\\b", 400 }, { "/a%00b", 400 }, { "/a%0d%0aX:1", 400 },
    { "/favicon.ico", 404 }, { "/.htpasswd", 404 }, { "/index.php", 404 }, { "/x.cgi", 404 },
    { "/blacklist?ip=1.2.3.4", 400 }, { "/api/history?seconds=0", 400 },
    { "/api/flows?limit=1001", 400 }, { "/api/flows?bytes=1", 400 },
    { "/api/flows?sort=size", 400 }, { "/api/flows?offset=9999&limit=2", 400 },
    { "/api/ips?port=80", 400 }, { "/events?ip=1", 400 }, { "/events?proto=%zz", 400 },
};

START_TEST(paths_and_parameters_are_taken_exactly)
{
    struct rig_answer answer = rig_get(&rig, PATHS[_i].path);

    ck_assert_msg(answer.status == PATHS[_i].status, "%s: %d", PATHS[_i].path, answer.status);
    if (answer.status != 200)
        ck_assert_mem_eq(answer.body, "{\"ok\":false,\"error\":\"", 21);
    rig_free(&answer);
}
END_TEST

static const struct { const char *method, *path, *allow; } METHODS[] = {
    { "POST", "/metrics", "GET, HEAD" }, { "DELETE", "/api/summary", "GET, HEAD" },
    { "OPTIONS", "/blacklist", "GET, HEAD, POST, DELETE" },
    { "PUT", "/whitelist", "GET, HEAD, POST, DELETE" },
    { "PATCH", "/events", "GET, HEAD" }, { "GET", "/api/login", "POST" },
    { "PROPFIND", "/healthz", "GET, HEAD" }, { "LOCK", "/blacklist", "GET, HEAD, POST, DELETE" },
    { "POST", "/", "GET, HEAD" },
};

START_TEST(other_methods_are_told_which_there_are)
{
    struct rig_answer answer = rig_request(&rig, METHODS[_i].method, METHODS[_i].path,
                                           "Origin: http://evil.example\r\n"
                                           "Access-Control-Request-Method: DELETE\r\n", "");
    char allow[80];

    snprintf(allow, sizeof allow, "\r\nAllow: %s\r\n", METHODS[_i].allow);
    ck_assert_int_eq(answer.status, 405);
    ck_assert_msg(strstr(answer.head, allow) != NULL, "%s", answer.head);
    ck_assert_ptr_null(strstr(answer.head, "Access-Control"));
    rig_free(&answer);
}
END_TEST

START_TEST(head_is_get_without_a_body)
{
    struct rig_answer get = rig_get(&rig, "/"), head = rig_request(&rig, "HEAD", "/", "", "");

    ck_assert_int_eq(head.status, 200);
    ck_assert_str_eq(head.head, get.head);
    ck_assert_uint_eq(head.size, 0);
    rig_free(&get);
    rig_free(&head);
    answers(rig_request(&rig, "HEAD", "/events", "", ""), 200, "");
    ck_assert_uint_eq(sse_clients_count(rig.gateway.sse), 0);
}
END_TEST

#define POST_LIST "POST /blacklist HTTP/1.1\r\nConnection: close\r\n"
#define BLACKLIST POST_LIST "Content-Type: application/json\r\n"

static const struct { const char *request; int status; } REQUESTS[] = {
    { "GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n", 400 },
    { "GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n"
      "Connection: close\r\n\r\n", 400 },
    { "GET /healthz HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n", 403 },
    { "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1.evil.example\r\nConnection: close\r\n\r\n", 403 },
    { "GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n", 200 },
    { "GARBAGE\r\n\r\n", 400 },
    { "GET /healthz HTTP/9.9\r\nHost: localhost\r\n\r\n", 505 },
    { BLACKLIST "Host: localhost\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}", 400 },
    { BLACKLIST "Host: localhost\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n"
      "2\r\n{}\r\n0\r\n\r\n", 400 },
    { BLACKLIST "Host: localhost\r\nContent-Length: 99999999999999999999\r\n\r\n", 413 },
    { BLACKLIST "Host: localhost\r\nContent-Length: -1\r\n\r\n", 400 },
    { BLACKLIST "Host: localhost\r\n\r\n", 411 },
    /* what a page of another site can make a browser on this host send */
    { BLACKLIST "Host: localhost\r\nOrigin: http://evil.example\r\nContent-Length: 16\r\n\r\n"
      "{\"ip\":\"1.2.3.4\"}", 403 },
    { BLACKLIST "Host: evil.example\r\nContent-Length: 16\r\n\r\n{\"ip\":\"1.2.3.4\"}", 403 },
    { BLACKLIST "Host: localhost\r\nSec-Fetch-Site: cross-site\r\nContent-Length: 16\r\n\r\n"
      "{\"ip\":\"1.2.3.4\"}", 403 },
    { BLACKLIST "Host: localhost\r\nOrigin: null\r\nContent-Length: 16\r\n\r\n"
      "{\"ip\":\"1.2.3.4\"}", 403 },
    { BLACKLIST "Host: 192.168.1.1\r\nContent-Length: 16\r\n\r\n{\"ip\":\"1.2.3.4\"}", 401 },
    { BLACKLIST "Host: localhost\r\nX-Forwarded-For: 1.1.1.1\r\nContent-Length: 16\r\n\r\n"
      "{\"ip\":\"1.2.3.4\"}", 401 },
    { POST_LIST "Host: localhost\r\nContent-Type: text/plain\r\n"
      "Content-Length: 16\r\n\r\n{\"ip\":\"1.2.3.4\"}", 415 },
    { POST_LIST "Host: localhost\r\nContent-Type: text/plain\r\n"
      "Origin: http://evil.example\r\nContent-Length: 16\r\n\r\n{\"ip\":\"1.2.3.4\"}", 403 },
    { POST_LIST "Host: localhost\r\n"
      "Content-Type: application/jsonx\r\nContent-Length: 2\r\n\r\n{}", 415 },
    { "DELETE /blacklist?ip=1.2.3.4 HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\n"
      "Connection: close\r\n\r\n", 403 },
    { "POST /api/login HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\n"
      "Content-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}", 403 },
};

START_TEST(requests_are_looked_at_before_they_are_served)
{
    answers(rig_ask(&rig, REQUESTS[_i].request), REQUESTS[_i].status, "");
}
END_TEST

static const struct { const char *body, *says; } BODIES[] = {
    { "", "no valid JSON" }, { "{", "no valid JSON" }, { "nonsense", "no valid JSON" },
    { "{\"ip\":\"1.2.3.4\"} x", "no valid JSON" },
    { "{\"ip\":\"1.2.3.4\",\"ip\":\"1.2.3.5\"}", "no valid JSON" },
    { "\xff\xfe", "no valid JSON" }, { "{\"ip\":\"\\u0000\"}", "no valid JSON" },
    { "[]", "must be a JSON object" }, { "\"1.2.3.4\"", "no valid JSON" },
    { "{}", "ip: is missing" }, { "{\"ip\":null}", "ip: must be a string" },
    { "{\"ip\":1}", "ip: must be a string" },
    { "{\"address\":\"1.2.3.4\"}", "\\\"address\\\" is no key here" },
    { "{\"ip\":\"1.2.3.4\",\"ttl\":\"5\"}", "ttl: must be a whole number" },
    { "{\"ip\":\"1.2.3.4\",\"ttl\":1.5}", "ttl: must be a whole number" },
    { "{\"ip\":\"1.2.3.4\",\"ttl\":0}", "ttl: 0 is no number of seconds" },
    { "{\"ip\":\"1.2.3.4\",\"ttl\":-5}", "ttl: -5 is no number of seconds" },
    { "{\"ip\":\"1.2.3.4\",\"reason\":\"a\\nb\"}", "reason: has a control character" },
    { "{\"ip\":\"localhost\"}", "is no IP address" },
    { "{\"ip\":\"1.2.3.4/24\"}", "write 1.2.3.0/24" },
    { "{\"ip\":\"::ffff:1.2.3.4\"}", "write 1.2.3.4" }, { "{\"ip\":\"1.2.3.4/33\"}", "/0 to /32" },
    { "[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]", "nested more than" },
};

START_TEST(bad_bodies_are_refused_with_a_sentence)
{
    answers(rig_post(&rig, "/blacklist", "", BODIES[_i].body), 400, BODIES[_i].says);
}
END_TEST

START_TEST(long_reasons_are_refused)
{
    char body[512], reason[202];

    memset(reason, 'x', sizeof reason - 1);
    reason[sizeof reason - 1] = '\0';
    snprintf(body, sizeof body, "{\"ip\":\"1.2.3.4\",\"reason\":\"%s\"}", reason);
    answers(rig_post(&rig, "/blacklist", "", body), 400, "reason: is longer than 200 bytes");
}
END_TEST

/* The answer arrives although the client sends ten megabytes first. */
START_TEST(a_body_of_ten_megabytes_is_413)
{
    size_t size = 10 * 1000 * 1000;
    int fd = rig_connect(&rig);
    char *body = malloc(size);

    memset(body, ' ', size);
    rig_send(fd, BLACKLIST "Host: localhost\r\nContent-Length: 10000000\r\n\r\n");
    ck_assert_int_eq(send(fd, body, size, MSG_NOSIGNAL), (ssize_t) size);
    free(body);
    answers(rig_receive(fd), 413, "longer than 65536 bytes");
}
END_TEST

START_TEST(a_chunked_body_is_read_up_to_its_limit)
{
    char chunk[8 + 0x10001 + 16];

    answers(rig_request(&rig, "POST", "/blacklist",
                        "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n",
                        "4\r\n{\"ip\r\n7\r\n\":\"x\"}\n\r\n0\r\n\r\n"), 400,
            "\\\"x\\\" is no IP address");
    memset(chunk, ' ', sizeof chunk);
    memcpy(chunk, "10001\r\n", 7);
    strcpy(chunk + 7 + 0x10001, "\r\n0\r\n\r\n");
    answers(rig_request(&rig, "POST", "/blacklist",
                        "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n", chunk),
            413, "longer than");
}
END_TEST

START_TEST(too_many_or_too_long_headers_are_refused)
{
    char headers[16384];
    size_t length = 0;

    for (int i = 0; i < 70; i++)
        length += (size_t) sprintf(headers + length, "X-%d: y\r\n", i);
    answers(rig_request(&rig, "GET", "/healthz", headers, ""), 431, "more than 63 headers");
    length = (size_t) sprintf(headers, "X-Long: ");
    memset(headers + length, 'x', 10000);
    strcpy(headers + length + 10000, "\r\n");
    struct rig_answer answer = rig_request(&rig, "GET", "/healthz", headers, "");
    ck_assert_int_ge(answer.status, 400);
    ck_assert_int_lt(answer.status, 500);
    rig_free(&answer);
}
END_TEST

/* So nothing that hides behind a request is taken for the next one. */
START_TEST(a_connection_serves_one_request)
{
    int fd = rig_connect(&rig);

    rig_send(fd, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
                 "GET /api/session HTTP/1.1\r\nHost: localhost\r\n\r\n");
    struct rig_answer answer = rig_receive(fd);
    ck_assert_int_eq(answer.status, 200);
    ck_assert_ptr_nonnull(strstr(answer.head, "Connection: close\r\n"));
    ck_assert_str_eq(answer.body, "{\"ok\":true}");
    rig_free(&answer);
}
END_TEST

/* What is not there whole takes no thread, whether it is the head or the body that drips. */
START_TEST(slow_requests_hold_up_nobody)
{
    static const char *const BEGINNINGS[] = {
        "", "GET /healthz HTTP/1.1\r\nHost: loc", "POST /blacklist HTTP/1.1\r\nHost: localhost\r\n"
        "Content-Type: application/json\r\nContent-Length: 500\r\n\r\n{\"ip\":",
        "POST /blacklist HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        "Transfer-Encoding: chunked\r\n\r\n4\r\n{\"ip\r\n",
    };
    enum { SLOW = 200 };
    int fds[SLOW];

    for (int i = 0; i < SLOW; i++) {
        fds[i] = rig_connect(&rig);
        rig_send(fds[i], BEGINNINGS[i % 4]);
    }
    uint64_t began_ns = clock_monotonic_ns();
    for (int i = 0; i < 20; i++)
        answers(rig_get(&rig, "/healthz"), 200, "true");
    ck_assert_uint_lt(clock_monotonic_ns() - began_ns, 4 * NS_PER_S);
    for (int i = 0; i < SLOW; i++)
        close(fds[i]);
}
END_TEST

START_TEST(logging_in_gives_a_session_and_logging_out_ends_it)
{
    char token[128] = "", body[256], cookie[256] = "";
    FILE *file = fopen(rig.gateway.token_path, "r");

    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fscanf(file, "%127s", token), 1);
    fclose(file);
    snprintf(body, sizeof body, "{\"token\":\"%s\"}", token);
    struct rig_answer answer = rig_post(&rig, "/api/login", "Origin: http://localhost\r\n", body);
    ck_assert_int_eq(answer.status, 200);
    const char *set = strstr(answer.head, "Set-Cookie: ntc_session=");
    ck_assert_ptr_nonnull(set);
    ck_assert_ptr_nonnull(strstr(set, "; Path=/; HttpOnly; SameSite=Strict\r\n"));
    sscanf(set, "Set-Cookie: %200[^;]", body);
    rig_free(&answer);

    /* as from elsewhere: a proxy's header makes the request no local one */
    snprintf(cookie, sizeof cookie, "Cookie: %s\r\nVia: x\r\n", body);
    answers(rig_request(&rig, "GET", "/api/session", cookie, ""), 200, "{\"admin\":true");
    answers(rig_request(&rig, "GET", "/api/session", "Via: x\r\n", ""), 200,
            "{\"admin\":false,\"login_required\":false,\"read\":true,\"client_ip\":\"127.0.0.1\"");
    answers(rig_request(&rig, "GET", "/api/config", cookie, ""), 200, "\"read_token\":\"\"");
    answers(rig_request(&rig, "GET", "/api/config", "Via: x\r\n", ""), 401, "admin token");
    answers(rig_post(&rig, "/api/logout", cookie, ""), 200, "{\"ok\":true}");
    answers(rig_request(&rig, "GET", "/api/session", cookie, ""), 200, "{\"admin\":false");
    answers(rig_post(&rig, "/api/login", "", "{\"token\":\"wrong\"}"), 401, "the token is wrong");
}
END_TEST

START_TEST(the_plain_page_is_complete)
{
    answers(rig_get(&rig, "/"), 200, "plain_page.js");
    answers(rig_get(&rig, "/plain_page.js"), 200, "EventSource");
    answers(rig_get(&rig, "/plain_page.css"), 200, "table");
    answers(rig_request(&rig, "GET", "/flows/2001:db8::1", "Accept: text/html,*/*\r\n", ""), 200,
            "plain_page.js");
    answers(rig_get(&rig, "/flows"), 404, "nothing here");
    answers(rig_request(&rig, "GET", "/old.html", "Accept: text/html\r\n", ""), 404, "nothing");
}
END_TEST

START_TEST(an_unchanged_file_is_not_sent_again)
{
    char etag[80], headers[128];
    struct rig_answer answer = rig_get(&rig, "/plain_page.js");

    ck_assert_int_eq(sscanf(strstr(answer.head, "ETag: "), "ETag: %40s", etag), 1);
    ck_assert_ptr_nonnull(strstr(answer.head, "Cache-Control: no-cache\r\n"));
    rig_free(&answer);
    snprintf(headers, sizeof headers, "If-None-Match: %s\r\n", etag);
    answer = rig_request(&rig, "GET", "/plain_page.js", headers, "");
    ck_assert_int_eq(answer.status, 304);
    ck_assert_uint_eq(answer.size, 0);
    rig_free(&answer);
}
END_TEST

static uint64_t stop_ms(void)
{
    uint64_t began_ns = clock_monotonic_ns();

    rig_stop(&rig);
    return (clock_monotonic_ns() - began_ns) / NS_PER_MS;
}

START_TEST(silent_and_idle_connections_do_not_hold_up_the_stop)
{
    char text[2048] = "";
    int silent = rig_connect(&rig), half = rig_connect(&rig), idle = rig_connect(&rig);
    int body = rig_connect(&rig);

    rig_send(half, "GET /healthz HT");
    rig_send(body, BLACKLIST "Host: localhost\r\nContent-Length: 10\r\n\r\n{");
    rig_send(idle, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    rig_read_until(idle, text, sizeof text, "true");
    ck_assert_uint_lt(stop_ms(), 1000);
    close(silent);
    close(half);
    close(idle);
    close(body);
}
END_TEST

START_TEST(a_taken_port_is_told)
{
    struct rig second;
    char why[512] = "", wanted[80];
    unsigned port = http_server_port(rig.gateway.server);

    rig_init(&second);
    second.config.server.port = port;
    second.loop = zloop_new();
    ck_assert_int_eq(gateway_open(&second.gateway, second.loop, &second.config, NULL, why),
                     -EADDRINUSE);
    snprintf(wanted, sizeof wanted, "cannot listen on 127.0.0.1 port %u: Address already in use",
             port);
    ck_assert_str_eq(why, wanted);
    gateway_close(&second.gateway);
    zloop_destroy(&second.loop);
    rig_finish(&second);
}
END_TEST

START_TEST(everything_is_below_the_base_path)
{
    rig_stop(&rig);
    strcpy(rig.config.server.base_path, "/ntc/");
    rig_start(&rig);
    answers(rig_get(&rig, "/ntc/healthz"), 200, "true");
    answers(rig_get(&rig, "/ntc/"), 200, "plain_page.js");
    answers(rig_get(&rig, "/healthz"), 404, "");
    answers(rig_get(&rig, "/ntcx/healthz"), 404, "");
    struct rig_answer answer = rig_get(&rig, "/ntc");
    ck_assert_int_eq(answer.status, 308);
    ck_assert_ptr_nonnull(strstr(answer.head, "\r\nLocation: /ntc/\r\n"));
    rig_free(&answer);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("http_server");
    TCase *tcase = tcase_create("requests");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, every_answer_has_the_security_headers_and_a_length);
    tcase_add_loop_test(tcase, paths_and_parameters_are_taken_exactly, 0,
                        sizeof PATHS / sizeof PATHS[0]);
    tcase_add_loop_test(tcase, other_methods_are_told_which_there_are, 0,
                        sizeof METHODS / sizeof METHODS[0]);
    tcase_add_test(tcase, head_is_get_without_a_body);
    tcase_add_loop_test(tcase, requests_are_looked_at_before_they_are_served, 0,
                        sizeof REQUESTS / sizeof REQUESTS[0]);
    tcase_add_loop_test(tcase, bad_bodies_are_refused_with_a_sentence, 0,
                        sizeof BODIES / sizeof BODIES[0]);
    tcase_add_test(tcase, long_reasons_are_refused);
    tcase_add_test(tcase, a_body_of_ten_megabytes_is_413);
    tcase_add_test(tcase, a_chunked_body_is_read_up_to_its_limit);
    tcase_add_test(tcase, too_many_or_too_long_headers_are_refused);
    tcase_add_test(tcase, a_connection_serves_one_request);
    tcase_add_test(tcase, slow_requests_hold_up_nobody);
    tcase_add_test(tcase, logging_in_gives_a_session_and_logging_out_ends_it);
    tcase_add_test(tcase, the_plain_page_is_complete);
    tcase_add_test(tcase, an_unchanged_file_is_not_sent_again);
    tcase_add_test(tcase, silent_and_idle_connections_do_not_hold_up_the_stop);
    tcase_add_test(tcase, a_taken_port_is_told);
    tcase_add_test(tcase, everything_is_below_the_base_path);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
