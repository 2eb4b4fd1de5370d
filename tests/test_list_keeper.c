#include "list_keeper.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "suite.h"

/* A kernel in memory that refuses when it is told to. */
#define FAKE_SIZE 64
static struct kernel_list_item fake[FAKE_SIZE];
static size_t fake_size;
static int calls_until_refusal;         /* 0 = never refuse */
static int refusal;

static char folder[64], path[128];
static ip_list_t *lists;
static list_store_t *store;
static list_keeper_t *keeper;
static struct list_answer answer;

static int refuse_now(void)
{
    return calls_until_refusal > 0 && --calls_until_refusal == 0 ? refusal : 0;
}

static size_t fake_find(const struct kernel_list_item *item)
{
    size_t i = 0;

    while (i < fake_size && (fake[i].list != item->list
                             || ip_prefix_compare(&fake[i].prefix, &item->prefix) != 0))
        i++;
    return i;
}

static int fake_put(void *arg, const struct kernel_list_item *item)
{
    (void) arg;
    int rc = refuse_now();
    if (rc != 0)
        return rc;
    size_t at = fake_find(item);
    fake_size += at == fake_size;
    fake[at] = *item;
    return 0;
}

static int fake_remove(void *arg, const struct kernel_list_item *item)
{
    (void) arg;
    int rc = refuse_now();
    size_t at = fake_find(item);
    if (rc != 0 || at == fake_size)
        return rc != 0 ? rc : -ENOENT;
    fake[at] = fake[--fake_size];
    return 0;
}

static int fake_hits(void *arg, const struct kernel_list_item *item,
                     struct kernel_list_hits *ret_hits)
{
    (void) arg;
    if (fake_find(item) == fake_size)
        return -ENOENT;
    *ret_hits = (struct kernel_list_hits) { .packets = 3, .bytes = 180, .last_ns = 9 };
    return 0;
}

static const struct list_kernel KERNEL = { fake_put, fake_remove, fake_hits, NULL };

static void setup(void)
{
    strcpy(folder, "/tmp/ntc-test-keeper-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/lists.json", folder);
    lists = ip_list_new(4, 4);
    ck_assert_int_eq(list_store_open(&store, path), 0);
    keeper = list_keeper_new(lists, store, &KERNEL);
    ck_assert_ptr_nonnull(keeper);
}

static void teardown(void)
{
    char command[128];

    list_keeper_destroy(&keeper);
    list_store_destroy(&store);
    ip_list_destroy(&lists);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    ck_assert_int_eq(system(command), 0);
}

static const char *file_text(void)
{
    static char text[8192];
    FILE *file = fopen(path, "r");

    text[0] = '\0';
    if (!file)
        return text;
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return text;
}

static struct ip_prefix prefix_of(const char *text)
{
    struct ip_prefix prefix;
    char why[200];

    ck_assert_msg(ip_prefix_parse(text, &prefix, why, sizeof why) == 0, "%s", why);
    return prefix;
}

static enum list_code add(const char *text, uint64_t expires_ns, const char *reason)
{
    struct ip_list_entry entry = { .prefix = prefix_of(text), .expires_ns = expires_ns,
                                   .reason = reason };

    list_keeper_add(keeper, NTC_BLACK, &entry, NULL, 0, &answer);
    return answer.code;
}

static enum list_code take(const char *text)
{
    struct ip_prefix prefix = prefix_of(text);

    list_keeper_remove(keeper, NTC_BLACK, &prefix, NULL, 0, &answer);
    return answer.code;
}

static const struct kernel_list_item *in_kernel(const char *text)
{
    struct kernel_list_item item = { .prefix = prefix_of(text), .list = NTC_BLACK };
    size_t at = fake_find(&item);

    return at < fake_size ? &fake[at] : NULL;
}

static const struct ip_list_entry *in_memory(const char *text)
{
    struct ip_prefix prefix = prefix_of(text);

    return ip_list_find(lists, NTC_BLACK, &prefix);
}

START_TEST(an_answer_of_ok_means_enforced_and_saved)
{
    ck_assert_int_eq(add("192.0.2.1", 0, "test"), LIST_OK);
    ck_assert(answer.changed);
    ck_assert_ptr_nonnull(in_kernel("192.0.2.1"));
    ck_assert_ptr_nonnull(strstr(file_text(), "192.0.2.1"));
    ck_assert_uint_eq(list_keeper_version(keeper), 2);

    ck_assert_int_eq(take("192.0.2.1"), LIST_OK);
    ck_assert_ptr_null(in_kernel("192.0.2.1"));
    ck_assert_ptr_null(strstr(file_text(), "192.0.2.1"));
    ck_assert_uint_eq(list_keeper_version(keeper), 3);
}
END_TEST

