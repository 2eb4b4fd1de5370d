#include "yaml_config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "suite.h"

/* Everything the reader says, one line per call. */
static char log_text[65536];
static size_t log_size;

__attribute__((format(printf, 1, 2)))
static void note(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    log_size += (size_t) vsnprintf(log_text + log_size, sizeof log_text - log_size, format, args);
    va_end(args);
    ck_assert_uint_lt(log_size, sizeof log_text);
}

static bool on_block(const char *block, unsigned line, void *arg)
{
    (void) arg;
    note("%u block %s\n", line, block);
    return strcmp(block, "skipped") != 0;
}

static void on_value(const char *block, const char *key, const struct yaml_value *value, void *arg)
{
    (void) arg;
    note("%u %s.%s=%s", value->line, block, key, value->is_list ? "[" : "");
    for (uint32_t i = 0; i < value->size; i++)
        note("%s%s", i > 0 ? "," : "", value->items[i]);
    note("%s\n", value->is_list ? "]" : "");
}

static void on_mistake(unsigned line, const char *message, void *arg)
{
    (void) arg;
    note("%u ! %s\n", line, message);
}

static const struct yaml_handler HANDLER = { on_block, on_value, on_mistake, NULL };

static const char *read_bytes(const char *text, size_t size)
{
    char *copy = malloc(size > 0 ? size : 1);   /* exactly as long, for the sanitizer */

    memcpy(copy, text, size);
    log_size = 0;
    log_text[0] = '\0';
    yaml_config_read(copy, size, &HANDLER);
    free(copy);
    return log_text;
}

static const char *read_text(const char *text) { return read_bytes(text, strlen(text)); }

static const char *read_value(const char *text)
{
    log_size = 0;
    log_text[0] = '\0';
    yaml_config_read_value(text, strlen(text), "a", "b", &HANDLER);
    return log_text;
}

START_TEST(blocks_hold_values_and_lists)
{
    ck_assert_str_eq(read_text("a:\n  b: 1\n  c: [x, 'y z']\n\nd: {e: \"f: g\"}\n"),
                     "1 block a\n2 a.b=1\n3 a.c=[x,y z]\n5 block d\n5 d.e=f: g\n");
    ck_assert_str_eq(read_text("a:\n  b:\n    - x\n    - y\n"), "1 block a\n3 a.b=[x,y]\n");
    ck_assert_str_eq(read_text("a:\n  b: []\n  c: ''\n  d:\n"),
                     "1 block a\n2 a.b=[]\n3 a.c=\n4 a.d=\n");
}
END_TEST

START_TEST(empty_documents_say_nothing)
{
    ck_assert_str_eq(read_text(""), "");
    ck_assert_str_eq(read_text("# only a comment\n"), "");
    ck_assert_str_eq(read_text("---\n...\n"), "");
    ck_assert_str_eq(read_text("a:\n# b: 1\n"), "1 block a\n");
    ck_assert_str_eq(read_text("\xef\xbb\xbf" "a: {b: 1}\n"), "1 block a\n1 a.b=1\n");
}
END_TEST

START_TEST(words_stay_words)
{
    ck_assert_str_eq(read_text("a: {b: no, c: 010, d: ~, e: 1e3}\n"),
                     "1 block a\n1 a.b=no\n1 a.c=010\n1 a.d=~\n1 a.e=1e3\n");
}
END_TEST

START_TEST(skipped_blocks_are_passed_over)
{
    ck_assert_str_eq(read_text("skipped: {x: [1, {y: [2]}], z: {u: v}}\na: {b: 1}\n"),
                     "1 block skipped\n2 block a\n2 a.b=1\n");
    ck_assert_str_eq(read_text("skipped: 5\na: {b: 1}\n"), "1 block skipped\n2 block a\n2 a.b=1\n");
}
END_TEST

START_TEST(what_means_more_than_it_says_is_a_mistake)
{
    static const char *const CASES[][2] = {
        { "a: {b: &x 1}", "1 ! a.b: anchors (&x)" }, { "a: {b: *x}", "1 ! a.b: aliases (*x)" },
        { "a: {b: !!int 1}", "1 ! a.b: tags (tag:yaml.org,2002:int)" },
        { "a: {b: [&x 1]}", "1 ! a.b: anchors" }, { "a: {b: &x [1]}", "1 ! a.b: anchors" },
        { "a: {b: [*x]}", "1 ! a.b: aliases" }, { "a: &x {b: 1}", "1 ! a: anchors" },
        { "a: *x", "1 ! a: aliases" }, { "&x a: {b: 1}", "1 ! a block's name: anchors" },
        { "a: {&x b: 1}", "1 ! a: anchors" }, { "--- !t\na: {b: 1}", "1 ! the file: tags" },
        { "a: {b: 1}\n---\nc: {d: 1}\n", "2 ! a second document" },
        { "a: {b: 1}\n--- x\n", "2 ! a second document" },
    };

    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        ck_assert_msg(strstr(read_text(CASES[i][0]), CASES[i][1]) != NULL, "%s: %s", CASES[i][0],
                      log_text);
        ck_assert_msg(strstr(CASES[i][0], "\n---") || !strstr(log_text, "a.b="), "%s: %s",
                      CASES[i][0], log_text);
    }
}
END_TEST

