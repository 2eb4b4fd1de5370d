#include "client_keys.h"

#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "key_folder.h"
#include "suite.h"

#define A "00112233445566778899aabbccddeeff00112233445566778899aabbccddee0a"
#define B "00112233445566778899aabbccddeeff00112233445566778899aabbccddee0b"

static struct key_folder folder;
static client_keys_t *keys;
static char reports[16384];
static unsigned report_count;

static void on_report(const char *sentence, void *arg)
{
    size_t size = strlen(reports);

    ck_assert_ptr_eq(arg, &folder);
    report_count++;
    snprintf(reports + size, sizeof reports - size, "%s\n", sentence);
}

static unsigned refresh(void)
{
    reports[0] = '\0';
    report_count = 0;
    return client_keys_refresh(keys, on_report, &folder);
}

static struct client_key *find(const char *text)
{
    struct peer_key key;

    ck_assert(peer_key_parse(text, &key));
    return client_keys_find(keys, &key);
}

static void setup(void)
{
    key_folder_make(&folder);
    keys = client_keys_new(folder.path);
    ck_assert_uint_eq(refresh(), 0);
}

static void teardown(void)
{
    client_keys_destroy(&keys);
    key_folder_remove(&folder);
}

START_TEST(a_file_lets_in_and_its_removal_shuts_out)
{
    ck_assert_ptr_null(find(A));
    key_folder_write(&folder, "clients/server.key", A "\n");
    ck_assert_uint_eq(refresh(), 0);
    ck_assert_uint_eq(report_count, 0);
    ck_assert_str_eq(find(A)->name, "server");
    ck_assert(!find(A)->is_read_only);
    ck_assert_ptr_null(find(B));
    key_folder_delete(&folder, "clients/server.key");
    ck_assert_uint_eq(refresh(), 1);
    ck_assert_ptr_null(find(A));
    ck_assert_uint_eq(refresh(), 0);
}
END_TEST

START_TEST(another_key_in_the_file_shuts_the_old_one_out)
{
    key_folder_write(&folder, "clients/server.key", A "\n");
    refresh();
    key_folder_write(&folder, "clients/server.key", B "\n");
    ck_assert_uint_eq(refresh(), 1);
    ck_assert_ptr_null(find(A));
    ck_assert_ptr_nonnull(find(B));
}
END_TEST

START_TEST(a_key_under_another_name_or_right_is_not_gone)
{
    key_folder_write(&folder, "clients/a.key", A "\n");
    refresh();
    find(A)->is_greeted = true;
    key_folder_write(&folder, "clients/b.key", A " read-only\n");
    key_folder_delete(&folder, "clients/a.key");
    ck_assert_uint_eq(refresh(), 0);
    ck_assert_str_eq(find(A)->name, "b");
    ck_assert(find(A)->is_read_only);
    ck_assert(find(A)->is_greeted);
}
END_TEST

START_TEST(a_broken_file_lets_nobody_in_and_is_told_once)
{
    key_folder_write(&folder, "clients/a.key", A "\n");
    key_folder_write(&folder, "clients/broken.key", "0011 broken\n");
    ck_assert_uint_eq(refresh(), 0);
    ck_assert_uint_eq(report_count, 1);
    ck_assert_ptr_nonnull(strstr(reports, "/clients/broken.key holds no key"));
    ck_assert_uint_eq(client_keys_size(keys), 1);
    refresh();
    ck_assert_uint_eq(report_count, 0);
    key_folder_write(&folder, "clients/a.key", "broken as well\n");
    ck_assert_uint_eq(refresh(), 1);
    ck_assert_uint_eq(client_keys_size(keys), 0);
}
END_TEST