START_TEST(adding_the_same_again_changes_nothing)
{
    ck_assert_int_eq(add("192.0.2.1", 0, "test"), LIST_OK);
    ck_assert_int_eq(add("192.0.2.1", 0, "test"), LIST_OK);
    ck_assert(!answer.changed);
    ck_assert_uint_eq(list_keeper_version(keeper), 2);
    ck_assert_int_eq(add("192.0.2.1", 77, "test"), LIST_OK);
    ck_assert(answer.changed);
    ck_assert_uint_eq(in_kernel("192.0.2.1")->expires_ns, 77);
    ck_assert_int_eq(add("192.0.2.1", 77, "else"), LIST_OK);
    ck_assert(answer.changed);
    ck_assert_str_eq(in_memory("192.0.2.1")->reason, "else");
}
END_TEST

START_TEST(removing_what_is_not_listed_is_not_found)
{
    ck_assert_int_eq(take("192.0.2.9"), LIST_NOT_FOUND);
    ck_assert_str_eq(answer.error, "192.0.2.9 is not in the blacklist");
    ck_assert_str_eq(file_text(), "");
}
END_TEST

START_TEST(a_full_list_is_refused)
{
    const char *HOSTS[] = { "192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4" };

    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(add(HOSTS[i], 0, ""), LIST_OK);
    ck_assert_int_eq(add("192.0.2.5", 0, ""), LIST_FULL);
    ck_assert_ptr_nonnull(strstr(answer.error, "4 addresses"));
    ck_assert_ptr_null(strstr(file_text(), "192.0.2.5"));
    ck_assert_int_eq(add("192.0.2.0/24", 0, ""), LIST_OK);
}
END_TEST

/* A disk that refuses: the temporary file cannot be made. */
START_TEST(what_cannot_be_saved_is_not_done)
{
    char temporary[160], before[8192];

    ck_assert_int_eq(add("10.1.0.0/16", 50, ""), LIST_OK);
    strcpy(before, file_text());
    snprintf(temporary, sizeof temporary, "%s.tmp", path);
    ck_assert_int_eq(mkdir(temporary, 0700), 0);

    ck_assert_int_eq(add("10.0.0.0/8", 0, ""), LIST_NOT_SAVED);
    ck_assert_ptr_nonnull(strstr(answer.error, "cannot write"));
    ck_assert_ptr_null(in_kernel("10.0.0.0/8"));
    ck_assert_uint_eq(in_kernel("10.1.0.0/16")->expires_ns, 50);
    ck_assert_ptr_null(in_memory("10.0.0.0/8"));

    ck_assert_int_eq(take("10.1.0.0/16"), LIST_NOT_SAVED);
    ck_assert_uint_eq(in_kernel("10.1.0.0/16")->expires_ns, 50);
    ck_assert_uint_eq(in_memory("10.1.0.0/16")->expires_ns, 50);
    ck_assert_str_eq(file_text(), before);
    ck_assert_uint_eq(list_keeper_version(keeper), 2);
}
END_TEST

/* The rename fails, when the kernel has been changed already. */
START_TEST(what_cannot_be_committed_is_undone_in_the_kernel)
{
    ck_assert_int_eq(mkdir(path, 0700), 0);
    ck_assert_int_eq(add("192.0.2.1", 0, ""), LIST_NOT_SAVED);
    ck_assert_ptr_nonnull(strstr(answer.error, "cannot replace"));
    ck_assert_ptr_null(in_kernel("192.0.2.1"));
    ck_assert_ptr_null(in_memory("192.0.2.1"));
}
END_TEST

