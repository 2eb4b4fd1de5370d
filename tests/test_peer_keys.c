#include "peer_keys.h"

#include <errno.h>
#include <sys/stat.h>
#include <zmq.h>

#include "key_folder.h"
#include "suite.h"

#define KEY "00112233445566778899aabbccddeeff0123456789abcdefABCDEF0123456789"

static struct key_folder folder;
static char why[4096];

static void setup(void) { key_folder_make(&folder); }
static void teardown(void) { key_folder_remove(&folder); }

static const char *path_of(const char *name)
{
    static char path[256];

    snprintf(path, sizeof path, "%s/%s", folder.path, name);
    return path;
}

static mode_t mode_of(const char *name)
{
    struct stat status;

    ck_assert_int_eq(stat(path_of(name), &status), 0);
    return status.st_mode & 07777;
}

static int read_text(const char *text, struct peer_key *key, bool *is_read_only)
{
    key_folder_write(&folder, "x.key", text);
    why[0] = '\0';
    return peer_keys_read(path_of("x.key"), key, is_read_only, why, sizeof why);
}

START_TEST(a_new_pair_is_one_and_its_secret_is_secret)
{
    struct peer_key_pair pair;
    char public[41], secret[41], derived[41];

    ck_assert_int_eq(mode_of("secret.key"), 0600);
    ck_assert_int_eq(mode_of("public.key"), 0644);
    ck_assert_int_eq(mode_of("clients"), 0750);
    ck_assert_int_eq(mode_of("collectors"), 0750);
    ck_assert_int_eq(peer_keys_read_own(folder.path, &pair, why, sizeof why), 0);
    ck_assert_mem_eq(&pair.public, &folder.public, sizeof pair.public);
    zmq_z85_encode(public, pair.public.bytes, 32);
    zmq_z85_encode(secret, pair.secret.bytes, 32);
    ck_assert_int_eq(zmq_curve_public(derived, secret), 0);
    ck_assert_str_eq(derived, public);

    struct peer_key written;
    ck_assert_int_eq(peer_keys_read(path_of("public.key"), &written, NULL, why, sizeof why), 0);
    ck_assert_mem_eq(&written, &folder.public, sizeof written);
}
END_TEST

START_TEST(a_secret_is_never_overwritten)
{
    struct peer_key_pair before, after;
    struct peer_key public;

    ck_assert_int_eq(peer_keys_read_own(folder.path, &before, why, sizeof why), 0);
    ck_assert_int_eq(peer_keys_make(folder.path, &public, why, sizeof why), -EEXIST);
    ck_assert_ptr_nonnull(strstr(why, "secret.key is there already"));
    ck_assert_int_eq(peer_keys_read_own(folder.path, &after, why, sizeof why), 0);
    ck_assert_mem_eq(&before, &after, sizeof before);
    ck_assert_int_eq(peer_keys_read(path_of("public.key"), &public, NULL, why, sizeof why), 0);
    ck_assert_mem_eq(&public, &folder.public, sizeof public);
}
END_TEST

START_TEST(after_the_secret_is_removed_there_is_a_new_pair)
{
    struct peer_key public;
    struct peer_key_pair pair;

    key_folder_delete(&folder, "secret.key");
    ck_assert_int_eq(peer_keys_make(folder.path, &public, why, sizeof why), 0);
    ck_assert_mem_ne(&public, &folder.public, sizeof public);
    ck_assert_int_eq(peer_keys_read_own(folder.path, &pair, why, sizeof why), 0);
    ck_assert_mem_eq(&pair.public, &public, sizeof public);
    ck_assert_int_eq(peer_keys_read(path_of("public.key"), &public, NULL, why, sizeof why), 0);
    ck_assert_mem_eq(&pair.public, &public, sizeof public);
}
END_TEST

START_TEST(a_folder_that_hands_its_group_on_lets_the_group_read)
{
    struct peer_key public;
    struct peer_key_pair pair;

    key_folder_delete(&folder, "secret.key");
    ck_assert_int_eq(chmod(folder.path, 02750), 0);
    ck_assert_int_eq(peer_keys_make(folder.path, &public, why, sizeof why), 0);
    ck_assert_int_eq(mode_of("secret.key"), 0640);
    ck_assert_int_eq(peer_keys_read_own(folder.path, &pair, why, sizeof why), 0);
}
END_TEST

START_TEST(a_folder_that_cannot_be_made_is_named)
{
    struct peer_key public;

    ck_assert_int_eq(peer_keys_make("/nonexistent/keys", &public, why, sizeof why), -ENOENT);
    ck_assert_ptr_nonnull(strstr(why, "cannot make /nonexistent/keys"));
    ck_assert_int_eq(peer_keys_make("", &public, why, sizeof why), -EINVAL);
}
END_TEST

START_TEST(a_secret_for_everybody_or_for_nobody_is_refused)
{
    struct peer_key_pair pair;

    ck_assert_int_eq(chmod(path_of("secret.key"), 0644), 0);
    ck_assert_int_eq(peer_keys_read_own(folder.path, &pair, why, sizeof why), -EPERM);
    ck_assert_ptr_nonnull(strstr(why, "secret.key can be read by everybody"));
    key_folder_write(&folder, "secret.key", "no key\n");
    ck_assert_int_eq(chmod(path_of("secret.key"), 0600), 0);
    ck_assert_int_eq(peer_keys_read_own(folder.path, &pair, why, sizeof why), -EINVAL);
    ck_assert_ptr_nonnull(strstr(why, "secret.key holds no key"));
    key_folder_delete(&folder, "secret.key");
    ck_assert_int_eq(peer_keys_read_own(folder.path, &pair, why, sizeof why), -ENOENT);
    ck_assert_ptr_nonnull(strstr(why, "ntc-collector --make-keys /tmp/ntc-keys-"));
}
END_TEST