START_TEST(only_names_with_the_suffix_count)
{
    key_folder_write(&folder, "clients/a.key~", A "\n");
    key_folder_write(&folder, "clients/b.pub", B "\n");
    key_folder_write(&folder, "clients/.c.key", B "\n");
    ck_assert_int_eq(mkdir(strcat(strcpy(reports, folder.path), "/clients/d.key"), 0700), 0);
    refresh();
    ck_assert_uint_eq(report_count, 3);
    ck_assert_ptr_nonnull(strstr(reports, "b.pub lets nobody in: the name of a key file ends in "
                                          ".key"));
    ck_assert_uint_eq(client_keys_size(keys), 0);
}
END_TEST

START_TEST(of_two_files_with_one_key_the_first_by_name_counts)
{
    key_folder_write(&folder, "clients/b.key", A "\n");
    key_folder_write(&folder, "clients/a.key", A " read-only\n");
    refresh();
    ck_assert_uint_eq(client_keys_size(keys), 1);
    ck_assert(find(A)->is_read_only);
    ck_assert_ptr_nonnull(strstr(reports, "b.key is left out: a.key has the same key"));
}
END_TEST

START_TEST(a_folder_that_goes_takes_its_keys_along)
{
    char clients[128], moved[128];

    key_folder_write(&folder, "clients/a.key", A "\n");
    refresh();
    snprintf(clients, sizeof clients, "%s/clients", folder.path);
    snprintf(moved, sizeof moved, "%s/moved", folder.path);
    ck_assert_int_eq(rename(clients, moved), 0);
    ck_assert_uint_eq(refresh(), 1);
    ck_assert_ptr_nonnull(strstr(reports, "nobody may connect"));
    ck_assert_int_eq(rename(moved, clients), 0);
    ck_assert_uint_eq(refresh(), 0);
    ck_assert_ptr_nonnull(find(A));
}
END_TEST

/* A flood of connections takes all descriptors. */
START_TEST(without_descriptors_nobody_is_let_go_but_whose_file_is_gone)
{
    struct rlimit limit;

    key_folder_write(&folder, "clients/a.key", A "\n");
    key_folder_write(&folder, "clients/b.key", B "\n");
    refresh();
    key_folder_write(&folder, "clients/b.key", B " read-only\n");
    key_folder_delete(&folder, "clients/a.key");
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = 3;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    ck_assert_int_lt(open("/dev/null", O_RDONLY), 0);
    ck_assert_uint_eq(refresh(), 1);
    ck_assert_ptr_null(find(A));
    ck_assert_ptr_nonnull(find(B));
    ck_assert(!find(B)->is_read_only);
    limit.rlim_cur = before;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    ck_assert_uint_eq(refresh(), 0);
    ck_assert(find(B)->is_read_only);
}
END_TEST

START_TEST(there_is_room_for_a_fixed_number)
{
    char name[64], text[128];

    for (unsigned i = 0; i <= CLIENT_KEYS_MAX; i++) {
        snprintf(name, sizeof name, "clients/c%03u.key", i);
        snprintf(text, sizeof text, "%.60s%04x\n", A, i);
        key_folder_write(&folder, name, text);
    }
    refresh();
    ck_assert_uint_eq(client_keys_size(keys), CLIENT_KEYS_MAX);
    ck_assert_ptr_nonnull(strstr(reports, "c256.key is left out: there are more than 256"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("client_keys");
    TCase *tcase = tcase_create("folder");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_file_lets_in_and_its_removal_shuts_out);
    tcase_add_test(tcase, another_key_in_the_file_shuts_the_old_one_out);
    tcase_add_test(tcase, a_key_under_another_name_or_right_is_not_gone);
    tcase_add_test(tcase, a_broken_file_lets_nobody_in_and_is_told_once);
    tcase_add_test(tcase, only_names_with_the_suffix_count);
    tcase_add_test(tcase, of_two_files_with_one_key_the_first_by_name_counts);
    tcase_add_test(tcase, a_folder_that_goes_takes_its_keys_along);
    tcase_add_test(tcase, without_descriptors_nobody_is_let_go_but_whose_file_is_gone);
    tcase_add_test(tcase, there_is_room_for_a_fixed_number);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
