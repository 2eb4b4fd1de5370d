#include "command_line.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "captured.h"
#include "suite.h"

static struct config config;
static char out[32768], err[32768];
static char taken[256];         /* what the program's own options got */

static int take_rate(const char *value, void *arg, char *why, size_t why_size)
{
    ck_assert_ptr_eq(arg, taken);
    if (strcmp(value, "fast") == 0) {
        snprintf(why, why_size, "\"%s\" is no rate: write a number", value);
        return -EINVAL;
    }
    strcat(taken, value);
    strcat(taken, ";");
    return 0;
}

static int take_mock(const char *value, void *arg, char *why, size_t why_size)
{
    (void) why;
    (void) why_size;
    ck_assert_str_eq(value, "");
    ck_assert_ptr_eq(arg, taken);
    strcat(taken, "mock;");
    return 0;
}

static const struct command_option OPTIONS[] = {
    { "mock", NULL, "make traffic up", take_mock },
    { "mock-rate", "RATE", "records per second", take_rate },
    { NULL, NULL, NULL, NULL },
};

static const struct command_line LINE = {
    .program = "ntc-test", .purpose = "Test the command line.", .options = OPTIONS, .arg = taken,
};

/* Run with up to 8 arguments, fill `out`, `err` and `taken`. */
static int run_line(const struct command_line *line, char *const *arguments)
{
    char *argv[10] = { (char *) "ntc-test" };
    int argc = 1;

    for (; arguments[argc - 1]; argc++)
        argv[argc] = arguments[argc - 1];
    taken[0] = '\0';
    struct captured captured_out = captured_begin(STDOUT_FILENO);
    struct captured captured_err = captured_begin(STDERR_FILENO);
    int code = command_line_read(line, argc, argv, &config);
    captured_end(&captured_err, err, sizeof err);
    captured_end(&captured_out, out, sizeof out);
    return code;
}

#define RUN(...) run_line(&LINE, (char *[]) { (char *) __VA_ARGS__, NULL })

static char path[] = "/tmp/ntc-line-XXXXXX";

static void write_file(const char *text)
{
    FILE *file = fopen(path, "we");

    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

static void setup(void)
{
    int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    close(fd);
}

static void teardown(void)
{
    unlink(path);
    strcpy(path + strlen(path) - 6, "XXXXXX");
}

START_TEST(a_file_and_assignments_are_read_in_order)
{
    write_file("server: {port: 81, listen: 127.0.0.1}\n");
    ck_assert_int_eq(RUN("--set", "server.port=82", "--config", path, "--set=server.port=83"),
                     COMMAND_LINE_GO_ON);
    ck_assert_uint_eq(config.server.port, 83);
    ck_assert_str_eq(config.server.listen, "127.0.0.1");
    ck_assert_uint_eq(config.events.batch, 512);
    ck_assert_str_eq(out, "");
    ck_assert_str_eq(err, "");
}
END_TEST

START_TEST(own_options_reach_the_program)
{
    char config_option[64];

    write_file("");
    snprintf(config_option, sizeof config_option, "--config=%s", path);
    ck_assert_int_eq(RUN("--mock", "--mock-rate", "5", "--mock-rate=", config_option),
                     COMMAND_LINE_GO_ON);
    ck_assert_str_eq(taken, "mock;5;;");
}
END_TEST

START_TEST(mistakes_in_the_file_end_with_2)
{
    char expected[256];

    write_file("server:\n  port: 70000x\n");
    ck_assert_int_eq(RUN("--config", path), 2);
    snprintf(expected, sizeof expected, "ntc-test: %s:2: server.port: \"70000x\" is not a number "
             "from 0 to 65535\n", path);
    ck_assert_str_eq(err, expected);
    ck_assert_str_eq(out, "");
}
END_TEST

START_TEST(mistakes_in_assignments_and_between_keys_end_with_2)
{
    write_file("");
    ck_assert_int_eq(RUN("--config", path, "--set", "server.prot=1", "--set", "bus.queue=1"), 2);
    ck_assert_str_eq(err, "ntc-test: --set: server.prot: is no known key: did you mean "
                     "server.port?\n"
                     "ntc-test: --set: bus.queue: \"1\" is not a number from 16 to 65536\n");
    ck_assert_int_eq(RUN("--config", path, "--set", "server.connections_per_ip=65"), 2);
    ck_assert_str_eq(err, "ntc-test: server.connections_per_ip: 65 is more than "
                     "server.connections, which is 64: write at most that\n");
}
END_TEST

START_TEST(a_named_file_must_exist)
{
    ck_assert_int_eq(RUN("--config", "/nonexistent/ntc.yaml"), 2);
    ck_assert_str_eq(err, "ntc-test: cannot read /nonexistent/ntc.yaml: No such file or "
                     "directory\n");
}
END_TEST

START_TEST(bad_usage_names_the_option)
{
    static const struct { const char *arguments[4]; const char *expected; } CASES[] = {
        { { "--mok" }, "--mok is no option: did you mean --mock?" },
        { { "--chekc-config" }, "--chekc-config is no option: did you mean --check-config?" },
        { { "--xyzzy=5" }, "--xyzzy is no option: see --help" },
        { { "--config" }, "--config needs a value: write --config FILE" },
        { { "--config", "--mock" }, "--config needs a value: write --config FILE" },
        { { "--config=" }, "--config names no file" },
        { { "--config=a", "--config=b" }, "--config is there twice" },
        { { "--mock=5" }, "--mock takes no value: leave out \"=5\"" },
        { { "--help=5" }, "--help takes no value" },
        { { "--mock-rate", "fast" }, "--mock-rate \"fast\" is no rate: write a number" },
        { { "stray" }, "\"stray\" is unexpected" }, { { "" }, "\"\" is unexpected" },
        { { "-h" }, "\"-h\" is unexpected" }, { { "--" }, "\"--\" is unexpected" },
        { { "--=" }, "-- is no option" },
    };

    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        ck_assert_int_eq(run_line(&LINE, (char *const *) CASES[i].arguments), 2);
        ck_assert_msg(strncmp(err, "ntc-test: ", 10) == 0 && strstr(err, CASES[i].expected),
                      "case %zu: %s", i, err);
    }
}
END_TEST

