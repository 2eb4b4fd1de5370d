#include "doctor.h"

#include <string.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <unistd.h>

#include "key_folder.h"
#include "suite.h"

static struct config config;
static char *text;
static size_t text_size;

static void set_up(void) { config_defaults(&config); }

static void tear_down(void)
{
    free(text);
    text = NULL;
}

static unsigned examine(void)
{
    FILE *file = open_memstream(&text, &text_size);
    unsigned bad = doctor_examine(&config, file);

    fclose(file);
    return bad;
}

/* One line begins like this and goes on to say `words`. */
static void assert_line(const char *beginning, const char *words)
{
    const char *line = strstr(text, beginning);

    ck_assert_msg(line && strcspn(line, "\n") > strlen(beginning), "no \"%s\" in:\n%s", beginning,
                  text);
    const char *found = strstr(line, words);
    ck_assert_msg(found && found < line + strcspn(line, "\n"), "no \"%s\" after \"%s\" in:\n%s",
                  words, beginning, text);
}

START_TEST(everything_that_matters_is_looked_at)
{
    static const char *const WHATS[] = {
        "kernel ", "userland ", "page size ", "privileges ", "JIT ", "TC programs ", "bpffs ",
        "interface ", "port ", "time zone ", "disk ",
    };

    examine();
    for (size_t i = 0; i < sizeof WHATS / sizeof WHATS[0]; i++)
        assert_line(WHATS[i], "");
}
END_TEST

START_TEST(the_last_line_and_the_count_agree_with_the_findings)
{
    unsigned lines = 0, bad;

    strcpy(config.server.timezone, "Mars/Olympus");
    bad = examine();
    for (const char *at = text; (at = strstr(at, "BAD   ")); at++)
        lines++;
    ck_assert_uint_ge(bad, 1);
    ck_assert_uint_eq(bad, lines);
    ck_assert_ptr_nonnull(strstr(text, "\nNTC will not work here before "));
}
END_TEST

START_TEST(keys_matter_only_to_whom_is_on_the_network)
{
    struct key_folder keys;

    examine();
    ck_assert_ptr_null(strstr(text, " keys "));
    free(text);
    strcpy(config.bus.keys, "/nonexistent");
    strcpy(config.bus.listen, "tcp://0.0.0.0:7386");
    config.bus.collectors.size = 1;
    strcpy(config.bus.collectors.items[0], "tcp://pi1:7386");
    ck_assert_uint_ge(examine(), 2);
    assert_line("BAD   keys ", "--make-keys /nonexistent");
    ck_assert_ptr_nonnull(strstr(text, "tcp://pi1:7386: its key is not known"));
    ck_assert_ptr_nonnull(strstr(text, "0 hosts may connect to tcp://0.0.0.0:7386"));
    free(text);

    key_folder_make(&keys);
    strcpy(config.bus.keys, keys.path);
    key_folder_write(&keys, "clients/server.key", keys.public_text);
    key_folder_write(&keys, "collectors/pi1.key", keys.public_text);
    examine();
    ck_assert_ptr_null(strstr(text, "BAD   keys "));
    assert_line("ok    keys ", "this host has a pair in ");
    ck_assert_ptr_nonnull(strstr(text, "1 host may connect"));
    ck_assert_ptr_nonnull(strstr(text, "that of tcp://pi1:7386 is known"));
    key_folder_remove(&keys);
}
END_TEST

START_TEST(an_unknown_time_zone_is_bad)
{
    strcpy(config.server.timezone, "Mars/Olympus");
    examine();
    assert_line("BAD   time zone", "\"Mars/Olympus\"");
}
END_TEST

START_TEST(a_pin_path_outside_a_bpffs_is_bad)
{
    strcpy(config.network.pin_path, "/tmp/ntc");
    examine();
    assert_line("BAD   bpffs", "mount -t bpf bpf /tmp");
}
END_TEST

START_TEST(interfaces_are_found_by_name)
{
    config.network.interfaces.size = 2;
    strcpy(config.network.interfaces.items[0], "lo");
    strcpy(config.network.interfaces.items[1], "nothing*");
    examine();
    assert_line("ok    interface", "lo (link type 772)");
    assert_line("note  interface", "\"nothing*\"");
}
END_TEST

START_TEST(a_port_that_is_taken_is_told)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    ck_assert_int_eq(bind(fd, (struct sockaddr *) &address, size), 0);
    ck_assert_int_eq(listen(fd, 1), 0);
    getsockname(fd, (struct sockaddr *) &address, &size);
    config.server.port = ntohs(address.sin_port);
    examine();
    assert_line("note  port", "in use");
    close(fd);
}
END_TEST

START_TEST(a_lists_file_is_looked_for_where_it_will_be)
{
    strcpy(config.persistence.path, "/tmp/not/there/yet/lists.json");
    examine();
    assert_line("ok    disk", "free in /tmp");
    tear_down();
    strcpy(config.persistence.path, "/proc/ntc/lists.json");
    examine();
    assert_line("BAD   disk", "/proc");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("doctor");
    TCase *tcase = tcase_create("findings");

    tcase_set_timeout(tcase, 30);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, everything_that_matters_is_looked_at);
    tcase_add_test(tcase, the_last_line_and_the_count_agree_with_the_findings);
    tcase_add_test(tcase, keys_matter_only_to_whom_is_on_the_network);
    tcase_add_test(tcase, an_unknown_time_zone_is_bad);
    tcase_add_test(tcase, a_pin_path_outside_a_bpffs_is_bad);
    tcase_add_test(tcase, interfaces_are_found_by_name);
    tcase_add_test(tcase, a_port_that_is_taken_is_told);
    tcase_add_test(tcase, a_lists_file_is_looked_for_where_it_will_be);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
