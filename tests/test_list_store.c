#include "list_store.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "suite.h"

#define BOOT_NS (100 * NS_PER_S)
#define UNIX_S 1700000000ull    /* wall time at BOOT_NS */
#define OFFSET_NS ((int64_t) (UNIX_S * NS_PER_S - BOOT_NS))

static char folder[64];
static char path[128];
static ip_list_t *lists;
static list_store_t *store;
static char reports[16384];     /* all sentences, one a line */
static char why[512];

static void on_report(const char *sentence, void *arg)
{
    (void) arg;
    strncat(reports, sentence, sizeof reports - strlen(reports) - 2);
    strcat(reports, "\n");
}

static void setup(void)
{
    strcpy(folder, "/tmp/ntc-test-store-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/lists.json", folder);
    lists = ip_list_new(64, 64);
    ck_assert_int_eq(list_store_open(&store, path), 0);
    reports[0] = why[0] = '\0';
}

static void teardown(void)
{
    char command[128];

    list_store_destroy(&store);
    ip_list_destroy(&lists);
    umount2(folder, MNT_DETACH);        /* of mount_small_disk() */
    snprintf(command, sizeof command, "rm -rf %s", folder);
    ck_assert_int_eq(system(command), 0);
}

static void write_file(const char *name, const char *text, size_t size)
{
    char full[256];

    snprintf(full, sizeof full, "%s/%s", folder, name);
    FILE *file = fopen(full, "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(text, 1, size, file), size);
    ck_assert_int_eq(fclose(file), 0);
}

static void write_text(const char *name, const char *text)
{
    write_file(name, text, strlen(text));
}

static const char *read_text(const char *name)
{
    static char text[65536];
    char full[400];

    snprintf(full, sizeof full, "%s/%s", folder, name);
    FILE *file = fopen(full, "r");
    if (!file)
        return "(missing)";
    size_t size = fread(text, 1, sizeof text - 1, file);
    text[size] = '\0';
    fclose(file);
    return text;
}

/* The first file whose name begins with `start`, "" if there is none; *ret_count: how many. */
static const char *find_name(const char *start, int *ret_count)
{
    static char name[256];
    DIR *entries = opendir(folder);
    struct dirent *entry;

    name[0] = '\0';
    *ret_count = 0;
    while ((entry = readdir(entries)))
        if (strncmp(entry->d_name, start, strlen(start)) == 0 && (*ret_count)++ == 0)
            strcpy(name, entry->d_name);
    closedir(entries);
    return name;
}

static int load(void)
{
    return list_store_load(store, lists, BOOT_NS, OFFSET_NS, on_report, NULL, why, sizeof why);
}

static void load_again(void)
{
    list_store_destroy(&store);
    ip_list_destroy(&lists);
    lists = ip_list_new(64, 64);
    ck_assert_int_eq(list_store_open(&store, path), 0);
    reports[0] = '\0';
    ck_assert_int_eq(load(), 0);
}

static int save(void)
{
    int rc = list_store_prepare(store, lists, OFFSET_NS, why, sizeof why);

    return rc != 0 ? rc : list_store_commit(store, why, sizeof why);
}

static struct ip_prefix prefix_of(const char *text)
{
    struct ip_prefix prefix;

    ck_assert_msg(ip_prefix_parse(text, &prefix, why, sizeof why) == 0, "%s", why);
    return prefix;
}

static const struct ip_list_entry *find(enum ntc_list list, const char *text)
{
    struct ip_prefix prefix = prefix_of(text);

    return ip_list_find(lists, list, &prefix);
}

static void put(enum ntc_list list, const char *text, uint64_t expires_ns, const char *reason)
{
    struct ip_list_entry entry = { .prefix = prefix_of(text), .expires_ns = expires_ns,
                                   .added_unix_ns = UNIX_S * NS_PER_S, .reason = reason };

    ck_assert_int_eq(ip_list_put(lists, list, &entry), 0);
}

START_TEST(a_missing_file_is_empty_lists)
{
    ck_assert_int_eq(load(), 0);
    ck_assert_uint_eq(ip_list_size(lists, NTC_BLACK), 0);
    ck_assert_str_eq(reports, "");
    ck_assert_str_eq(read_text("lists.json"), "(missing)");
}
END_TEST

START_TEST(what_was_saved_is_loaded)
{
    put(NTC_BLACK, "192.0.2.1", 0, "quote \" slash \\ umlaut \xc3\xbc");
    put(NTC_BLACK, "2001:db8::/32", BOOT_NS + 90 * NS_PER_S + 500 * NS_PER_MS, "");
    put(NTC_WHITE, "198.51.100.0/24", 0, "");
    ck_assert_int_eq(save(), 0);
    load_again();

    ck_assert_str_eq(reports, "");
    ck_assert_uint_eq(ip_list_size(lists, NTC_BLACK), 2);
    ck_assert_uint_eq(ip_list_size(lists, NTC_WHITE), 1);
    ck_assert_str_eq(find(NTC_BLACK, "192.0.2.1")->reason,
                     "quote \" slash \\ umlaut \xc3\xbc");
    ck_assert_uint_eq(find(NTC_BLACK, "192.0.2.1")->added_unix_ns, UNIX_S * NS_PER_S);
    ck_assert_uint_eq(find(NTC_BLACK, "2001:db8::/32")->expires_ns,
                      BOOT_NS + 90 * NS_PER_S + 500 * NS_PER_MS);
}
END_TEST

START_TEST(an_older_file_with_strings_alone_is_read_and_written_likewise)
{
    write_text("lists.json", "{\"blacklist\": [\"203.0.113.9\", \"10.0.0.0/8\"],"
               "\"whitelist\": [\"2001:db8::1\"]}");
    ck_assert_int_eq(load(), 0);
    ck_assert_str_eq(reports, "");
    ck_assert_ptr_nonnull(find(NTC_BLACK, "203.0.113.9"));
    ck_assert_ptr_nonnull(find(NTC_WHITE, "2001:db8::1"));
    ck_assert_int_eq(save(), 0);
    ck_assert_str_eq(read_text("lists.json"),
                     "{\"blacklist\":[\n\"10.0.0.0/8\",\n\"203.0.113.9\"],\n"
                     "\"whitelist\":[\n\"2001:db8::1\"]}\n");
}
END_TEST

START_TEST(expired_entries_are_left_out)
{
    write_text("lists.json", "{\"blacklist\": [{\"ip\":\"192.0.2.1\",\"expires\":1700000000},"
               "{\"ip\":\"192.0.2.2\",\"expires\":1700000000.001},"
               "{\"ip\":\"192.0.2.3\",\"expires\":null}]}");
    ck_assert_int_eq(load(), 0);
    ck_assert_ptr_null(find(NTC_BLACK, "192.0.2.1"));
    ck_assert_uint_eq(find(NTC_BLACK, "192.0.2.2")->expires_ns, BOOT_NS + NS_PER_MS);
    ck_assert_uint_eq(find(NTC_BLACK, "192.0.2.3")->expires_ns, 0);
    ck_assert_str_eq(reports, "");
}
END_TEST

START_TEST(an_end_in_the_far_future_is_one)
{
    write_text("lists.json", "{\"blacklist\": [{\"ip\":\"192.0.2.1\",\"expires\":9700090000}]}");
    ck_assert_int_eq(load(), 0);
    ck_assert_ptr_nonnull(find(NTC_BLACK, "192.0.2.1"));
    ck_assert_uint_eq(find(NTC_BLACK, "192.0.2.1")->expires_ns,
                      9700090000ull * NS_PER_S - (uint64_t) OFFSET_NS);
    ck_assert_str_eq(reports, "");
}
END_TEST

static void write_with_clock(const char *boot_id, int64_t offset_ns)
{
    char text[400];

    snprintf(text, sizeof text, "{\"blacklist\":[{\"ip\":\"192.0.2.1\",\"expires\":1700000060}],"
             "\"whitelist\":[],\"clock\":{\"boot_id\":\"%s\",\"offset_ns\":%" PRId64 "}}", boot_id,
             offset_ns);
    write_text("lists.json", text);
}

/* An hour forward between saving and loading. */
START_TEST(a_clock_that_jumped_since_the_file_was_written_moves_no_end)
{
    char boot_id[64];
    const char *text;
    const int64_t hour_ns = (int64_t) (3600 * NS_PER_S);
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");

    ck_assert(file && fscanf(file, "%63s", boot_id) == 1);
    fclose(file);
    write_with_clock(boot_id, OFFSET_NS - hour_ns);
    ck_assert_int_eq(load(), 0);
    ck_assert_str_eq(reports, "");
    ck_assert_uint_eq(find(NTC_BLACK, "192.0.2.1")->expires_ns, BOOT_NS + 3660 * NS_PER_S);
    ck_assert_int_eq(list_store_wall_offset_ns(store), OFFSET_NS - hour_ns);
    ck_assert_int_eq(save(), 0);
    text = read_text("lists.json");
    ck_assert_ptr_nonnull(strstr(text, "\"expires\":1700003660}"));
    ck_assert_ptr_nonnull(strstr(text, boot_id));
    ck_assert_int_eq(list_store_wall_offset_ns(store), OFFSET_NS);
}
END_TEST

START_TEST(the_clock_of_another_boot_is_none)
{
    write_with_clock("00000000-0000-0000-0000-000000000000", OFFSET_NS - 5);
    ck_assert_int_eq(load(), 0);
    ck_assert_str_eq(reports, "");
    ck_assert_uint_eq(find(NTC_BLACK, "192.0.2.1")->expires_ns, BOOT_NS + 60 * NS_PER_S);
    ck_assert_int_eq(list_store_wall_offset_ns(store), OFFSET_NS);
}
END_TEST

START_TEST(the_version_before_is_kept)
{
    put(NTC_BLACK, "192.0.2.1", 0, "");
    ck_assert_int_eq(save(), 0);
    ck_assert_str_eq(read_text("lists.json.bak"), "(missing)");
    char before[4096];
    strcpy(before, read_text("lists.json"));
    put(NTC_BLACK, "192.0.2.2", 0, "");
    ck_assert_int_eq(save(), 0);
    ck_assert_str_eq(read_text("lists.json.bak"), before);
    ck_assert_str_ne(read_text("lists.json"), before);
    ck_assert_str_eq(read_text("lists.json.tmp"), "(missing)");
}
END_TEST

START_TEST(abandoning_leaves_nothing)
{
    put(NTC_BLACK, "192.0.2.1", 0, "");
    ck_assert_int_eq(list_store_prepare(store, lists, OFFSET_NS, why, sizeof why), 0);
    list_store_abandon(store);
    ck_assert_str_eq(read_text("lists.json"), "(missing)");
    ck_assert_str_eq(read_text("lists.json.tmp"), "(missing)");
}
END_TEST

/* ---- broken files ---- */

static const struct {
    const char *text;
    size_t size;
    const char *report;
} BROKEN[] = {
    { "", 0, "empty (0 bytes)" },
    { "{\"blacklist\": [\"192.0.2.1\"", 26, "line 1" },
    { "not json", 8, "line 1" },
    { "\0\0\0\0\0\0\0\0", 8, "line 1" },
    { "[\"192.0.2.1\"]", 13, "it is not {" },
    { "{\"blacklist\": \"192.0.2.1\"}", 26, "not a list" },
    { "{\"blacklist\": [], \"blacklist\": []}", 34, "duplicate" },
    { "{\"blacklist\": []} trailing", 26, "line 1" },
    { "{\"blacklist\": [\"\xff\"]}", 19, "line 1" },
};

START_TEST(a_broken_file_is_put_aside_and_the_version_before_is_used)
{
    int count;

    write_text("lists.json.bak", "{\"blacklist\":[\"192.0.2.7\"]}");
    write_file("lists.json", BROKEN[_i].text, BROKEN[_i].size);
    ck_assert_int_eq(load(), 0);
    ck_assert_ptr_nonnull(find(NTC_BLACK, "192.0.2.7"));
    ck_assert_msg(strstr(reports, BROKEN[_i].report) != NULL, "%s", reports);
    ck_assert_msg(strstr(reports, "1 blacklisted") != NULL, "%s", reports);

    char name[256];
    strcpy(name, find_name("lists.json.broken-", &count));
    ck_assert_int_eq(count, 1);
    char full[400], bytes[64];
    snprintf(full, sizeof full, "%s/%s", folder, name);
    int fd = open(full, O_RDONLY);
    ck_assert_int_eq(read(fd, bytes, sizeof bytes), (ssize_t) BROKEN[_i].size);
    ck_assert_int_eq(memcmp(bytes, BROKEN[_i].text, BROKEN[_i].size), 0);
    close(fd);

    /* The next start is a quiet one, and a change keeps the good version before it. */
    load_again();
    ck_assert_str_eq(reports, "");
    ck_assert_ptr_nonnull(find(NTC_BLACK, "192.0.2.7"));
    ck_assert_ptr_nonnull(strstr(read_text("lists.json.bak"), "192.0.2.7"));
}
END_TEST

START_TEST(a_broken_file_without_a_version_before_gives_empty_lists)
{
    int count;

    write_text("lists.json", "{");
    ck_assert_int_eq(load(), 0);
    ck_assert_uint_eq(ip_list_size(lists, NTC_BLACK), 0);
    ck_assert_ptr_nonnull(strstr(reports, "start empty"));
    find_name("lists.json.broken-", &count);
    ck_assert_int_eq(count, 1);
}
END_TEST

START_TEST(two_broken_files_of_the_same_second_are_both_kept)
{
    int count;
    struct timespec times[2] = { { .tv_sec = 1600000000 }, { .tv_sec = 1600000000 } };

    write_text("lists.json", "{1");
    utimensat(AT_FDCWD, path, times, 0);
    ck_assert_int_eq(load(), 0);
    write_text("lists.json.new", "{2");
    snprintf(why, sizeof why, "%s.new", path);
    utimensat(AT_FDCWD, why, times, 0);
    ck_assert_int_eq(rename(why, path), 0);
    load_again();
    find_name("lists.json.broken-20200913T122640Z", &count);
    ck_assert_int_eq(count, 2);
    ck_assert_str_eq(read_text("lists.json.broken-20200913T122640Z"), "{1");
    ck_assert_str_eq(read_text("lists.json.broken-20200913T122640Z-2"), "{2");
}
END_TEST

START_TEST(a_file_that_is_too_large_counts_as_broken)
{
    write_text("lists.json", "{}");
    ck_assert_int_eq(truncate(path, (64l << 20) + 1), 0);
    ck_assert_int_eq(load(), 0);
    ck_assert_ptr_nonnull(strstr(reports, "larger than 64 MiB"));
}
END_TEST

START_TEST(a_folder_in_its_place_is_an_error)
{
    ck_assert_int_eq(mkdir(path, 0700), 0);
    ck_assert_int_eq(load(), -EISDIR);
    ck_assert_ptr_nonnull(strstr(why, "lists.json: Is a directory"));
}
END_TEST

START_TEST(single_bad_entries_are_reported_and_the_others_used)
{
    static const char TEXT[] =
        "{\"blacklist\": [\"::ffff:192.0.2.1\", \"192.0.2.2\", 17, {\"ip\":\"192.0.2.3\","
        "\"expires\":\"soon\"}, {\"reason\":\"x\"}, {\"ip\":\"10.1.1.1/8\"},"
        "{\"ip\":\"192.0.2.4\",\"colour\":1}, {\"ip\":\"192.0.2.5\",\"expires\":1700000000000}],"
        "\"greylist\": []}";
    int count;

    write_text("lists.json", TEXT);
    ck_assert_int_eq(load(), 0);
    ck_assert_uint_eq(ip_list_size(lists, NTC_BLACK), 2);
    ck_assert_ptr_nonnull(find(NTC_BLACK, "192.0.2.2"));
    ck_assert_ptr_nonnull(find(NTC_BLACK, "192.0.2.4"));
    ck_assert_ptr_nonnull(strstr(reports, "blacklist, entry 1: \"::ffff:192.0.2.1\""));
    ck_assert_ptr_nonnull(strstr(reports, "blacklist, entry 3: is neither"));
    ck_assert_ptr_nonnull(strstr(reports, "blacklist, entry 4: \"expires\""));
    ck_assert_ptr_nonnull(strstr(reports, "blacklist, entry 5: has no \"ip\""));
    ck_assert_ptr_nonnull(strstr(reports, "entry 6: \"10.1.1.1/8\" has host bits set"));
    ck_assert_ptr_nonnull(strstr(reports, "entry 7: the key \"colour\" is unknown"));
    ck_assert_ptr_nonnull(strstr(reports, "blacklist, entry 8: \"expires\""));
    ck_assert_ptr_nonnull(strstr(reports, "the key \"greylist\" is unknown"));

    /* The file itself stays until the next change, and a copy after that. */
    ck_assert_str_eq(read_text("lists.json"), TEXT);
    ck_assert_int_eq(save(), 0);
    char name[256];
    strcpy(name, find_name("lists.json.refused-", &count));
    ck_assert_int_eq(count, 1);
    ck_assert_str_eq(read_text(name), TEXT);
}
END_TEST

START_TEST(many_bad_entries_do_not_flood_the_log)
{
    FILE *file = fopen(path, "w");

    fprintf(file, "{\"whitelist\":[");
    for (int i = 0; i < 1000; i++)
        fprintf(file, "%d,", i);
    fprintf(file, "\"192.0.2.1\"]}");
    fclose(file);
    ck_assert_int_eq(load(), 0);
    ck_assert_uint_eq(ip_list_size(lists, NTC_WHITE), 1);
    ck_assert_ptr_nonnull(strstr(reports, "980 more entries are wrong"));
    ck_assert_ptr_null(strstr(reports, "entry 21"));
}
END_TEST

START_TEST(entries_without_room_are_reported_and_kept_aside)
{
    FILE *file = fopen(path, "w");
    int count;

    fprintf(file, "{\"blacklist\":[");
    for (int i = 0; i < 70; i++)
        fprintf(file, "%s\"192.0.2.%d\"", i ? "," : "", i);
    fprintf(file, "]}");
    fclose(file);
    ck_assert_int_eq(load(), 0);
    ck_assert_uint_eq(ip_list_size(lists, NTC_BLACK), 64);
    ck_assert_ptr_nonnull(strstr(reports, "no room for 6 entries"));
    find_name("lists.json.refused-", &count);
    ck_assert_int_eq(count, 1);
}
END_TEST

START_TEST(a_reason_that_is_too_long_is_cut_between_characters)
{
    FILE *file = fopen(path, "w");

    fprintf(file, "{\"blacklist\":[{\"ip\":\"192.0.2.1\",\"reason\":\"x");
    for (int i = 0; i < 150; i++)
        fprintf(file, "\xc3\xbc");
    fprintf(file, "\"}]}");
    fclose(file);
    ck_assert_int_eq(load(), 0);
    ck_assert_uint_eq(strlen(find(NTC_BLACK, "192.0.2.1")->reason), 199);
}
END_TEST

START_TEST(a_file_cut_anywhere_never_loses_the_version_before)
{
    char whole[4096];

    put(NTC_BLACK, "192.0.2.1", BOOT_NS + NS_PER_S, "one");
    ck_assert_int_eq(save(), 0);
    put(NTC_BLACK, "192.0.2.2", 0, "two");
    ck_assert_int_eq(save(), 0);
    strcpy(whole, read_text("lists.json"));
    write_text("keep.bak", read_text("lists.json.bak"));
    for (size_t cut = 0; cut + 1 < strlen(whole); cut++) {      /* but the last newline */
        write_text("lists.json.bak", read_text("keep.bak"));
        write_file("fresh", whole, cut);
        snprintf(why, sizeof why, "%s/fresh", folder);
        ck_assert_int_eq(rename(why, path), 0);
        load_again();
        ck_assert_uint_eq(ip_list_size(lists, NTC_BLACK), 1);
        ck_assert_ptr_nonnull(find(NTC_BLACK, "192.0.2.1"));
    }
}
END_TEST

START_TEST(control_characters_in_a_reason_are_blanked)
{
    write_text("lists.json", "{\"blacklist\":[{\"ip\":\"192.0.2.1\",\"reason\":"
               "\"a\\tb\\u007f\\u0085c\\u00fc\"}]}");
    ck_assert_int_eq(load(), 0);
    ck_assert_str_eq(find(NTC_BLACK, "192.0.2.1")->reason, "a b   c\xc3\xbc");
}
END_TEST

/* ---- disks that refuse ---- */

START_TEST(a_file_size_limit_refuses_the_change_and_keeps_the_file)
{
    char before[4096];

    put(NTC_BLACK, "192.0.2.1", 0, "");
    ck_assert_int_eq(save(), 0);
    strcpy(before, read_text("lists.json"));
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &(struct rlimit) { 20, 20 }), 0);
    put(NTC_BLACK, "192.0.2.2", 0, "");
    ck_assert_int_eq(save(), -EFBIG);
    ck_assert_msg(strstr(why, "cannot write") && strstr(why, "File too large"), "%s", why);
    ck_assert_str_eq(read_text("lists.json"), before);
    ck_assert_str_eq(read_text("lists.json.tmp"), "(missing)");
}
END_TEST