START_TEST(what_the_kernel_refuses_is_undone)
{
    char before[8192];

    ck_assert_int_eq(add("10.1.0.0/16", 50, "inner"), LIST_OK);
    strcpy(before, file_text());
    calls_until_refusal = 2;            /* of two puts the second */
    refusal = -EPERM;
    ck_assert_int_eq(add("10.0.0.0/8", 0, ""), LIST_NOT_ENFORCED);
    ck_assert_ptr_nonnull(strstr(answer.error, "Operation not permitted"));
    ck_assert_uint_eq(fake_size, 1);
    char temporary[160];
    snprintf(temporary, sizeof temporary, "%s.tmp", path);
    ck_assert_int_ne(access(temporary, F_OK), 0);
    ck_assert_uint_eq(in_kernel("10.1.0.0/16")->expires_ns, 50);
    ck_assert_str_eq(file_text(), before);

    calls_until_refusal = 1;
    ck_assert_int_eq(take("10.1.0.0/16"), LIST_NOT_ENFORCED);
    ck_assert_str_eq(in_memory("10.1.0.0/16")->reason, "inner");
    ck_assert_uint_eq(in_kernel("10.1.0.0/16")->expires_ns, 50);

    calls_until_refusal = 1;
    refusal = -ENOSPC;
    ck_assert_int_eq(add("192.0.2.1", 0, ""), LIST_FULL);
    ck_assert_str_eq(file_text(), before);

    calls_until_refusal = 1;
    refusal = -EPERM;
    ck_assert_int_eq(add("10.1.0.0/16", 99, "other"), LIST_NOT_ENFORCED);
    ck_assert_uint_eq(in_memory("10.1.0.0/16")->expires_ns, 50);
    ck_assert_str_eq(in_memory("10.1.0.0/16")->reason, "inner");
}
END_TEST

START_TEST(what_has_expired_vanishes_everywhere)
{
    ck_assert_int_eq(add("192.0.2.1", 50, ""), LIST_OK);
    ck_assert_int_eq(add("192.0.2.2", 0, ""), LIST_OK);
    ck_assert_uint_eq(list_keeper_expire(keeper, 49, 0, &answer), 0);
    ck_assert_uint_eq(list_keeper_version(keeper), 3);
    ck_assert_uint_eq(list_keeper_expire(keeper, 50, 0, &answer), 1);
    ck_assert_int_eq(answer.code, LIST_OK);
    ck_assert_uint_eq(list_keeper_version(keeper), 4);
    ck_assert_ptr_null(in_memory("192.0.2.1"));
    ck_assert_ptr_null(in_kernel("192.0.2.1"));
    ck_assert_ptr_null(strstr(file_text(), "192.0.2.1"));
    ck_assert_ptr_nonnull(strstr(file_text(), "192.0.2.2"));
}
END_TEST

START_TEST(what_could_not_be_saved_when_it_expired_leaves_the_file_later)
{
    char temporary[160];

    ck_assert_int_eq(add("192.0.2.1", 50, ""), LIST_OK);
    snprintf(temporary, sizeof temporary, "%s.tmp", path);
    ck_assert_int_eq(mkdir(temporary, 0700), 0);
    ck_assert_uint_eq(list_keeper_expire(keeper, 50, 0, &answer), 1);
    ck_assert_int_eq(answer.code, LIST_NOT_SAVED);
    list_keeper_refresh(keeper, 0, &answer);
    ck_assert_int_eq(answer.code, LIST_NOT_SAVED);
    ck_assert_int_eq(rmdir(temporary), 0);
    ck_assert_ptr_nonnull(strstr(file_text(), "192.0.2.1"));
    list_keeper_refresh(keeper, 0, &answer);
    ck_assert_int_eq(answer.code, LIST_OK);
    ck_assert_ptr_null(strstr(file_text(), "192.0.2.1"));
}
END_TEST

START_TEST(the_file_follows_a_wall_clock_that_jumps)
{
    const int64_t second_ns = 1000000000;

    list_keeper_refresh(keeper, 5 * second_ns, &answer);
    ck_assert_int_ne(access(path, F_OK), 0);    /* nothing in it would differ */
    ck_assert_int_eq(add("192.0.2.1", 60 * second_ns, ""), LIST_OK);    /* by a clock at 0 */
    ck_assert_ptr_nonnull(strstr(file_text(), "\"expires\":60"));
    list_keeper_refresh(keeper, second_ns / 2, &answer);
    ck_assert_ptr_nonnull(strstr(file_text(), "\"expires\":60}"));
    list_keeper_refresh(keeper, 7200 * second_ns, &answer);
    ck_assert_int_eq(answer.code, LIST_OK);
    ck_assert_ptr_nonnull(strstr(file_text(), "\"expires\":7260}"));
    list_keeper_refresh(keeper, 0, &answer);
    ck_assert_ptr_nonnull(strstr(file_text(), "\"expires\":60}"));
    ck_assert_uint_eq(in_memory("192.0.2.1")->expires_ns, (uint64_t) (60 * second_ns));
}
END_TEST

