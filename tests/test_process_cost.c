#include "process_cost.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "suite.h"

START_TEST(open_files_are_counted)
{
    uint32_t before = process_cost_read().open_fds;
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    ck_assert_int_ge(fd, 0);
    ck_assert_uint_ge(before, 1);
    ck_assert_uint_eq(process_cost_read().open_fds, before + 1);
    close(fd);
    ck_assert_uint_eq(process_cost_read().open_fds, before);
}
END_TEST

START_TEST(memory_in_use_is_counted)
{
    enum { SIZE = 32 * 1024 * 1024 };
    uint64_t before = process_cost_read().resident_bytes;
    char *memory = malloc(SIZE);

    memset(memory, _i, SIZE);
    uint64_t after = process_cost_read().resident_bytes;
    ck_assert_uint_ge(before, 100 * 1024);
    ck_assert_uint_ge(after, before + SIZE - 1024 * 1024);
    ck_assert_int_eq(memory[SIZE / 2], _i);
    free(memory);
}
END_TEST

START_TEST(processor_time_grows_with_work)
{
    double before = process_cost_read().cpu_seconds;
    uint64_t start_ns = clock_read_ns(CLOCK_PROCESS_CPUTIME_ID), now_ns;

    do
        now_ns = clock_read_ns(CLOCK_PROCESS_CPUTIME_ID);
    while (now_ns - start_ns < 30 * NS_PER_MS);
    double spent = process_cost_read().cpu_seconds - before;
    ck_assert_double_gt(spent, 0.015);
    ck_assert_double_lt(spent, 5);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("process_cost");
    TCase *tcase = tcase_create("own process");

    tcase_add_test(tcase, open_files_are_counted);
    tcase_add_test(tcase, memory_in_use_is_counted);
    tcase_add_test(tcase, processor_time_grows_with_work);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
