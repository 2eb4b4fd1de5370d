#include "query_params.h"

#include <errno.h>
#include <string.h>

#include "suite.h"

static const char *const KNOWN[] = { "ip", "port", "sort", NULL };
static struct query_params params;
static char why[QUERY_WHY_SIZE];

static int parse(const char *query)
{
    why[0] = '\0';
    return query_params_parse(&params, query, KNOWN, why);
}

START_TEST(values_are_decoded)
{
    ck_assert_int_eq(parse("ip=2001%3Adb8%3a%3A1&port=80"), 0);
    ck_assert_str_eq(query_params_get(&params, "ip"), "2001:db8::1");
    ck_assert_str_eq(query_params_get(&params, "port"), "80");
    ck_assert_ptr_null(query_params_get(&params, "sort"));
    ck_assert_int_eq(parse("ip=a+b%20c"), 0);
    ck_assert_str_eq(query_params_get(&params, "ip"), "a b c");
}
END_TEST

START_TEST(nothing_and_empty_values_are_absent)
{
    ck_assert_int_eq(parse(NULL), 0);
    ck_assert_int_eq(parse(""), 0);
    ck_assert_int_eq(parse("&&ip=&port&"), 0);
    ck_assert_ptr_null(query_params_get(&params, "ip"));
    ck_assert_ptr_null(query_params_get(&params, "port"));
}
END_TEST

static const struct { const char *query, *says; } BAD[] = {
    { "Ip=1", "\"Ip\" is no parameter here: there are ip, port, sort" },
    { "ip=1&ip=2", "\"ip\" is there twice" },
    { "ip=%", "escape" }, { "ip=%4", "escape" }, { "ip=%zz", "escape" }, { "ip=%00", "control" },
    { "ip=%0d%0a", "control" }, { "ip=a%7fb", "control" }, { "%00=1", "control" },
};

START_TEST(bad_queries_are_refused_with_a_sentence)
{
    ck_assert_int_eq(parse(BAD[_i].query), -EINVAL);
    ck_assert_msg(strstr(why, BAD[_i].says) != NULL, "%s", why);
}
END_TEST

START_TEST(long_queries_are_refused)
{
    char query[QUERY_MAX_TEXT + 8];

    memset(query, '&', sizeof query - 1);
    query[sizeof query - 1] = '\0';
    ck_assert_int_eq(parse(query), -EINVAL);
    query[QUERY_MAX_TEXT - 1] = '\0';
    ck_assert_int_eq(parse(query), 0);
}
END_TEST

static const struct { const char *query; int rc; uint32_t value; } NUMBERS[] = {
    { "port=1", 0, 1 }, { "port=65535", 0, 65535 }, { "port=007", 0, 7 }, { "", 0, 99 },
    { "port=0", -EINVAL, 0 }, { "port=65536", -EINVAL, 0 }, { "port=-1", -EINVAL, 0 },
    { "port=1x", -EINVAL, 0 }, { "port=0x10", -EINVAL, 0 }, { "port=+1", -EINVAL, 0 },
    { "port=18446744073709551617", -EINVAL, 0 }, { "port=4294967297", -EINVAL, 0 },
};

START_TEST(numbers_are_read_to_the_last_character)
{
    uint32_t value;

    ck_assert_int_eq(parse(NUMBERS[_i].query), 0);
    ck_assert_int_eq(query_params_number(&params, "port", 1, 65535, 99, &value, why),
                     NUMBERS[_i].rc);
    if (NUMBERS[_i].rc == 0)
        ck_assert_uint_eq(value, NUMBERS[_i].value);
    else
        ck_assert_ptr_nonnull(strstr(why, "from 1 to 65535"));
}
END_TEST

START_TEST(words_are_found_in_any_case)
{
    static const char *const WORDS[] = { "PASS", "DROP" };
    int index;

    ck_assert_int_eq(parse("sort=drop"), 0);
    ck_assert_int_eq(query_params_word(&params, "sort", WORDS, 2, &index, why), 0);
    ck_assert_int_eq(index, 1);
    ck_assert_int_eq(query_params_word(&params, "ip", WORDS, 2, &index, why), 0);
    ck_assert_int_eq(index, -1);
    ck_assert_int_eq(parse("sort=dropped"), 0);
    ck_assert_int_eq(query_params_word(&params, "sort", WORDS, 2, &index, why), -EINVAL);
    ck_assert_str_eq(why, "sort: \"dropped\" is none of PASS, DROP");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("query_params");
    TCase *tcase = tcase_create("parsing");

    tcase_add_test(tcase, values_are_decoded);
    tcase_add_test(tcase, nothing_and_empty_values_are_absent);
    tcase_add_loop_test(tcase, bad_queries_are_refused_with_a_sentence, 0,
                        sizeof BAD / sizeof BAD[0]);
    tcase_add_test(tcase, long_queries_are_refused);
    tcase_add_loop_test(tcase, numbers_are_read_to_the_last_character, 0,
                        sizeof NUMBERS / sizeof NUMBERS[0]);
    tcase_add_test(tcase, words_are_found_in_any_case);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
