#include "wire_message.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "capped_alloc.h"
#include "suite.h"

static bool is_ascii(const char *text)
{
    char copy[8] = "before";
    bool is_taken = wire_message_ascii(copy, sizeof copy, text);

    ck_assert_str_eq(copy, is_taken ? text : "");
    return is_taken;
}

static bool is_utf8(const char *text)
{
    char copy[8] = "before";
    bool is_taken = wire_message_utf8(copy, sizeof copy, text);

    ck_assert_str_eq(copy, is_taken ? text : "");
    return is_taken;
}

START_TEST(ascii_is_printable_and_fits)
{
    ck_assert(is_ascii(""));
    ck_assert(is_ascii(" a~"));
    ck_assert(is_ascii("seven77"));
    ck_assert(!is_ascii("eight888"));
    ck_assert(!is_ascii("a\n"));
    ck_assert(!is_ascii("\x7f"));
    ck_assert(!is_ascii("\x80"));
    ck_assert(!is_ascii("\xff"));
}
END_TEST

START_TEST(utf8_is_whole_and_without_controls)
{
    static const char *const GOOD[] = {
        "", "abc", "\xc2\xa0", "\xc3\xa4", "\xe0\xa0\x80", "\xe2\x82\xac", "\xed\x9f\xbf",
        "\xee\x80\x80", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "\xc3\xa4\xc3\xb6z",
    };
    static const char *const BAD[] = {
        "\n", "\x1b", "\x7f", "\xc2\x80", "\xc2\x9f", "\x80", "\xbf", "\xc0\x80", "\xc1\xbf",
        "\xc3", "\xc3z", "\xe0\x9f\xbf", "\xe2\x82", "\xe2\x82z", "\xed\xa0\x80",
        "\xf0\x8f\xbf\xbf",
        "\xf0\x90\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xfe", "\xff", "abcdef\xc3\xa4",
    };

    for (size_t i = 0; i < sizeof GOOD / sizeof GOOD[0]; i++)
        ck_assert_msg(is_utf8(GOOD[i]), "good %zu", i);
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++)
        ck_assert_msg(!is_utf8(BAD[i]), "bad %zu", i);
}
END_TEST

START_TEST(amounts_are_finite_and_not_negative)
{
    ck_assert(wire_message_is_amount(0));
    ck_assert(wire_message_is_amount(1e300));
    ck_assert(!wire_message_is_amount(-0.5));
    ck_assert(!wire_message_is_amount(-0.0));
    ck_assert(!wire_message_is_amount(INFINITY));
    ck_assert(!wire_message_is_amount(NAN));
}
END_TEST

START_TEST(an_allocator_gives_out_no_more_than_its_cap)
{
    struct capped_alloc memory;
    void *taken[3];

    capped_alloc_init(&memory, 100);
    ProtobufCAllocator *allocator = &memory.allocator;
    taken[0] = allocator->alloc(allocator->allocator_data, 60);
    taken[1] = allocator->alloc(allocator->allocator_data, 40);
    taken[2] = allocator->alloc(allocator->allocator_data, 1);
    ck_assert_ptr_nonnull(taken[0]);
    ck_assert_ptr_nonnull(taken[1]);
    ck_assert_ptr_null(taken[2]);
    ck_assert(!memory.is_short);
    for (int i = 0; i < 2; i++)
        allocator->free(allocator->allocator_data, taken[i]);
    ck_assert_ptr_null(allocator->alloc(allocator->allocator_data, 1));
    ck_assert_ptr_null(allocator->alloc(allocator->allocator_data, SIZE_MAX));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("wire_message");
    TCase *tcase = tcase_create("values");

    tcase_add_test(tcase, ascii_is_printable_and_fits);
    tcase_add_test(tcase, utf8_is_whole_and_without_controls);
    tcase_add_test(tcase, amounts_are_finite_and_not_negative);
    tcase_add_test(tcase, an_allocator_gives_out_no_more_than_its_cap);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