/* Mount a small disk over the folder, for this process alone.  False where it is not allowed. */
static bool mount_small_disk(void)
{
    if (unshare(geteuid() == 0 ? CLONE_NEWNS : CLONE_NEWUSER | CLONE_NEWNS) != 0
        || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        return false;
    return mount("tmpfs", folder, "tmpfs", 0, "size=16k") == 0;
}

START_TEST(a_full_disk_refuses_the_change_and_keeps_the_file)
{
    char before[4096];
    static char filler[65536];

    if (!mount_small_disk())
        return;
    put(NTC_BLACK, "192.0.2.1", 0, "");
    ck_assert_int_eq(save(), 0);
    strcpy(before, read_text("lists.json"));
    snprintf(why, sizeof why, "%s/filler", folder);
    int fd = open(why, O_WRONLY | O_CREAT, 0600);
    ck_assert_int_gt(write(fd, filler, sizeof filler), 0);
    ck_assert_int_eq(save(), -ENOSPC);
    ck_assert_ptr_nonnull(strstr(why, "No space left on device"));
    ck_assert_str_eq(read_text("lists.json"), before);
    close(fd);
}
END_TEST

START_TEST(a_read_only_disk_refuses_the_change_and_keeps_the_file)
{
    if (!mount_small_disk())
        return;
    put(NTC_BLACK, "192.0.2.1", 0, "");
    ck_assert_int_eq(save(), 0);
    ck_assert_int_eq(mount(NULL, folder, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
    ck_assert_int_eq(save(), -EROFS);
    ck_assert_ptr_nonnull(strstr(why, "Read-only file system"));
    load_again();
    ck_assert_ptr_nonnull(find(NTC_BLACK, "192.0.2.1"));
}
END_TEST

START_TEST(a_broken_file_that_cannot_be_kept_is_never_overwritten)
{
    if (!mount_small_disk())
        return;
    write_text("lists.json", "{");
    write_text("lists.json.bak", "{\"blacklist\":[\"192.0.2.7\"]}");
    ck_assert_int_eq(mount(NULL, folder, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
    ck_assert_int_eq(load(), 0);
    ck_assert_ptr_nonnull(find(NTC_BLACK, "192.0.2.7"));
    ck_assert_int_eq(save(), -EROFS);
    ck_assert_str_eq(read_text("lists.json"), "{");

    int count;
    ck_assert_int_eq(mount(NULL, folder, NULL, MS_REMOUNT, "size=16k"), 0);
    ck_assert_int_eq(save(), 0);
    ck_assert_str_eq(read_text(find_name("lists.json.broken-", &count)), "{");
    ck_assert_int_eq(count, 1);
    ck_assert_ptr_nonnull(strstr(read_text("lists.json"), "192.0.2.7"));
}
END_TEST

START_TEST(a_commit_that_fails_leaves_everything_as_it_was)
{
    put(NTC_BLACK, "192.0.2.1", 0, "");
    ck_assert_int_eq(list_store_prepare(store, lists, OFFSET_NS, why, sizeof why), 0);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    ck_assert_int_lt(list_store_commit(store, why, sizeof why), 0);
    ck_assert_ptr_nonnull(strstr(why, "cannot replace"));
    ck_assert_str_eq(read_text("lists.json.tmp"), "(missing)");
}
END_TEST

START_TEST(a_link_is_followed_and_not_replaced)
{
    char target[160];

    snprintf(target, sizeof target, "%s/real.json", folder);
    write_text("real.json", "{}");
    ck_assert_int_eq(symlink(target, path), 0);
    load_again();
    put(NTC_BLACK, "192.0.2.1", 0, "");
    ck_assert_int_eq(save(), 0);
    struct stat info;
    ck_assert_int_eq(lstat(path, &info), 0);
    ck_assert(S_ISLNK(info.st_mode));
    ck_assert_ptr_nonnull(strstr(read_text("real.json"), "192.0.2.1"));
}
END_TEST

START_TEST(fifty_thousand_entries_load_and_save_whole)
{
    enum { ENTRIES = 50000 };
    struct ip_list_entry entry = { .prefix = { .bits = 128 }, .added_unix_ns = NS_PER_S,
                                   .reason = "imported" };

    ip_list_destroy(&lists);
    lists = ip_list_new(65536, 64);
    memcpy(entry.prefix.addr.bytes, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12);
    for (uint32_t i = 0; i < ENTRIES; i++) {
        uint32_t mixed = i * 2654435761u;
        memcpy(entry.prefix.addr.bytes + 12, &mixed, 4);
        ck_assert_int_eq(ip_list_load(lists, NTC_BLACK, &entry), 0);
    }
    ip_list_settle(lists);
    uint64_t start_ns = clock_monotonic_ns();
    ck_assert_int_eq(save(), 0);
    uint64_t saved_ns = clock_monotonic_ns();
    ip_list_destroy(&lists);
    lists = ip_list_new(65536, 64);
    ck_assert_int_eq(load(), 0);
    printf("50,000 entries: saved in %llu ms, loaded in %llu ms\n",
           (saved_ns - start_ns) / NS_PER_MS, (clock_monotonic_ns() - saved_ns) / NS_PER_MS);
    ck_assert_uint_eq(ip_list_size(lists, NTC_BLACK), ENTRIES);
    ck_assert_str_eq(reports, "");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("list_store");
    TCase *tcase = tcase_create("file");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_missing_file_is_empty_lists);
    tcase_add_test(tcase, what_was_saved_is_loaded);
    tcase_add_test(tcase, an_older_file_with_strings_alone_is_read_and_written_likewise);
    tcase_add_test(tcase, expired_entries_are_left_out);
    tcase_add_test(tcase, an_end_in_the_far_future_is_one);
    tcase_add_test(tcase, a_clock_that_jumped_since_the_file_was_written_moves_no_end);
    tcase_add_test(tcase, the_clock_of_another_boot_is_none);
    tcase_add_test(tcase, the_version_before_is_kept);
    tcase_add_test(tcase, abandoning_leaves_nothing);
    tcase_add_loop_test(tcase, a_broken_file_is_put_aside_and_the_version_before_is_used, 0,
                        sizeof BROKEN / sizeof BROKEN[0]);
    tcase_add_test(tcase, a_broken_file_without_a_version_before_gives_empty_lists);
    tcase_add_test(tcase, two_broken_files_of_the_same_second_are_both_kept);
    tcase_add_test(tcase, a_file_that_is_too_large_counts_as_broken);
    tcase_add_test(tcase, a_folder_in_its_place_is_an_error);
    tcase_add_test(tcase, single_bad_entries_are_reported_and_the_others_used);
    tcase_add_test(tcase, many_bad_entries_do_not_flood_the_log);
    tcase_add_test(tcase, entries_without_room_are_reported_and_kept_aside);
    tcase_add_test(tcase, a_reason_that_is_too_long_is_cut_between_characters);
    tcase_add_test(tcase, control_characters_in_a_reason_are_blanked);
    tcase_add_test(tcase, a_file_cut_anywhere_never_loses_the_version_before);
    tcase_add_test(tcase, a_file_size_limit_refuses_the_change_and_keeps_the_file);
    tcase_add_test(tcase, a_full_disk_refuses_the_change_and_keeps_the_file);
    tcase_add_test(tcase, a_read_only_disk_refuses_the_change_and_keeps_the_file);
    tcase_add_test(tcase, a_broken_file_that_cannot_be_kept_is_never_overwritten);
    tcase_add_test(tcase, a_commit_that_fails_leaves_everything_as_it_was);
    tcase_add_test(tcase, a_link_is_followed_and_not_replaced);
    tcase_add_test(tcase, fifty_thousand_entries_load_and_save_whole);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
