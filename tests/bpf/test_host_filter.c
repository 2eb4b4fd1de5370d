/* The bits that save look-ups: none is missing, and few are left over. */
#include "kernel_fixture.h"

#include <stdio.h>
#include <stdlib.h>

#include "suite.h"

enum { ADDRESSES = 3000 };

static struct kernel_list_item item_of(int i)
{
    char text[40];

    if (i % 2)
        snprintf(text, sizeof text, "2001:db8::%x", i);
    else
        snprintf(text, sizeof text, "10.0.%d.%d", i >> 8, i & 255);
    return list_item(i % 3 ? NTC_BLACK : NTC_WHITE, text, 0);
}

static bool has_bit(int i)
{
    const struct host_filter *filter = kernel_source_host_filter(source);
    struct kernel_list_item item = item_of(i);
    uint32_t bit = ntc_filter_bit(item.prefix.addr.bytes, filter->seed);

    return filter->shared->bits[bit / 64] >> (bit & 63) & 1;
}

static uint32_t bits_set(void)
{
    const struct host_filter *filter = kernel_source_host_filter(source);
    uint32_t count = 0;

    for (uint32_t i = 0; i < NTC_FILTER_WORDS; i++)
        count += (uint32_t) __builtin_popcountll(filter->shared->bits[i]);
    return count;
}

START_TEST(a_listed_address_always_has_its_bit)
{
    static bool listed[ADDRESSES];
    int count = 0;

    srandom((unsigned) _i);
    for (int step = 0; step < 4 * ADDRESSES; step++) {
        int i = (int) (random() % ADDRESSES);
        struct kernel_list_item item = item_of(i);
        /* more come than go, then more go than come */
        if (random() % 4 < (step < 2 * ADDRESSES ? 3 : 1)) {
            ck_assert_int_eq(kernel_lists_put(source, &item), 0);
            count += !listed[i];
            listed[i] = true;
        } else if (listed[i]) {
            ck_assert_int_eq(kernel_lists_remove(source, &item), 0);
            count--;
            listed[i] = false;
        }
        if (step % 500 == 0)
            for (int n = 0; n < ADDRESSES; n++)
                ck_assert(!listed[n] || has_bit(n));
    }
    ck_assert_int_gt(count, 0);
    for (int n = 0; n < ADDRESSES; n++)
        ck_assert(!listed[n] || has_bit(n));
    /* What was removed and is not forgotten yet is at most half as many, and 64. */
    ck_assert_uint_le(bits_set(), (uint32_t) (count + count / 2 + 64 + 1));
}
END_TEST

START_TEST(replacing_the_lists_forgets_what_they_held)
{
    struct kernel_list_item kept = item_of(7);

    for (int i = 0; i < 50; i++) {
        struct kernel_list_item item = item_of(i);
        ck_assert_int_eq(kernel_lists_put(source, &item), 0);
    }
    ck_assert_int_eq(kernel_lists_replace(source, &kept, 1), 0);
    ck_assert(has_bit(7));
    ck_assert_uint_eq(bits_set(), 1);
    ck_assert_int_eq(kernel_lists_replace(source, NULL, 0), 0);
    ck_assert_uint_eq(bits_set(), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("host_filter");
    TCase *tcase = tcase_create("bits");

    tcase_add_checked_fixture(tcase, kernel_setup, kernel_teardown);
    tcase_add_loop_test(tcase, a_listed_address_always_has_its_bit, 0, 4);
    tcase_add_test(tcase, replacing_the_lists_forgets_what_they_held);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
