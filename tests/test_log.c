#include "log.h"

#include <stdlib.h>
#include <string.h>

#include "captured.h"
#include "suite.h"

static char text[8192];

#define CAPTURE(...)                                                                               \
    do {                                                                                           \
        struct captured captured = captured_begin(STDERR_FILENO);                                  \
        log_open("collector");                                                                     \
        __VA_ARGS__;                                                                               \
        captured_end(&captured, text, sizeof text);                                                \
    } while (0)

START_TEST(lines_carry_priority_and_name)
{
    unsetenv("NTC_DEBUG");
    CAPTURE(log_error("cannot attach to %s", "eth0"); log_warning("w"); log_info("i");
            log_debug("d"));
    ck_assert_str_eq(text, "<3>collector: cannot attach to eth0\n<4>collector: w\n"
                     "<6>collector: i\n");
}
END_TEST

START_TEST(debug_lines_are_written_on_request)
{
    setenv("NTC_DEBUG", "1", 1);
    CAPTURE(log_debug("d"));
    ck_assert_str_eq(text, "<7>collector: d\n");
    setenv("NTC_DEBUG", "0", 1);
    CAPTURE(log_debug("d"));
    ck_assert_str_eq(text, "");
}
END_TEST

START_TEST(a_value_cannot_forge_a_second_line)
{
    CAPTURE(log_info("name \"%s\"", "a\n<0>kernel: b\r\x1b[2J\x7f"));
    ck_assert_str_eq(text, "<6>collector: name \"a?<0>kernel: b??[2J?\"\n");
}
END_TEST

START_TEST(a_long_line_is_cut)
{
    char *longest = malloc(5000);

    memset(longest, 'x', 4999);
    longest[4999] = '\0';
    CAPTURE(log_info("%s", longest); log_info("next"));
    char *second = strchr(text, '\n') + 1;
    ck_assert_uint_eq((size_t) (second - text), 1023);
    ck_assert_str_eq(second, "<6>collector: next\n");
    free(longest);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("log");
    TCase *tcase = tcase_create("lines");

    tcase_add_test(tcase, lines_carry_priority_and_name);
    tcase_add_test(tcase, debug_lines_are_written_on_request);
    tcase_add_test(tcase, a_value_cannot_forge_a_second_line);
    tcase_add_test(tcase, a_long_line_is_cut);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