START_TEST(a_key_may_stand_among_comments_and_be_read_only)
{
    struct peer_key key;
    bool is_read_only = true;
    char text[PEER_KEY_TEXT_SIZE];

    ck_assert_int_eq(read_text("# the server\n\n  " KEY " \r\n", &key, &is_read_only), 0);
    ck_assert(!is_read_only);
    peer_key_format(&key, text);
    ck_assert_str_eq(text, "00112233445566778899aabbccddeeff0123456789abcdef"
                           "abcdef0123456789");
    ck_assert_int_eq(read_text(KEY "\tread-only", &key, &is_read_only), 0);
    ck_assert(is_read_only);
}
END_TEST

static const char *const WRONG[][2] = {
    { "", "is empty" }, { "# " KEY "\n", "is empty" }, { "hello\n", "64 hexadecimal digits" },
    { "0011\n", "64 hexadecimal" }, { KEY "0\n", "64 hexadecimal" },
    { KEY "\n" KEY "\n", "more than one line" },
    { KEY " readonly\n", "something else than \"read-only\"" },
    { KEY " read-only please\n", NULL },
    { "\xff\xfe\x80garbage\x01\n", "64 hexadecimal" },
};

START_TEST(a_garbled_file_is_no_key)
{
    struct peer_key key;
    bool is_read_only;
    int rc = read_text(WRONG[_i][0], &key, &is_read_only);

    if (!WRONG[_i][1]) {        /* what stands behind the word is for people */
        ck_assert_int_eq(rc, 0);
        return;
    }
    ck_assert_int_eq(rc, -EINVAL);
    ck_assert_msg(strstr(why, WRONG[_i][1]) != NULL, "%s", why);
    ck_assert_msg(strncmp(why, folder.path, strlen(folder.path)) == 0, "%s", why);
}
END_TEST

START_TEST(what_is_no_file_is_no_key)
{
    struct peer_key key;

    ck_assert_int_eq(read_text(KEY " read-only\n", &key, NULL), -EINVAL);
    ck_assert_int_eq(peer_keys_read(path_of("clients"), &key, NULL, why, sizeof why), -EINVAL);
    ck_assert_int_eq(mkfifo(path_of("fifo"), 0600), 0);
    ck_assert_int_eq(peer_keys_read(path_of("fifo"), &key, NULL, why, sizeof why), -EINVAL);
    ck_assert_int_eq(peer_keys_read("/dev/zero", &key, NULL, why, sizeof why), -EINVAL);
}
END_TEST

START_TEST(the_key_of_a_collector_has_the_name_of_its_host)
{
    struct peer_key key;

    ck_assert_int_eq(peer_keys_read_collector(folder.path, "tcp://pi1:7386", &key, why, sizeof why),
                     -ENOENT);
    ck_assert_ptr_nonnull(strstr(why, "copy its public.key to /tmp/ntc-keys-"));
    ck_assert_ptr_nonnull(strstr(why, "/collectors/pi1.key"));
    key_folder_write(&folder, "collectors/pi1.key", KEY "\n");
    ck_assert_int_eq(peer_keys_read_collector(folder.path, "tcp://pi1:7387", &key, why, sizeof why),
                     0);
    key_folder_write(&folder, "collectors/2001:db8::1.key", KEY "\n");
    ck_assert_int_eq(peer_keys_read_collector(folder.path, "tcp://[2001:db8::1]:1", &key, why,
                                              sizeof why), 0);
}
END_TEST

START_TEST(keys_are_needed_only_for_other_hosts)
{
    static struct config config;

    config_defaults(&config);
    strcpy(config.bus.keys, "/nonexistent");
    ck_assert_int_eq(peer_keys_check(&config, why, sizeof why), 0);
    config.bus.collectors.size = 2;
    strcpy(config.bus.collectors.items[0], "ipc:///run/ntc/events");
    strcpy(config.bus.collectors.items[1], "ipc:///run/other/events");
    ck_assert_int_eq(peer_keys_check(&config, why, sizeof why), 0);
    strcpy(config.bus.collectors.items[1], "tcp://pi1:7386");
    ck_assert_int_eq(peer_keys_check(&config, why, sizeof why), -ENOENT);
    strcpy(config.bus.keys, folder.path);
    ck_assert_int_eq(peer_keys_check(&config, why, sizeof why), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("peer_keys");
    TCase *tcase = tcase_create("keys");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_new_pair_is_one_and_its_secret_is_secret);
    tcase_add_test(tcase, a_secret_is_never_overwritten);
    tcase_add_test(tcase, after_the_secret_is_removed_there_is_a_new_pair);
    tcase_add_test(tcase, a_folder_that_hands_its_group_on_lets_the_group_read);
    tcase_add_test(tcase, a_folder_that_cannot_be_made_is_named);
    tcase_add_test(tcase, a_secret_for_everybody_or_for_nobody_is_refused);
    tcase_add_test(tcase, a_key_may_stand_among_comments_and_be_read_only);
    tcase_add_loop_test(tcase, a_garbled_file_is_no_key, 0, sizeof WRONG / sizeof WRONG[0]);
    tcase_add_test(tcase, what_is_no_file_is_no_key);
    tcase_add_test(tcase, the_key_of_a_collector_has_the_name_of_its_host);
    tcase_add_test(tcase, keys_are_needed_only_for_other_hosts);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
