#include "slot_ranking.h"

#include <stdlib.h>

#include "suite.h"

#define SLOTS_MOST 20000

static struct slot_ranking ranking;
static uint64_t values[SLOTS_MOST];
static uint32_t keys[SLOTS_MOST];       /* what tells slots of equal value apart */

static void teardown(void)
{
    slot_ranking_clear(&ranking);
    slot_ranking_clear(&ranking);
}

static int order(uint32_t a, uint32_t b, const void *arg)
{
    ck_assert_ptr_eq(arg, keys);
    return keys[a] < keys[b] ? -1 : keys[a] > keys[b];
}

static void open_ranking(uint32_t slots)
{
    slot_ranking_clear(&ranking);
    ck_assert_int_eq(slot_ranking_init(&ranking, slots, order, keys), 0);
    for (uint32_t slot = 0; slot < slots; slot++) {
        values[slot] = 0;
        keys[slot] = slot * 2654435761u;
    }
}

static void set(uint32_t slot, uint64_t value)
{
    values[slot] = value;
    slot_ranking_set(&ranking, slot, value);
}

/* The plain model: one pass, with the heap that queries use. */
static uint32_t best_by_one_pass(uint32_t slots, uint32_t most, struct top_entry *entries)
{
    struct top_list top = { .entries = entries, .capacity = most, .order = order, .arg = keys };

    for (uint32_t slot = 0; slot < slots; slot++)
        if (values[slot] > 0)
            top_list_offer(&top, values[slot], slot);
    top_list_sort(&top);
    return top.size;
}

static void compare(uint32_t slots, uint32_t most)
{
    struct top_entry expected[SLOT_RANKING_MOST];
    uint32_t found[SLOT_RANKING_MOST];
    uint32_t size = best_by_one_pass(slots, most, expected);

    ck_assert_uint_eq(slot_ranking_best(&ranking, most, found), size);
    for (uint32_t i = 0; i < size; i++)
        ck_assert_uint_eq(found[i], expected[i].row);
}

START_TEST(an_empty_ranking_has_no_best)
{
    uint32_t found[10];

    open_ranking(SLOTS_MOST);
    ck_assert_uint_eq(slot_ranking_best(&ranking, 10, found), 0);
    set(19999, 1);
    ck_assert_uint_eq(slot_ranking_best(&ranking, 10, found), 1);
    ck_assert_uint_eq(found[0], 19999);
    set(19999, 0);
    ck_assert_uint_eq(slot_ranking_best(&ranking, 10, found), 0);
}
END_TEST

START_TEST(slots_of_equal_value_come_in_the_order_of_their_keys)
{
    open_ranking(5000);
    for (uint32_t slot = 0; slot < 5000; slot++)
        set(slot, 7);
    compare(5000, 32);
    keys[4321] = 0;             /* another row stands there now */
    keys[0] = 1;
    set(4321, 7);
    set(0, 7);
    compare(5000, 32);
}
END_TEST

/* Values rise, fall and vanish at random, few or many between two questions. */
START_TEST(the_best_are_those_of_a_pass_over_all)
{
    static const uint32_t sizes[] = { 1, 2, 63, 64, 65, 4096, 4097, SLOTS_MOST };

    for (unsigned seed = 0; seed < 400; seed++) {
        srandom(seed);
        uint32_t slots = sizes[seed % 8];
        uint64_t range = UINT64_C(1) << random() % 20;  /* small ones make many equal */
        open_ranking(slots);
        for (int round = 0; round < 12; round++) {
            uint32_t changes = (uint32_t) random() % (round % 4 == 0 ? 2 * slots + 1 : 20);
            for (uint32_t i = 0; i < changes; i++) {
                uint32_t slot = (uint32_t) random() % slots;
                uint64_t value = (uint64_t) random() % range;
                set(slot, random() % 4 ? values[slot] + value : value);
            }
            compare(slots, 1 + (uint32_t) random() % SLOT_RANKING_MOST);
        }
    }
}
END_TEST

/* Slot 0 stood for every group that had not played, and hid the others when it fell. */
START_TEST(a_slot_that_falls_hides_nobody)
{
    uint32_t found[2];

    open_ranking(SLOTS_MOST);
    set(0, 50);
    set(10000, 10);
    ck_assert_uint_eq(slot_ranking_best(&ranking, 2, found), 2);
    set(0, 1);
    ck_assert_uint_eq(slot_ranking_best(&ranking, 2, found), 2);
    ck_assert_uint_eq(found[0], 10000);
    ck_assert_uint_eq(found[1], 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("slot_ranking");
    TCase *tcase = tcase_create("best");

    tcase_set_timeout(tcase, 20);
    tcase_add_checked_fixture(tcase, NULL, teardown);
    tcase_add_test(tcase, an_empty_ranking_has_no_best);
    tcase_add_test(tcase, slots_of_equal_value_come_in_the_order_of_their_keys);
    tcase_add_test(tcase, the_best_are_those_of_a_pass_over_all);
    tcase_add_test(tcase, a_slot_that_falls_hides_nobody);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