START_TEST(hits_come_from_the_kernel)
{
    struct ip_prefix prefix = prefix_of("192.0.2.1");

    ck_assert_uint_eq(list_keeper_hits(keeper, NTC_BLACK, &prefix).packets, 0);
    ck_assert_int_eq(add("192.0.2.1", 0, ""), LIST_OK);
    ck_assert_uint_eq(list_keeper_hits(keeper, NTC_BLACK, &prefix).packets, 3);
    ck_assert_uint_eq(list_keeper_hits(keeper, NTC_BLACK, &prefix).last_ns, 9);
}
END_TEST

/* ---- changes that wait to be confirmed ---- */

#define MS 1000000ull           /* the file keeps milliseconds */
#define UNTIL (60 * MS)

static enum list_code add_if(uint64_t id, const char *text, uint64_t expires_ns,
                             const char *reason)
{
    struct ip_list_entry entry = { .prefix = prefix_of(text), .expires_ns = expires_ns,
                                   .reason = reason };
    struct list_condition condition = { .id = id, .until_ns = UNTIL };

    list_keeper_add(keeper, NTC_BLACK, &entry, &condition, 0, &answer);
    return answer.code;
}

static enum list_code take_if(uint64_t id, const char *text)
{
    struct ip_prefix prefix = prefix_of(text);
    struct list_condition condition = { .id = id, .until_ns = UNTIL };

    list_keeper_remove(keeper, NTC_BLACK, &prefix, &condition, 0, &answer);
    return answer.code;
}

static uint32_t waiting(void)
{
    return unconfirmed_changes_size(list_keeper_unconfirmed(keeper));
}

static enum list_code confirm(uint64_t id)
{
    list_keeper_confirm(keeper, id, 0, &answer);
    return answer.code;
}

static void ignore(const char *sentence, void *arg)
{
    (void) arg;
    ck_abort_msg("%s", sentence);
}

/* Begin again with what is in the file, as at `boot_ns`. */
static void restart(uint64_t boot_ns)
{
    char why[512];

    list_keeper_destroy(&keeper);
    list_store_destroy(&store);
    ip_list_destroy(&lists);
    lists = ip_list_new(4, 4);
    ck_assert_int_eq(list_store_open(&store, path), 0);
    ck_assert_int_eq(list_store_load(store, lists, boot_ns, 0, ignore, NULL, why, sizeof why), 0);
    keeper = list_keeper_new(lists, store, &KERNEL);
}

START_TEST(an_addition_ends_in_the_kernel_unless_it_is_confirmed)
{
    ck_assert_int_eq(add_if(7, "192.0.2.1", 0, "x"), LIST_OK);
    ck_assert_uint_eq(in_kernel("192.0.2.1")->expires_ns, UNTIL);
    ck_assert_int_eq(confirm(8), LIST_NOT_FOUND);
    ck_assert_int_eq(confirm(7), LIST_OK);
    ck_assert_uint_eq(in_kernel("192.0.2.1")->expires_ns, 0);
    ck_assert_uint_eq(waiting(), 0);
    ck_assert_int_eq(confirm(7), LIST_NOT_FOUND);
    ck_assert_ptr_null(strstr(file_text(), "unconfirmed"));
    ck_assert_ptr_nonnull(strstr(file_text(), "\"x\""));
}
END_TEST

START_TEST(what_is_not_confirmed_is_undone_when_its_time_is_over)
{
    ck_assert_int_eq(add("192.0.2.2", 0, "before"), LIST_OK);
    ck_assert_int_eq(add_if(1, "192.0.2.1", 0, ""), LIST_OK);
    ck_assert_int_eq(add_if(2, "192.0.2.2", 100 * MS, "after"), LIST_OK);
    ck_assert_uint_eq(in_kernel("192.0.2.2")->expires_ns, 0);    /* as before, should we be gone */
    ck_assert_uint_eq(list_keeper_undo_due(keeper, UNTIL - 1, 0, &answer), 0);
    ck_assert_uint_eq(waiting(), 2);
    ck_assert_uint_eq(list_keeper_undo_due(keeper, UNTIL, 0, &answer), 2);
    ck_assert_int_eq(answer.code, LIST_OK);
    ck_assert_ptr_null(in_kernel("192.0.2.1"));
    ck_assert_uint_eq(in_kernel("192.0.2.2")->expires_ns, 0);
    ck_assert_ptr_nonnull(strstr(file_text(), "\"before\""));
    ck_assert_ptr_null(strstr(file_text(), "192.0.2.1"));
    ck_assert_ptr_null(strstr(file_text(), "unconfirmed"));
}
END_TEST