START_TEST(all_usage_mistakes_are_reported)
{
    ck_assert_int_eq(RUN("--mok", "stray", "--config"), 2);
    ck_assert_ptr_nonnull(strstr(err, "--mok"));
    ck_assert_ptr_nonnull(strstr(err, "stray"));
    ck_assert_ptr_nonnull(strstr(err, "--config needs"));
}
END_TEST

START_TEST(help_lists_all_options_and_defaults)
{
    ck_assert_int_eq(RUN("--help"), 0);
    ck_assert_str_eq(err, "");
    ck_assert_ptr_nonnull(strstr(out, "Usage: ntc-test [OPTION]...\nTest the command line.\n"));
    ck_assert_ptr_nonnull(strstr(out, "\n  --mock            make traffic up\n"));
    ck_assert_ptr_nonnull(strstr(out, "\n  --mock-rate RATE  records per second\n"));
    ck_assert_ptr_nonnull(strstr(out, "\n  --config FILE     read FILE (default: "));
    ck_assert_ptr_nonnull(strstr(out, "\n  --set KEY=VALUE   "));
    ck_assert_ptr_nonnull(strstr(out, "\n  server.port=8086\n"));
    for (char *line = strtok(out, "\n"); line; line = strtok(NULL, "\n"))
        ck_assert_uint_le(strlen(line), 100);
    ck_assert_int_eq(RUN("--config", "/nonexistent", "--help"), 0);
}
END_TEST

START_TEST(version_is_printed)
{
    ck_assert_int_eq(RUN("--version"), 0);
    ck_assert_str_eq(out, "ntc-test " NTC_VERSION "\n");
    ck_assert_str_eq(err, "");
}
END_TEST

START_TEST(the_effective_configuration_is_printed)
{
    write_file("server: {port: 81}\n");
    ck_assert_int_eq(RUN("--check-config", "--config", path, "--set",
                         "server.read_token=secret"), 0);
    ck_assert_str_eq(err, "");
    ck_assert_ptr_nonnull(strstr(out, "server:\n  port: 81\n"));
    ck_assert_ptr_nonnull(strstr(out, "  read_token: \"(set)\"\n"));
    ck_assert_ptr_null(strstr(out, "secret"));
    write_file("server: {port: x}\n");
    ck_assert_int_eq(RUN("--check-config", "--config", path), 2);
    ck_assert_str_eq(out, "");
}
END_TEST

START_TEST(a_program_needs_no_options_of_its_own)
{
    struct command_line bare = { .program = "ntc-bare", .purpose = "Nothing." };
    char *arguments[] = { (char *) "--config=/dev/null", NULL };
    char *wrong[] = { (char *) "--mock", NULL };

    ck_assert_int_eq(run_line(&bare, arguments), COMMAND_LINE_GO_ON);
    ck_assert_int_eq(run_line(&bare, wrong), 2);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("command_line");
    TCase *tcase = tcase_create("arguments");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_file_and_assignments_are_read_in_order);
    tcase_add_test(tcase, own_options_reach_the_program);
    tcase_add_test(tcase, mistakes_in_the_file_end_with_2);
    tcase_add_test(tcase, mistakes_in_assignments_and_between_keys_end_with_2);
    tcase_add_test(tcase, a_named_file_must_exist);
    tcase_add_test(tcase, bad_usage_names_the_option);
    tcase_add_test(tcase, all_usage_mistakes_are_reported);
    tcase_add_test(tcase, help_lists_all_options_and_defaults);
    tcase_add_test(tcase, version_is_printed);
    tcase_add_test(tcase, the_effective_configuration_is_printed);
    tcase_add_test(tcase, a_program_needs_no_options_of_its_own);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
