#include "admin_token.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bus_folder.h"
#include "suite.h"

static struct bus_folder folder;
static char path[PATH_MAX], token[ADMIN_TOKEN_SIZE];
static bool made;

static void setup(void)
{
    bus_folder_make(&folder);
    snprintf(path, sizeof path, "%s/admin.token", folder.path);
}

static void teardown(void)
{
    bus_folder_remove(&folder);
}

static void write_file(const char *text, mode_t mode)
{
    FILE *file = fopen(path, "w");

    fputs(text, file);
    fclose(file);
    chmod(path, mode);
}

START_TEST(a_token_is_made_once_and_kept)
{
    char again[ADMIN_TOKEN_SIZE];
    struct stat info;

    ck_assert_int_eq(admin_token_open(path, token, &made), 0);
    ck_assert(made);
    ck_assert_uint_eq(strlen(token), 64);
    ck_assert_int_eq(stat(path, &info), 0);
    ck_assert_uint_eq(info.st_mode & 0777, 0600);
    ck_assert_uint_eq(bus_folder_files(&folder), 1);

    ck_assert_int_eq(admin_token_open(path, again, &made), 0);
    ck_assert(!made);
    ck_assert_str_eq(again, token);
}
END_TEST

START_TEST(a_token_of_ones_own_is_taken)
{
    write_file("correct-horse-battery\r\n", 0600);
    ck_assert_int_eq(admin_token_open(path, token, &made), 0);
    ck_assert_str_eq(token, "correct-horse-battery");
}
END_TEST

START_TEST(what_is_no_token_is_refused)
{
    static const char *const BAD[] = { "", "short", "has a space in the middle",
                                       "two\nlines of token", "0123456789abcdef\x7f" };
    char longest[300];

    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        write_file(BAD[i], 0600);
        ck_assert_int_eq(admin_token_open(path, token, &made), -EINVAL);
    }
    memset(longest, 'x', sizeof longest);
    longest[129] = '\0';
    write_file(longest, 0600);
    ck_assert_int_eq(admin_token_open(path, token, &made), -EINVAL);
    longest[128] = '\0';
    write_file(longest, 0600);
    ck_assert_int_eq(admin_token_open(path, token, &made), 0);
}
END_TEST

START_TEST(a_token_that_others_can_read_is_refused)
{
    write_file("0123456789abcdef0123456789abcdef\n", 0640);
    ck_assert_int_eq(admin_token_open(path, token, &made), -EPERM);
    chmod(path, 0604);
    ck_assert_int_eq(admin_token_open(path, token, &made), -EPERM);
}
END_TEST

START_TEST(a_folder_that_is_not_there_is_an_error)
{
    snprintf(path, sizeof path, "%s/none/admin.token", folder.path);
    ck_assert_int_eq(admin_token_open(path, token, &made), -ENOENT);
}
END_TEST

START_TEST(the_token_stands_beside_the_lists)
{
    static struct config config;

    config_defaults(&config);
    strcpy(config.persistence.path, "/var/lib/ntc/lists.json");
    admin_token_path(&config, path);
    ck_assert_str_eq(path, "/var/lib/ntc/admin.token");
    strcpy(config.persistence.path, "lists.json");
    admin_token_path(&config, path);
    ck_assert_str_eq(path, "admin.token");
    strcpy(config.server.token_file, "/etc/ntc/token");
    admin_token_path(&config, path);
    ck_assert_str_eq(path, "/etc/ntc/token");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("admin_token");
    TCase *tcase = tcase_create("file");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_token_is_made_once_and_kept);
    tcase_add_test(tcase, a_token_of_ones_own_is_taken);
    tcase_add_test(tcase, what_is_no_token_is_refused);
    tcase_add_test(tcase, a_token_that_others_can_read_is_refused);
    tcase_add_test(tcase, a_folder_that_is_not_there_is_an_error);
    tcase_add_test(tcase, the_token_stands_beside_the_lists);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