START_TEST(a_removal_is_put_back_with_all_it_had)
{
    ck_assert_int_eq(add("10.0.0.0/8", 100 * MS, "mine"), LIST_OK);
    ck_assert_int_eq(take_if(5, "10.0.0.0/8"), LIST_OK);
    ck_assert_ptr_null(in_kernel("10.0.0.0/8"));
    ck_assert_int_eq(take_if(6, "10.0.0.0/8"), LIST_NOT_FOUND);
    restart(10 * MS);
    ck_assert_uint_eq(waiting(), 1);
    ck_assert_uint_eq(list_keeper_undo_due(keeper, UNTIL + 30 * MS, 0, &answer), 1);
    ck_assert_uint_eq(in_kernel("10.0.0.0/8")->expires_ns, 100 * MS);
    struct ip_prefix prefix = prefix_of("10.0.0.0/8");
    ck_assert_str_eq(ip_list_find(lists, NTC_BLACK, &prefix)->reason, "mine");
    ck_assert_int_eq(take_if(9, "10.0.0.0/8"), LIST_OK);
    ck_assert_int_eq(confirm(9), LIST_OK);
    ck_assert_uint_eq(waiting(), 0);
    ck_assert_uint_eq(list_keeper_undo_due(keeper, UNTIL, 0, &answer), 0);
    ck_assert_ptr_null(in_kernel("10.0.0.0/8"));
}
END_TEST

START_TEST(changes_wait_over_a_restart_and_end_while_nobody_runs)
{
    ck_assert_int_eq(add("192.0.2.2", 0, "before"), LIST_OK);
    ck_assert_int_eq(add_if(0xabc, "192.0.2.1", 200 * MS, "new"), LIST_OK);
    ck_assert_int_eq(add_if(2, "192.0.2.2", 150 * MS, "after"), LIST_OK);
    restart(10 * MS);
    ck_assert_uint_eq(waiting(), 2);
    ck_assert_int_eq(confirm(0xabc), LIST_OK);
    ck_assert_uint_eq(in_kernel("192.0.2.1")->expires_ns, 200 * MS);
    restart(UNTIL + 1);
    ck_assert_uint_eq(list_keeper_undo_due(keeper, UNTIL + 1, 0, &answer), 1);
    ck_assert_uint_eq(in_kernel("192.0.2.2")->expires_ns, 0);
    struct ip_prefix prefix = prefix_of("192.0.2.2");
    ck_assert_str_eq(ip_list_find(lists, NTC_BLACK, &prefix)->reason, "before");
}
END_TEST

START_TEST(a_final_change_settles_what_waits)
{
    ck_assert_int_eq(add_if(1, "192.0.2.1", 0, ""), LIST_OK);
    ck_assert_int_eq(add("192.0.2.1", 0, ""), LIST_OK);
    ck_assert_uint_eq(waiting(), 0);
    ck_assert_uint_eq(in_kernel("192.0.2.1")->expires_ns, 0);
    ck_assert_int_eq(take_if(2, "192.0.2.1"), LIST_OK);
    ck_assert_int_eq(take("192.0.2.1"), LIST_OK);       /* for good */
    ck_assert_uint_eq(waiting(), 0);
    ck_assert_int_eq(take("192.0.2.1"), LIST_NOT_FOUND);
}
END_TEST

START_TEST(of_several_in_a_row_the_first_state_comes_back)
{
    ck_assert_int_eq(add("192.0.2.1", 0, "first"), LIST_OK);
    ck_assert_int_eq(add_if(1, "192.0.2.1", 100 * MS, "second"), LIST_OK);
    ck_assert_int_eq(take_if(2, "192.0.2.1"), LIST_OK);
    ck_assert_uint_eq(waiting(), 1);
    ck_assert_int_eq(confirm(1), LIST_NOT_FOUND);
    list_keeper_undo(keeper, 2, 0, &answer);
    ck_assert_int_eq(answer.code, LIST_OK);
    ck_assert_ptr_nonnull(strstr(file_text(), "\"first\""));
    ck_assert_ptr_nonnull(in_kernel("192.0.2.1"));

    ck_assert_int_eq(add_if(3, "192.0.2.9", 0, ""), LIST_OK);
    ck_assert_int_eq(take_if(4, "192.0.2.9"), LIST_OK);
    ck_assert_uint_eq(waiting(), 0);    /* nothing has happened */
    ck_assert_ptr_null(in_kernel("192.0.2.9"));
}
END_TEST

