#include "top_list.h"

#include "suite.h"

static int by_row(uint32_t a, uint32_t b, const void *arg)
{
    (void) arg;
    return a < b ? -1 : a > b;
}

static int by_value_then_row(const void *a, const void *b)
{
    const struct top_entry *left = a, *right = b;

    if (left->value != right->value)
        return left->value > right->value ? -1 : 1;
    return by_row(left->row, right->row, NULL);
}

START_TEST(equal_values_come_in_the_owners_order_whatever_the_pass)
{
    struct top_entry entries[2];
    struct top_list top = { .entries = entries, .capacity = 2, .order = by_row };

    for (uint32_t row = 9; row > 0; row--)
        top_list_offer(&top, 5, row);
    top_list_sort(&top);

    ck_assert_uint_eq(top.size, 2);
    ck_assert_uint_eq(entries[0].row, 1);
    ck_assert_uint_eq(entries[1].row, 2);
}
END_TEST

START_TEST(a_list_without_room_keeps_nothing)
{
    struct top_list top = { .order = by_row };

    top_list_offer(&top, 5, 1);
    top_list_sort(&top);
    ck_assert_uint_eq(top.size, 0);
}
END_TEST

START_TEST(the_best_rows_are_those_that_sorting_all_would_put_first)
{
    enum { ROWS = 300 };
    struct top_entry all[ROWS], entries[ROWS];
    struct top_list top = { .entries = entries, .capacity = (uint32_t) _i, .order = by_row };

    srandom((unsigned) _i);
    for (uint32_t row = 0; row < ROWS; row++) {
        all[row] = (struct top_entry) { .value = (uint64_t) random() % 40, .row = row };
        top_list_offer(&top, all[row].value, row);
    }
    top_list_sort(&top);
    qsort(all, ROWS, sizeof all[0], by_value_then_row);

    ck_assert_uint_eq(top.size, (unsigned) _i < ROWS ? (unsigned) _i : ROWS);
    for (uint32_t i = 0; i < top.size; i++) {
        ck_assert_uint_eq(entries[i].row, all[i].row);
        ck_assert_uint_eq(entries[i].value, all[i].value);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("top_list");
    TCase *tcase = tcase_create("selection");

    tcase_add_test(tcase, equal_values_come_in_the_owners_order_whatever_the_pass);
    tcase_add_test(tcase, a_list_without_room_keeps_nothing);
    tcase_add_loop_test(tcase, the_best_rows_are_those_that_sorting_all_would_put_first, 1, 64);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
