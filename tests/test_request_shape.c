#include "request_shape.h"

#include <stdio.h>
#include <string.h>

#include "suite.h"

#define GET "GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
#define POST "POST /blacklist HTTP/1.1\r\nHost: localhost\r\n"

static const char *why;

static enum request_state judge(const char *text)
{
    why = NULL;
    return request_shape_judge(text, strlen(text), 100, &why);
}

static const char *const WHOLE[] = {
    GET "\r\n", "GET / HTTP/1.0\r\n\r\n", "G\r\n\r\n",
    POST "Content-Length: 2\r\n\r\n{}", POST "content-length:\t2 \r\n\r\n{}and more",
    POST "Content-Length: 0\r\n\r\n", POST "Content-Length: 101\r\n\r\n",
    POST "Content-Length: 99999999999999999999999\r\n\r\n",
    POST "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    POST "Transfer-Encoding: Chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    GET "X-Empty:\r\nX-Odd!#$%&'*+-.^_`|~: a\tb\xff\r\n\r\n",
};

START_TEST(a_whole_request_is_ready_and_no_part_of_it_is)
{
    size_t size = strlen(WHOLE[_i]);
    const char *head = strstr(WHOLE[_i], "\r\n\r\n") + 4;

    ck_assert_msg(judge(WHOLE[_i]) == REQUEST_READY, "%s: %s", WHOLE[_i], why ? why : "waits");
    for (size_t cut = 0; cut < size; cut++) {
        enum request_state state = request_shape_judge(WHOLE[_i], cut, 100, &why);
        ck_assert_int_ne(state, REQUEST_BAD);
        if (WHOLE[_i] + cut < head)
            ck_assert_int_eq(state, REQUEST_WAITS);
    }
}
END_TEST

START_TEST(a_body_is_waited_for)
{
    ck_assert_int_eq(judge(POST "Content-Length: 3\r\n\r\n{}"), REQUEST_WAITS);
    ck_assert_int_eq(judge(POST "Content-Length: 100\r\n\r\n"), REQUEST_WAITS);
    ck_assert_int_eq(judge(POST "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n"),
                     REQUEST_WAITS);
}
END_TEST

static const struct { const char *text, *word; } BAD[] = {
    { "GET / HTTP/1.1\nHost: localhost\n\n", "CR LF" },
    { "GET / HTTP/1.1\r\nHost: localhost\n\r\n", "CR LF" },
    { GET "X: a\rb\r\n\r\n", "CR LF" },
    { GET "X: a\r\r\n\r\n", "CR LF" },
    { "\r\n" GET "\r\n", "empty line" },
    { GET "X: a\r\n b\r\n\r\n", "folded" },
    { GET "X: a\r\n\tb\r\n\r\n", "folded" },
    { GET "X : a\r\n\r\n", "NAME: VALUE" },
    { GET "X\r\n\r\n", "NAME: VALUE" },
    { GET ": a\r\n\r\n", "NAME: VALUE" },
    { GET "X(y): a\r\n\r\n", "NAME: VALUE" },
    { GET "X: a\x01\r\n\r\n", "control" },
    { "GET /\x7f HTTP/1.1\r\n\r\n", "control" },
    { POST "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", "twice" },
    { POST "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", "twice" },
    { POST "Content-Length: 2, 2\r\n\r\n{}", "no number" },
    { POST "Content-Length: +2\r\n\r\n{}", "no number" },
    { POST "Content-Length: -1\r\n\r\n{}", "no number" },
    { POST "Content-Length: 0x2\r\n\r\n{}", "no number" },
    { POST "Content-Length:\r\n\r\n{}", "no number" },
    { POST "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}", "not both" },
    { POST "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n{}", "not both" },
    { POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n", "" },
    { POST "Transfer-Encoding: gzip, chunked\r\n\r\n", "not chunked" },
    { POST "Transfer-Encoding: xchunked\r\n\r\n", "not chunked" },
};

START_TEST(what_can_be_read_in_two_ways_is_refused)
{
    ck_assert_msg(judge(BAD[_i].text) == REQUEST_BAD, "%s", BAD[_i].text);
    ck_assert_msg(strstr(why, BAD[_i].word) != NULL, "%s: %s", BAD[_i].text, why);
}
END_TEST

START_TEST(a_head_that_is_too_long_is_not_waited_for)
{
    char text[REQUEST_HEAD_MAX + 100];

    memset(text, 'x', sizeof text);
    memcpy(text, GET "X: ", sizeof GET "X: " - 1);
    ck_assert_int_eq(request_shape_judge(text, REQUEST_HEAD_MAX - 1, 100, &why), REQUEST_WAITS);
    ck_assert_int_eq(request_shape_judge(text, sizeof text, 100, &why), REQUEST_READY);
}
END_TEST

START_TEST(any_bytes_may_come)
{
    char bytes[600];

    srandom((unsigned) _i);
    for (int round = 0; round < 2000; round++) {
        size_t size = (size_t) random() % sizeof bytes;
        for (size_t i = 0; i < size; i++)
            bytes[i] = "GET /HTP1.:\r\n \tContent-Length0"[random() % 30];
        request_shape_judge(bytes, size, 100, &why);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("request_shape");
    TCase *tcase = tcase_create("heads");

    tcase_add_loop_test(tcase, a_whole_request_is_ready_and_no_part_of_it_is, 0,
                        sizeof WHOLE / sizeof WHOLE[0]);
    tcase_add_test(tcase, a_body_is_waited_for);
    tcase_add_loop_test(tcase, what_can_be_read_in_two_ways_is_refused, 0,
                        sizeof BAD / sizeof BAD[0]);
    tcase_add_test(tcase, a_head_that_is_too_long_is_not_waited_for);
    tcase_add_loop_test(tcase, any_bytes_may_come, 0, 4);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