START_TEST(what_cannot_be_saved_waits_as_before)
{
    ck_assert_int_eq(add_if(1, "192.0.2.1", 0, "x"), LIST_OK);
    calls_until_refusal = 1;
    refusal = -EPERM;
    ck_assert_int_eq(confirm(1), LIST_NOT_ENFORCED);
    ck_assert_uint_eq(waiting(), 1);
    ck_assert_uint_eq(in_kernel("192.0.2.1")->expires_ns, UNTIL);
    ck_assert_int_eq(confirm(1), LIST_OK);
}
END_TEST

START_TEST(only_so_many_wait)
{
    char text[32];

    ip_list_destroy(&lists);
    lists = ip_list_new(100, 4);
    list_keeper_destroy(&keeper);
    keeper = list_keeper_new(lists, store, NULL);
    for (uint64_t i = 0; i < UNCONFIRMED_MAX; i++) {
        snprintf(text, sizeof text, "192.0.2.%u", (unsigned) i);
        ck_assert_int_eq(add_if(i + 1, text, 0, ""), LIST_OK);
    }
    ck_assert_int_eq(add_if(99, "192.0.2.200", 0, ""), LIST_FULL);
    ck_assert_ptr_nonnull(strstr(answer.error, "confirm"));
    ck_assert_uint_eq(ip_list_size(lists, NTC_BLACK), UNCONFIRMED_MAX);
    ck_assert_int_eq(add("192.0.2.200", 0, ""), LIST_OK);
}
END_TEST

START_TEST(cleared_lists_are_empty_everywhere_and_their_file_is_kept)
{
    char kept[LIST_ERROR_SIZE];

    ck_assert_int_eq(add("192.0.2.1", 0, "x"), LIST_OK);
    ck_assert_int_eq(add("10.0.0.0/8", 0, ""), LIST_OK);
    ck_assert_int_eq(add_if(1, "192.0.2.2", 0, ""), LIST_OK);
    list_keeper_clear(keeper, &answer);
    ck_assert_int_eq(answer.code, LIST_OK);
    ck_assert_uint_eq(fake_size, 0);
    ck_assert_uint_eq(ip_list_size(lists, NTC_BLACK), 0);
    ck_assert_uint_eq(waiting(), 0);
    ck_assert_int_ne(access(path, F_OK), 0);
    strcpy(kept, answer.error);
    ck_assert_int_eq(access(kept, F_OK), 0);
    list_keeper_clear(keeper, &answer);         /* there is nothing left to set aside */
    ck_assert_int_eq(answer.code, LIST_OK);
    ck_assert_str_eq(answer.error, "");
    ck_assert_int_eq(add("192.0.2.1", 0, "again"), LIST_OK);
    ck_assert_ptr_nonnull(strstr(file_text(), "again"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("list_keeper");
    TCase *tcase = tcase_create("change");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, an_answer_of_ok_means_enforced_and_saved);
    tcase_add_test(tcase, adding_the_same_again_changes_nothing);
    tcase_add_test(tcase, removing_what_is_not_listed_is_not_found);
    tcase_add_test(tcase, a_full_list_is_refused);
    tcase_add_test(tcase, what_cannot_be_saved_is_not_done);
    tcase_add_test(tcase, what_cannot_be_committed_is_undone_in_the_kernel);
    tcase_add_test(tcase, what_the_kernel_refuses_is_undone);
    tcase_add_test(tcase, what_has_expired_vanishes_everywhere);
    tcase_add_test(tcase, what_could_not_be_saved_when_it_expired_leaves_the_file_later);
    tcase_add_test(tcase, the_file_follows_a_wall_clock_that_jumps);
    tcase_add_test(tcase, hits_come_from_the_kernel);
    tcase_add_test(tcase, an_addition_ends_in_the_kernel_unless_it_is_confirmed);
    tcase_add_test(tcase, what_is_not_confirmed_is_undone_when_its_time_is_over);
    tcase_add_test(tcase, a_removal_is_put_back_with_all_it_had);
    tcase_add_test(tcase, changes_wait_over_a_restart_and_end_while_nobody_runs);
    tcase_add_test(tcase, a_final_change_settles_what_waits);
    tcase_add_test(tcase, of_several_in_a_row_the_first_state_comes_back);
    tcase_add_test(tcase, what_cannot_be_saved_waits_as_before);
    tcase_add_test(tcase, only_so_many_wait);
    tcase_add_test(tcase, cleared_lists_are_empty_everywhere_and_their_file_is_kept);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
