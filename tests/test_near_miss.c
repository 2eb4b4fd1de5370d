#include "near_miss.h"

#include <string.h>

#include "suite.h"

START_TEST(distance_counts_slips_of_the_fingers)
{
    static const struct { const char *a, *b; unsigned distance; } CASES[] = {
        { "port", "port", 0 }, { "prot", "port", 1 }, { "por", "port", 1 }, { "poort", "port", 1 },
        { "pert", "port", 1 }, { "", "port", 4 }, { "netwrok", "network", 1 },
        { "flushms", "flush_ms", 1 }, { "abcd", "wxyz", 4 }, { "ca", "abc", 3 },
    };

    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        ck_assert_uint_eq(near_miss_distance(CASES[i].a, CASES[i].b), CASES[i].distance);
        ck_assert_uint_eq(near_miss_distance(CASES[i].b, CASES[i].a), CASES[i].distance);
    }
}
END_TEST

START_TEST(long_words_are_far_from_everything)
{
    char word[10000];

    memset(word, 'x', sizeof word - 1);
    word[sizeof word - 1] = '\0';
    ck_assert_uint_eq(near_miss_distance(word, word), NEAR_MISS_FAR);
    word[48] = '\0';
    ck_assert_uint_eq(near_miss_distance(word, "x"), NEAR_MISS_FAR);
    word[47] = '\0';
    ck_assert_uint_eq(near_miss_distance(word, "x"), 46);
}
END_TEST

START_TEST(short_words_must_be_closer)
{
    ck_assert(!near_miss_is_likely("ab", 1));
    ck_assert(near_miss_is_likely("abc", 1));
    ck_assert(!near_miss_is_likely("abcde", 2));
    ck_assert(near_miss_is_likely("interfaces", 3));
    ck_assert(!near_miss_is_likely("interfaces", 4));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("near_miss");
    TCase *tcase = tcase_create("words");

    tcase_add_test(tcase, distance_counts_slips_of_the_fingers);
    tcase_add_test(tcase, long_words_are_far_from_everything);
    tcase_add_test(tcase, short_words_must_be_closer);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
