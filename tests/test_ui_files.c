#include "ui_files.h"

#include <errno.h>
#include <sys/stat.h>

#include "gateway_rig.h"

static struct rig rig;
static char folder[128];

static void write_file(const char *name, const char *text)
{
    char path[256];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

static void setup(void)
{
    rig_init(&rig);
    snprintf(folder, sizeof folder, "%s/ui", rig.folder.path);
    mkdir(folder, 0755);
    write_file("index.html", "<!doctype html>real page");
    write_file("favicon.svg", "<svg/>");
    write_file(".secret", "hidden");
    strcat(folder, "/assets");
    mkdir(folder, 0755);
    write_file("index-BdQ3kX1_.js", "let a = 1;");
    write_file("index-BdQ3kX1_.js.gz", "gzipped");
    write_file("short-abc.css", "a{}");
    folder[strlen(folder) - strlen("/assets")] = '\0';
    rig.ui_path = folder;
}

static void teardown(void)
{
    rig_finish(&rig);
}

static bool has(const struct rig_answer *answer, const char *line)
{
    char wanted[256];

    snprintf(wanted, sizeof wanted, "\r\n%s\r\n", line);
    return strstr(answer->head, wanted) != NULL;
}

START_TEST(files_have_their_type_and_may_be_kept)
{
    rig_start(&rig);
    struct rig_answer answer = rig_get(&rig, "/");
    ck_assert_str_eq(answer.body, "<!doctype html>real page");
    ck_assert(has(&answer, "Content-Type: text/html; charset=utf-8"));
    ck_assert(has(&answer, "Cache-Control: no-cache"));
    rig_free(&answer);
    answer = rig_get(&rig, "/favicon.svg");
    ck_assert(has(&answer, "Content-Type: image/svg+xml"));
    ck_assert(has(&answer, "Cache-Control: no-cache"));
    rig_free(&answer);
    answer = rig_get(&rig, "/assets/index-BdQ3kX1_.js");
    ck_assert(has(&answer, "Content-Type: text/javascript; charset=utf-8"));
    ck_assert(has(&answer, "Cache-Control: public, max-age=31536000, immutable"));
    rig_free(&answer);
    answer = rig_get(&rig, "/assets/short-abc.css");
    ck_assert(has(&answer, "Content-Type: text/css; charset=utf-8"));
    ck_assert(has(&answer, "Cache-Control: no-cache"));
    rig_free(&answer);
}
END_TEST

START_TEST(compressed_files_go_to_those_who_take_them)
{
    rig_start(&rig);
    const char *path = "/assets/index-BdQ3kX1_.js";
    struct rig_answer plain = rig_get(&rig, path);
    ck_assert_str_eq(plain.body, "let a = 1;");
    ck_assert(has(&plain, "Vary: Accept-Encoding"));
    struct rig_answer gzip = rig_request(&rig, "GET", path, "Accept-Encoding: br, gzip\r\n", "");
    ck_assert_str_eq(gzip.body, "gzipped");
    ck_assert(has(&gzip, "Content-Encoding: gzip"));
    ck_assert(has(&gzip, "Content-Type: text/javascript; charset=utf-8"));
    struct rig_answer refused = rig_request(&rig, "GET", path, "Accept-Encoding: gzip;q=0\r\n", "");
    ck_assert_str_eq(refused.body, "let a = 1;");
    rig_free(&plain);
    rig_free(&gzip);
    rig_free(&refused);
}
END_TEST

START_TEST(nothing_outside_the_folder_is_served)
{
    static const char *const PATHS[] = { "/.secret", "/assets", "/assets/", "/ui/index.html",
                                         "/../lists.json", "/assets/../index.html",
                                         "/assets/..%2findex.html", "/index.html/x" };

    rig_start(&rig);
    for (size_t i = 0; i < sizeof PATHS / sizeof PATHS[0]; i++) {
        struct rig_answer answer = rig_get(&rig, PATHS[i]);
        ck_assert_msg(answer.status == 404 || answer.status == 400, "%s: %d", PATHS[i],
                      answer.status);
        rig_free(&answer);
    }
}
END_TEST

START_TEST(views_of_the_page_are_the_page)
{
    rig_start(&rig);
    struct rig_answer answer = rig_request(&rig, "GET", "/address/2001:db8::1",
                                           "Accept: text/html\r\n", "");
    ck_assert_str_eq(answer.body, "<!doctype html>real page");
    rig_free(&answer);
    answer = rig_request(&rig, "GET", "/address/x.js", "Accept: text/html\r\n", "");
    ck_assert_int_eq(answer.status, 404);
    rig_free(&answer);
    answer = rig_get(&rig, "/address");
    ck_assert_int_eq(answer.status, 404);
    rig_free(&answer);
}
END_TEST

START_TEST(a_folder_without_a_page_is_refused)
{
    ui_files_t *files = NULL;
    char assets[160];

    snprintf(assets, sizeof assets, "%s/assets", folder);
    ck_assert_int_eq(ui_files_open(assets, &files), -ENOENT);
    ck_assert_int_eq(ui_files_open("/nowhere/at/all", &files), -ENOENT);
    ck_assert_ptr_null(files);
}
END_TEST

START_TEST(too_many_files_are_refused)
{
    ui_files_t *files = NULL;
    char name[32];

    for (int i = 0; i < 1030; i++) {
        snprintf(name, sizeof name, "%d.txt", i);
        write_file(name, "");
    }
    ck_assert_int_eq(ui_files_open(folder, &files), -E2BIG);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ui_files");
    TCase *tcase = tcase_create("page");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, files_have_their_type_and_may_be_kept);
    tcase_add_test(tcase, compressed_files_go_to_those_who_take_them);
    tcase_add_test(tcase, nothing_outside_the_folder_is_served);
    tcase_add_test(tcase, views_of_the_page_are_the_page);
    tcase_add_test(tcase, a_folder_without_a_page_is_refused);
    tcase_add_test(tcase, too_many_files_are_refused);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
