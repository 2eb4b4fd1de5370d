#include "slot_index.h"

#include <stdbool.h>

#include "suite.h"

#define CAPACITY 200

static struct slot_index slots;

static void setup(void)
{
    ck_assert_int_eq(slot_index_init(&slots, CAPACITY), 0);
}

static void teardown(void)
{
    slot_index_clear(&slots);
    slot_index_clear(&slots);
}

static uint32_t count_matches(uint32_t hash, enum slot_match ignore, uint32_t wanted)
{
    uint32_t cursor = slot_index_place(&slots, hash), slot, count = 0;

    while ((slot = slot_index_next(&slots, hash, ignore, &cursor)) != SLOT_NONE)
        count += slot == wanted;
    return count;
}

START_TEST(hashes_that_differ_in_the_lowest_bits_are_found_together_or_apart)
{
    slot_index_insert(&slots, 0x1000, 7);
    slot_index_insert(&slots, 0x1003, 8);

    ck_assert_uint_eq(count_matches(0x1000, SLOT_MATCH_ALL, 7), 1);
    ck_assert_uint_eq(count_matches(0x1000, SLOT_MATCH_ALL, 8), 0);
    ck_assert_uint_eq(count_matches(0x1001, SLOT_MATCH_PLACE, 7), 1);
    ck_assert_uint_eq(count_matches(0x1001, SLOT_MATCH_PLACE, 8), 1);
    ck_assert_uint_eq(count_matches(0x1004, SLOT_MATCH_PLACE, 7), 0);
}
END_TEST

/* Few different hashes, so that the runs of cells are long, overlap and wrap around. */
START_TEST(entries_are_found_until_they_are_removed)
{
    uint32_t hashes[CAPACITY];
    bool is_in[CAPACITY] = { false };

    srandom((unsigned) _i);
    for (uint32_t slot = 0; slot < CAPACITY; slot++)
        hashes[slot] = (uint32_t) (random() % 64 - 32) << 2 | (uint32_t) (random() & 3);
    for (int step = 0; step < 4000; step++) {
        uint32_t slot = (uint32_t) random() % CAPACITY;
        if (is_in[slot])
            slot_index_remove(&slots, hashes[slot], slot);
        else
            slot_index_insert(&slots, hashes[slot], slot);
        is_in[slot] = !is_in[slot];
        uint32_t other = (uint32_t) random() % CAPACITY;
        ck_assert_uint_eq(count_matches(hashes[other], SLOT_MATCH_ALL, other), is_in[other]);
    }
    for (uint32_t slot = 0; slot < CAPACITY; slot++)
        ck_assert_uint_eq(count_matches(hashes[slot], SLOT_MATCH_ALL, slot), is_in[slot]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("slot_index");
    TCase *tcase = tcase_create("cells");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, hashes_that_differ_in_the_lowest_bits_are_found_together_or_apart);
    tcase_add_loop_test(tcase, entries_are_found_until_they_are_removed, 0, 16);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
