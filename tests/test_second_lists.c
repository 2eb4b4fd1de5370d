#include "second_lists.h"

#include "suite.h"

#define SLOTS 50
#define SPAN 5

static struct second_lists seconds;

static void setup(void)
{
    ck_assert_int_eq(second_lists_init(&seconds, SLOTS, SPAN, 1), 0);
    second_lists_step(&seconds, 1000);
}

static void teardown(void)
{
    second_lists_clear(&seconds);
    second_lists_clear(&seconds);
}

START_TEST(the_oldest_second_comes_first_and_within_it_what_was_filed_first)
{
    uint32_t second;

    second_lists_file(&seconds, 1, 1000);
    second_lists_file(&seconds, 2, 998);
    second_lists_file(&seconds, 3, 998);

    ck_assert_uint_eq(second_lists_oldest(&seconds, &second), 2);
    ck_assert_uint_eq(second, 998);
    second_lists_remove(&seconds, 2);
    ck_assert_uint_eq(second_lists_oldest(&seconds, &second), 3);
    second_lists_refile(&seconds, 3, 1000);
    ck_assert_uint_eq(second_lists_oldest(&seconds, &second), 1);
    ck_assert_uint_eq(second, 1000);
}
END_TEST

START_TEST(what_is_filed_too_late_counts_as_the_oldest_open_second)
{
    uint32_t second;

    second_lists_file(&seconds, 4, 3);

    ck_assert_uint_eq(second_lists_oldest(&seconds, &second), 4);
    ck_assert_uint_eq(second, 1000 - SPAN + 1);
}
END_TEST

/* Slots are filed, moved and taken out at random: each comes due exactly when its second closes. */
START_TEST(slots_come_due_when_their_second_closes)
{
    uint32_t filed[SLOTS] = { 0 };      /* 0 = in no list */

    srandom((unsigned) _i);
    for (uint32_t now = 1001; now < 1400; now++) {
        uint32_t slot, second;
        second_lists_step(&seconds, now);
        while ((slot = second_lists_due(&seconds)) != SLOT_NONE) {
            ck_assert_uint_eq(filed[slot], now - SPAN);
            second_lists_remove(&seconds, slot);
            filed[slot] = 0;
        }
        for (int i = 0; i < 10; i++) {
            slot = (uint32_t) random() % SLOTS;
            second = now - (uint32_t) random() % SPAN;
            if (filed[slot])
                second_lists_refile(&seconds, slot, second);
            else
                second_lists_file(&seconds, slot, second);
            filed[slot] = second;
        }
        uint32_t oldest = UINT32_MAX;
        for (slot = 0; slot < SLOTS; slot++)
            if (filed[slot] && filed[slot] < oldest)
                oldest = filed[slot];
        ck_assert_uint_ge(oldest, now - SPAN + 1);
        slot = second_lists_oldest(&seconds, &second);
        ck_assert_uint_eq(second, oldest);
        ck_assert_uint_eq(filed[slot], oldest);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("second_lists");
    TCase *tcase = tcase_create("order");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, the_oldest_second_comes_first_and_within_it_what_was_filed_first);
    tcase_add_test(tcase, what_is_filed_too_late_counts_as_the_oldest_open_second);
    tcase_add_loop_test(tcase, slots_come_due_when_their_second_closes, 0, 16);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