START_TEST(wrong_forms_are_mistakes_and_the_rest_is_read)
{
    static const char *const CASES[][2] = {
        { "- a\n- b\n", "1 ! the file must hold blocks" }, { "hello\n", "1 ! the file must hold" },
        { "a: 5\n", "1 ! a: must be a block" }, { "a: [b]\n", "1 ! a: must be a block" },
        { "a: {b: {c: 1}, z: 2}\n", "1 ! a.b: must be a value or a list" },
        { "a: {b: [[1]], z: 2}\n", "1 ! a.b: an entry must be a word" },
        { "a: {b: [{c: 1}], z: 2}\n", "1 ! a.b: an entry must be a word" },
        { "a: {? [x] : 1, z: 2}\n", "1 ! a: a key must be a word" },
        { "? [x]\n: {b: 1}\na: {z: 2}\n", "1 ! a block's name: a key must be a word" },
        { "a: {b: \"x\\ny\", z: 2}\n", "1 ! a.b: holds a control character" },
        { "a: {b: \"x\\0y\", z: 2}\n", "1 ! a.b: holds a control character" },
        { "a: {b: [\"\\x85\"], z: 2}\n", "1 ! a.b: holds a control character" },
        { "a: {b: \"\\u2028\", z: 2}\n", "1 ! a.b: holds a control character" },
        { "a: {b: \"\\ufeff\", z: 2}\n", "1 ! a.b: holds a control character" },
        { "a: {\"b\\tc\": 1, z: 2}\n", "1 ! a: holds a control character" },
    };

    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        ck_assert_msg(strstr(read_text(CASES[i][0]), CASES[i][1]) != NULL, "%s: %s", CASES[i][0],
                      log_text);
        if (strstr(CASES[i][0], "z: 2"))
            ck_assert_msg(strstr(log_text, "a.z=2\n") != NULL, "%s: %s", CASES[i][0], log_text);
        ck_assert_msg(strstr(log_text, ".b=") == NULL, "%s: %s", CASES[i][0], log_text);
    }
}
END_TEST

START_TEST(syntax_errors_name_their_line)
{
    static const char *const CASES[] = {
        "a:\n  b: [1\nc: 2\n", "a:\n\tb: 1\n", "a:\n  b: \"x\n", "a:\n  b: @x\n",
        "a:\n b: 1\n  c: 2\n",
        "a:\n  b: \xff\n", "a:\n  b: \x01\n", "a: {\n}}\n", "a:\n  b: \"\\ud800\"\n",
        "%YAML 9.0\n---\na: {b: 1}\n",
    };

    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        unsigned line;
        char *mistake = strstr(read_text(CASES[i]), "! not valid YAML: ");
        ck_assert_msg(mistake != NULL, "case %zu: %s", i, log_text);
        while (mistake > log_text && mistake[-1] != '\n')
            mistake--;
        line = (unsigned) strtoul(mistake, NULL, 10);
        ck_assert_msg(line >= 1 && line <= 4, "case %zu: %s", i, log_text);
    }
}
END_TEST

START_TEST(a_list_holds_256_entries)
{
    char text[2048] = "a: {b: [x";

    for (int i = 1; i < YAML_MAX_ITEMS; i++)
        strcat(text, ",x");
    size_t length = strlen(text);
    strcpy(text + length, "], z: 2}\n");
    ck_assert_ptr_nonnull(strstr(read_text(text), "a.b=[x,x"));
    strcpy(text + length, ",x,x,x], z: 2}\n");
    ck_assert_ptr_nonnull(strstr(read_text(text), "! a.b: has more than 256 entries\n1 a.z=2"));
    ck_assert_ptr_null(strstr(log_text, "a.b=["));
}
END_TEST

START_TEST(a_long_document_is_refused)
{
    char *text = malloc(YAML_MAX_BYTES + 1);

    memset(text, '#', YAML_MAX_BYTES + 1);
    ck_assert_str_eq(read_bytes(text, YAML_MAX_BYTES), "");
    ck_assert_str_eq(read_bytes(text, YAML_MAX_BYTES + 1), "0 ! is longer than 262144 bytes\n");
    free(text);
}
END_TEST

START_TEST(single_values_are_read)
{
    ck_assert_str_eq(read_value("5"), "1 a.b=5\n");
    ck_assert_str_eq(read_value("[eth0, 'wlan*']"), "1 a.b=[eth0,wlan*]\n");
    ck_assert_str_eq(read_value("\"x y\""), "1 a.b=x y\n");
    ck_assert_str_eq(read_value(""), "1 a.b=\n");
    ck_assert_str_eq(read_value("\"\""), "1 a.b=\n");
    ck_assert_ptr_nonnull(strstr(read_value("{c: 1}"), "! a.b: must be a value"));
    ck_assert_ptr_nonnull(strstr(read_value("[x"), "! a.b: not valid YAML"));
    ck_assert_ptr_nonnull(strstr(read_value("*x"), "! a.b: aliases"));
}
END_TEST

START_TEST(deep_nesting_ends)
{
    enum { DEPTH = 100000 };
    char *text = malloc(DEPTH + 8);

    memcpy(text, "a: {b: ", 7);
    memset(text + 7, '[', DEPTH);
    read_bytes(text, DEPTH + 7);
    ck_assert_ptr_nonnull(strstr(log_text, "nested deeper than 16"));
    free(text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("yaml_config");
    TCase *tcase = tcase_create("form");

    tcase_add_test(tcase, blocks_hold_values_and_lists);
    tcase_add_test(tcase, empty_documents_say_nothing);
    tcase_add_test(tcase, words_stay_words);
    tcase_add_test(tcase, skipped_blocks_are_passed_over);
    tcase_add_test(tcase, what_means_more_than_it_says_is_a_mistake);
    tcase_add_test(tcase, wrong_forms_are_mistakes_and_the_rest_is_read);
    tcase_add_test(tcase, syntax_errors_name_their_line);
    tcase_add_test(tcase, a_list_holds_256_entries);
    tcase_add_test(tcase, a_long_document_is_refused);
    tcase_add_test(tcase, single_values_are_read);
    tcase_add_test(tcase, deep_nesting_ends);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
