#include "json_writer.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

#include "random_values.h"
#include "suite.h"

static struct text_buffer text;
static struct json_writer json;

static void setup(void)
{
    text = text_buffer_of(1 << 20);
    json = json_writer_of(&text);
}

static void teardown(void)
{
    text_buffer_free(&text);
}

static void is_written(const char *expected)
{
    ck_assert(!text.failed);
    ck_assert_uint_eq(text.size, strlen(expected));
    ck_assert_mem_eq(text.data, expected, text.size);
}

START_TEST(commas_stand_between_values_only)
{
    json_put_object(&json, NULL);
    json_put_array(&json, "empty");
    json_put_array_end(&json);
    json_put_array(&json, "list");
    json_put_unsigned(&json, NULL, UINT64_MAX);
    json_put_signed(&json, NULL, INT64_MIN);
    json_put_object(&json, NULL);
    json_put_bool(&json, "yes", true);
    json_put_null(&json, "none");
    json_put_object_end(&json);
    json_put_array_end(&json);
    json_put_raw(&json, "raw", "[22]");
    json_put_object_end(&json);

    is_written("{\"empty\":[],\"list\":[18446744073709551615,-9223372036854775808,"
               "{\"yes\":true,\"none\":null}],\"raw\":[22]}");
}
END_TEST

START_TEST(numbers_have_no_more_digits_than_needed)
{
    json_put_array(&json, NULL);
    json_put_number(&json, NULL, 0, 3);
    json_put_number(&json, NULL, 33, 3);
    json_put_number(&json, NULL, 0.55, 3);
    json_put_number(&json, NULL, 1200, 0);
    json_put_number(&json, NULL, 1e20, 3);
    json_put_number(&json, NULL, INFINITY, 3);
    json_put_number(&json, NULL, NAN, 3);
    json_put_array_end(&json);

    is_written("[0,33,0.55,1200,100000000000000000000,null,null]");
}
END_TEST

START_TEST(times_are_seconds_with_milliseconds)
{
    json_put_array(&json, NULL);
    json_put_time(&json, NULL, 1700000000012999999u);
    json_put_time(&json, NULL, 0);
    json_put_array_end(&json);

    is_written("[1700000000.012,null]");
}
END_TEST

START_TEST(strings_are_escaped)
{
    json_put_string(&json, NULL, "a\"b\\c\n\x1f\x7f/\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");

    is_written("\"a\\\"b\\\\c\\u000a\\u001f\\u007f/\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"");
}
END_TEST

START_TEST(what_is_not_utf8_is_replaced)
{
    /* a lone continuation, an overlong "/", a surrogate, beyond U+10FFFF, a cut sequence */
    static const char *const BAD[] = { "\x80", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                                       "\xe2\x82" };

    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        json_error_t error;
        text_buffer_clear(&text);
        json = json_writer_of(&text);
        json_put_string(&json, NULL, BAD[i]);
        json_t *parsed = json_loadb(text.data, text.size, JSON_DECODE_ANY, &error);
        ck_assert_msg(parsed != NULL, "%s", error.text);
        ck_assert_ptr_nonnull(strstr(json_string_value(parsed), "\xef\xbf\xbd"));
        json_decref(parsed);
    }
}
END_TEST

/* Whatever bytes a string has, a strict parser takes the text. */
START_TEST(random_bytes_make_valid_json)
{
    char bytes[64];

    srandom((unsigned) _i);
    for (int n = 0; n < 200; n++) {
        random_bytes(bytes, sizeof bytes - 1);
        bytes[random() % 63] = '\0';
        bytes[63] = '\0';
        text_buffer_clear(&text);
        json = json_writer_of(&text);
        json_put_object(&json, NULL);
        json_put_string(&json, "text", bytes);
        json_put_object_end(&json);
        json_t *parsed = json_loadb(text.data, text.size, JSON_REJECT_DUPLICATES, NULL);
        ck_assert_ptr_nonnull(parsed);
        json_decref(parsed);
    }
}
END_TEST

START_TEST(a_full_buffer_says_so_and_stays_whole)
{
    struct text_buffer small = text_buffer_of(8);

    text_buffer_puts(&small, "12345");
    text_buffer_puts(&small, "6789");
    ck_assert(small.failed);
    ck_assert_uint_eq(small.size, 5);
    text_buffer_puts(&small, "6");
    ck_assert_uint_eq(small.size, 5);
    text_buffer_clear(&small);
    text_buffer_printf(&small, "%d", 12345678);
    ck_assert(!small.failed);
    ck_assert_uint_eq(small.size, 8);
    text_buffer_free(&small);
}
END_TEST

START_TEST(formatted_text_that_is_too_long_is_refused_whole)
{
    char longest[2000];

    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    text_buffer_printf(&text, "%s", longest);
    ck_assert(text.failed);
    ck_assert_uint_eq(text.size, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("json_writer");
    TCase *tcase = tcase_create("text");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, commas_stand_between_values_only);
    tcase_add_test(tcase, numbers_have_no_more_digits_than_needed);
    tcase_add_test(tcase, times_are_seconds_with_milliseconds);
    tcase_add_test(tcase, strings_are_escaped);
    tcase_add_test(tcase, what_is_not_utf8_is_replaced);
    tcase_add_loop_test(tcase, random_bytes_make_valid_json, 0, 16);
    tcase_add_test(tcase, a_full_buffer_says_so_and_stays_whole);
    tcase_add_test(tcase, formatted_text_that_is_too_long_is_refused_whole);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
