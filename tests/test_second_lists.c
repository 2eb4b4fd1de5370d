#include "second_lists.h"

#include "suite.h"

#define SLOTS 50
#define SPAN 5

static struct second_lists seconds;

static void setup(void)
{
    ck_assert_int_eq(second_lists_init(&seconds, SLOTS, SPAN, 0), 0);
    second_lists_step(&seconds, 1000);
}

static void teardown(void)
{
    second_lists_clear(&seconds);
    second_lists_clear(&seconds);
}

static uint32_t file(uint32_t second)
{
    uint32_t slot = second_lists_take(&seconds);

    ck_assert_uint_lt(slot, SLOTS);
    second_lists_file(&seconds, slot, second);
    return slot;
}

START_TEST(every_slot_is_taken_once_and_the_last_released_comes_first)
{
    for (uint32_t i = 0; i < SLOTS; i++)
        ck_assert_uint_eq(file(1000), i);
    ck_assert_uint_eq(second_lists_take(&seconds), SLOT_NONE);
    second_lists_release(&seconds, 7);
    second_lists_release(&seconds, 9);
    ck_assert_uint_eq(second_lists_take(&seconds), 9);
    ck_assert_uint_eq(second_lists_take(&seconds), 7);
    ck_assert_uint_eq(second_lists_take(&seconds), SLOT_NONE);
}
END_TEST

START_TEST(the_oldest_second_comes_first_and_within_it_what_was_filed_first)
{
    uint32_t young = file(1000), first = file(998), second = file(998), at;

    ck_assert_uint_eq(second_lists_oldest(&seconds, &at), first);
    ck_assert_uint_eq(at, 998);
    second_lists_release(&seconds, first);
    ck_assert_uint_eq(second_lists_oldest(&seconds, &at), second);
    second_lists_refile(&seconds, second, 1000);
    ck_assert_uint_eq(second_lists_oldest(&seconds, &at), young);
    ck_assert_uint_eq(at, 1000);
}
END_TEST

START_TEST(what_is_filed_too_late_counts_as_the_oldest_open_second)
{
    uint32_t late = file(3), at;

    ck_assert_uint_eq(second_lists_oldest(&seconds, &at), late);
    ck_assert_uint_eq(at, 1000 - SPAN + 1);
}
END_TEST

static uint32_t oldest_of(const uint32_t filed[SLOTS])
{
    uint32_t oldest = UINT32_MAX;

    for (uint32_t slot = 0; slot < SLOTS; slot++)
        if (filed[slot] && filed[slot] < oldest)
            oldest = filed[slot];
    return oldest;
}

/* Slots are filed, moved and released at random: each comes due exactly when its second closes. */
START_TEST(slots_come_due_when_their_second_closes)
{
    uint32_t filed[SLOTS] = { 0 };      /* 0 = unused */

    srandom((unsigned) _i);
    for (uint32_t now = 1001; now < 1400; now++) {
        uint32_t slot, at;
        second_lists_step(&seconds, now);
        while ((slot = second_lists_due(&seconds)) != SLOT_NONE) {
            ck_assert_uint_eq(filed[slot], now - SPAN);
            second_lists_release(&seconds, slot);
            filed[slot] = 0;
        }
        for (int i = 0; i < 10; i++) {
            uint32_t second = now - (uint32_t) random() % SPAN;
            slot = (uint32_t) random() % SLOTS;
            if (filed[slot])
                second_lists_refile(&seconds, slot, second);
            else if ((slot = second_lists_take(&seconds)) != SLOT_NONE)
                second_lists_file(&seconds, slot, second);
            if (slot != SLOT_NONE)
                filed[slot] = second;
        }
        slot = second_lists_oldest(&seconds, &at);
        ck_assert_uint_eq(at, oldest_of(filed));
        ck_assert_uint_eq(filed[slot], at);
        ck_assert_uint_ge(at, now - SPAN + 1);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("second_lists");
    TCase *tcase = tcase_create("order");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, every_slot_is_taken_once_and_the_last_released_comes_first);
    tcase_add_test(tcase, the_oldest_second_comes_first_and_within_it_what_was_filed_first);
    tcase_add_test(tcase, what_is_filed_too_late_counts_as_the_oldest_open_second);
    tcase_add_loop_test(tcase, slots_come_due_when_their_second_closes, 0, 16);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
