#include "page_cache.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "full_snapshot.h"
#include "suite.h"

static latest_t *latest;
static page_cache_t *cache;
static atomic_uint writings;

static void setup(void)
{
    latest = latest_new();
    cache = page_cache_new(64);
    ck_assert(latest && cache);
    writings = 0;
}

static void teardown(void)
{
    page_cache_destroy(&cache);
    page_cache_destroy(&cache);
    latest_destroy(&latest);
}

static void write_page(struct text_buffer *text, const struct latest_view *view, void *arg)
{
    ck_assert_ptr_eq(arg, &writings);
    atomic_fetch_add(&writings, 1);
    text_buffer_printf(text, "%u collectors, %s", view->snapshot->collector_count,
                       PEER_STATE_WORDS[view->state]);
}

static struct cached_page take(uint64_t now_ns, uint64_t stamp)
{
    return page_cache_take(cache, latest, now_ns, (struct page_stamp) { { stamp, 0 } }, write_page,
                           &writings);
}

/* Ask, and compare the text and how often it has been written by now. */
static void ask(uint64_t now_ns, uint64_t stamp, const char *expected, unsigned written)
{
    struct cached_page page = take(now_ns, stamp);

    ck_assert_ptr_nonnull(page.text);
    ck_assert_uint_eq(page.text->size, strlen(expected));
    ck_assert_mem_eq(page.text->data, expected, page.text->size);
    ck_assert_uint_eq(writings, written);
    page_cache_release(&page);
}

START_TEST(a_page_is_written_once_for_each_snapshot)
{
    ask(1, 0, "0 collectors, away", 1);
    ask(2, 0, "0 collectors, away", 1);
    latest_put(latest, full_snapshot(1), 3);
    ask(3, 0, "1 collectors, live", 2);
    ask(4, 0, "1 collectors, live", 2);
    latest_put(latest, full_snapshot(3), 5);
    latest_put(latest, full_snapshot(2), 5);
    ask(5, 0, "2 collectors, live", 3);
}
END_TEST

START_TEST(a_page_is_written_anew_when_it_is_old_or_shows_something_else)
{
    latest_put(latest, full_snapshot(1), 0);
    ask(0, 0, "1 collectors, live", 1);
    ask(PAGE_CACHE_MAX_NS - 1, 0, "1 collectors, live", 1);
    ask(PAGE_CACHE_MAX_NS, 0, "1 collectors, live", 2);
    ask(PAGE_CACHE_MAX_NS, 7, "1 collectors, live", 3);
    ask(PAGE_CACHE_MAX_NS, 7, "1 collectors, live", 3);
    ask(29 * NS_PER_S / 10, 7, "1 collectors, live", 4);
    ask(31 * NS_PER_S / 10, 7, "1 collectors, stale", 5);
}
END_TEST

START_TEST(a_held_page_outlives_the_next_one)
{
    struct cached_page page = take(0, 0);

    latest_put(latest, full_snapshot(1), 1);
    ask(1, 0, "1 collectors, live", 2);
    page_cache_destroy(&cache);
    ck_assert_mem_eq(page.text->data, "0 collectors, away", page.text->size);
    page_cache_release(&page);
    page_cache_release(&page);
}
END_TEST

static void write_too_much(struct text_buffer *text, const struct latest_view *view, void *arg)
{
    (void) view;
    (void) arg;
    for (int i = 0; i < 10; i++)
        text_buffer_puts(text, "0123456789");
}

START_TEST(a_page_that_is_too_long_says_so)
{
    struct cached_page page = page_cache_take(cache, latest, 0, (struct page_stamp) { { 0 } },
                                              write_too_much, NULL);

    ck_assert(page.text->failed);
    page_cache_release(&page);
}
END_TEST

static void *ask_often(void *arg)
{
    (void) arg;
    for (int i = 0; i < 2000; i++) {
        struct cached_page page = take((uint64_t) i, 0);
        ck_assert_uint_gt(page.text->size, 10);
        page_cache_release(&page);
    }
    return NULL;
}

START_TEST(many_threads_ask_and_one_writes)
{
    enum { THREADS = 8, SNAPSHOTS = 50 };
    pthread_t threads[THREADS];

    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, ask_often, NULL), 0);
    for (uint32_t i = 0; i < SNAPSHOTS; i++)
        latest_put(latest, full_snapshot(1 + i % 3), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    ck_assert_uint_le(writings, SNAPSHOTS + 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("page_cache");
    TCase *tcase = tcase_create("pages");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_page_is_written_once_for_each_snapshot);
    tcase_add_test(tcase, a_page_is_written_anew_when_it_is_old_or_shows_something_else);
    tcase_add_test(tcase, a_held_page_outlives_the_next_one);
    tcase_add_test(tcase, a_page_that_is_too_long_says_so);
    tcase_add_test(tcase, many_threads_ask_and_one_writes);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
