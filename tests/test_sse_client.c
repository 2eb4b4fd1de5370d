#include "sse_client.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "random_values.h"
#include "suite.h"

static struct sse_client client;
static struct page_text page;
static int reader;

static void setup(void)
{
    int ends[2], small = 4096;

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    client = (struct sse_client) { .fd = ends[0] };
    reader = ends[1];
}

static void teardown(void)
{
    close(client.fd);
    close(reader);
}

/* Make a page of positions first to first + count - 1; event p says "<p>" and some padding. */
static void fill(uint64_t first, uint32_t count, uint64_t gaps)
{
    page.page = (struct feed_page) { .first = first, .count = count, .gaps = gaps };
    page.offsets[0] = 0;
    for (uint32_t i = 0; i < count; i++)
        page.offsets[i + 1] = page.offsets[i]
            + (uint32_t) sprintf(page.text + page.offsets[i], "data: <%llu>%*s\n\n",
                                 (unsigned long long) (first + i), (int) (first + i) % 300, "");
}

/* Take what has arrived, at most `size` bytes. */
static size_t take(char *text, size_t size)
{
    ssize_t got = recv(reader, text, size, MSG_DONTWAIT);

    return got > 0 ? (size_t) got : 0;
}

START_TEST(a_reader_gets_each_event_once)
{
    char text[4096];
    uint64_t missed = 0;

    fill(0, 3, 0);
    client.place.position = 1;
    ck_assert_int_eq(sse_client_serve(&client, &page, &missed), 0);
    fill(0, 4, 0);
    ck_assert_int_eq(sse_client_serve(&client, &page, &missed), 0);
    text[take(text, sizeof text - 1)] = '\0';
    ck_assert_str_eq(text, "data: <1> \n\ndata: <2>  \n\ndata: <3>   \n\n");
    ck_assert_uint_eq(missed, 0);
}
END_TEST

START_TEST(what_was_missed_is_told_before_the_next_event)
{
    char text[4096];
    uint64_t missed = 0;

    fill(10, 1, 5);
    ck_assert_int_eq(sse_client_serve(&client, &page, &missed), 0);
    text[take(text, sizeof text - 1)] = '\0';
    ck_assert_str_eq(text, "event: missed\ndata: {\"count\":15}\n\ndata: <10>          \n\n");
    ck_assert_uint_eq(missed, 15);
    ck_assert_int_eq(sse_client_serve(&client, &page, &missed), 0);
    ck_assert_uint_eq(take(text, sizeof text), 0);
}
END_TEST

START_TEST(a_closed_connection_is_noticed)
{
    uint64_t missed = 0;

    close(reader);
    fill(0, 1, 0);
    ck_assert_int_eq(sse_client_serve(&client, &page, &missed), -EPIPE);
    ck_assert_int_eq(sse_client_notify(&client, ": ping\n\n"), -EPIPE);
    reader = -1;
}
END_TEST

/* What a client has been sent: checks that every event is whole and adds up. */
struct received {
    char text[8192];
    size_t size;
    uint64_t next;              /* position of the next event, as the client counts */
};

static void parse(struct received *received)
{
    char *end;

    received->text[received->size] = '\0';
    while ((end = strstr(received->text, "\n\n"))) {
        unsigned long long value;
        int length;
        if (sscanf(received->text, "event: missed\ndata: {\"count\":%llu}", &value) == 1) {
            received->next += value;
        } else if (strncmp(received->text, ": ping", 6) != 0) {
            ck_assert_int_eq(sscanf(received->text, "data: <%llu>%n", &value, &length), 1);
            ck_assert_uint_eq(value, received->next);
            ck_assert_int_eq(end - received->text, length + (int) (value % 300));
            received->next++;
        }
        received->size -= (size_t) (end + 2 - received->text);
        memmove(received->text, end + 2, received->size + 1);
    }
}

/* A reader that stops and goes, pings in between, a ring that overwrites: whatever is cut is cut
 * between events, and events and told misses add up to everything there was. */
START_TEST(nothing_is_cut_and_everything_adds_up)
{
    struct received received = { 0 };
    uint64_t head = 0, missed = 0;

    srandom((unsigned) _i);
    for (int turn = 0; turn < 3000; turn++) {
        head += (uint64_t) random() % 40;
        fill(head > 100 ? head - 100 : 0, (uint32_t) (head > 100 ? 100 : head), 0);
        if (random() % 3 == 0)
            received.size += take(received.text + received.size,
                                  (size_t) random() % (sizeof received.text - received.size));
        parse(&received);
        if (random() % 5 == 0 && !client.blocked)
            ck_assert_int_ne(sse_client_notify(&client, ": ping\n\n"), -EPIPE);
        client.blocked = false;
        if (client.place.position < page.page.first || random() % 2)
            ck_assert_int_ne(sse_client_serve(&client, &page, &missed), -EPIPE);
    }
    for (int turn = 0; turn < 200; turn++) {
        received.size += take(received.text + received.size,
                              sizeof received.text - 1 - received.size);
        parse(&received);
        ck_assert_int_ne(sse_client_serve(&client, &page, &missed), -EPIPE);
    }
    ck_assert_uint_eq(received.next, head);
    ck_assert_uint_gt(missed, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sse_client");
    TCase *tcase = tcase_create("writing");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_reader_gets_each_event_once);
    tcase_add_test(tcase, what_was_missed_is_told_before_the_next_event);
    tcase_add_test(tcase, a_closed_connection_is_noticed);
    tcase_add_loop_test(tcase, nothing_is_cut_and_everything_adds_up, 0, 16);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
