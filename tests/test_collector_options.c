#include "collector_options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mock_source.h"
#include "replay_source.h"
#include "suite.h"

static struct collector_options options;
static char why[256];

static void setup(void)
{
    options = (struct collector_options) COLLECTOR_OPTIONS_DEFAULT;
}

static int take(const char *name, const char *value)
{
    const struct command_option *option = COLLECTOR_OPTIONS;

    while (option->name && strcmp(option->name, name) != 0)
        option++;
    ck_assert_ptr_nonnull(option->name);
    why[0] = '\0';
    int rc = option->take(value, &options, why, sizeof why);
    ck_assert_int_eq(rc != 0, why[0] != '\0');
    return rc;
}

static int check(void)
{
    return collector_options_check(&options, why, sizeof why);
}

START_TEST(nothing_said_is_real_traffic_at_its_own_pace)
{
    ck_assert_int_eq(check(), 0);
    ck_assert(!options.mock);
    ck_assert_uint_eq(options.mock_rate, MOCK_DEFAULT_RATE);
    ck_assert_double_eq(options.replay_speed, 1);
}
END_TEST

START_TEST(rates_and_speeds_are_numbers_or_max)
{
    static const char *const BAD_RATES[] = { "", "0", "-1", "1.5", "20/s", "MAX", "100000001",
                                             "99999999999999999999" };
    static const char *const BAD_SPEEDS[] = { "", "0", "-1", "fast", "nan", "inf", "1x", "1e9" };
    static const char *const BAD_SEEDS[] = { "", "-1", "x", "18446744073709551616" };

    ck_assert_int_eq(take("mock", ""), 0);
    ck_assert_int_eq(take("mock-rate", "5000"), 0);
    ck_assert_uint_eq(options.mock_rate, 5000);
    ck_assert_int_eq(take("mock-rate", "max"), 0);
    ck_assert_uint_eq(options.mock_rate, MOCK_UNPACED);
    ck_assert_int_eq(take("mock-seed", "18446744073709551615"), 0);
    ck_assert_uint_eq(options.mock_seed, UINT64_MAX);
    ck_assert_int_eq(take("replay-speed", "2.5"), 0);
    ck_assert_double_eq(options.replay_speed, 2.5);
    ck_assert_int_eq(take("replay-speed", "max"), 0);
    ck_assert_double_eq(options.replay_speed, REPLAY_UNPACED);
    for (size_t i = 0; i < sizeof BAD_RATES / sizeof BAD_RATES[0]; i++)
        ck_assert_msg(take("mock-rate", BAD_RATES[i]) == -EINVAL, "%s", BAD_RATES[i]);
    for (size_t i = 0; i < sizeof BAD_SPEEDS / sizeof BAD_SPEEDS[0]; i++)
        ck_assert_msg(take("replay-speed", BAD_SPEEDS[i]) == -EINVAL, "%s", BAD_SPEEDS[i]);
    for (size_t i = 0; i < sizeof BAD_SEEDS / sizeof BAD_SEEDS[0]; i++)
        ck_assert_msg(take("mock-seed", BAD_SEEDS[i]) == -EINVAL, "%s", BAD_SEEDS[i]);
}
END_TEST

START_TEST(an_option_without_its_source_is_a_mistake)
{
    ck_assert_int_eq(take("mock-rate", "5"), 0);
    ck_assert_int_eq(check(), -EINVAL);
    ck_assert_str_eq(why, "--mock-rate is for synthetic traffic: add --mock");
    setup();
    ck_assert_int_eq(take("replay-speed", "5"), 0);
    ck_assert_int_eq(check(), -EINVAL);
    ck_assert_ptr_nonnull(strstr(why, "--replay FILE"));
    setup();
    ck_assert_int_eq(take("mock", ""), 0);
    ck_assert_int_eq(take("replay", "file"), 0);
    ck_assert_int_eq(check(), -EINVAL);
    setup();
    ck_assert_int_eq(take("record", ""), -EINVAL);
}
END_TEST

START_TEST(a_recording_never_empties_what_is_replayed)
{
    char path[] = "/tmp/ntc-test-options-XXXXXX", other[64];
    int fd = mkstemp(path);

    snprintf(other, sizeof other, "/tmp/../tmp/%s", path + strlen("/tmp/"));
    ck_assert_int_eq(take("replay", path), 0);
    ck_assert_int_eq(take("record", other), 0);
    ck_assert_int_eq(check(), -EINVAL);
    ck_assert_ptr_nonnull(strstr(why, "would empty"));
    options.record = "/tmp/ntc-test-options-that-is-not-there";
    ck_assert_int_eq(check(), 0);
    close(fd);
    unlink(path);
}
END_TEST

START_TEST(users_are_named_and_granted)
{
    static struct config config;

    config_defaults(&config);
    config.bus.command_uids = (struct config_numbers) { .size = 1, .items = { 1234 } };
    ck_assert_int_eq(take("allow-user", "root"), 0);
    ck_assert_int_eq(take("allow-user", "nobody-has-this-name"), -EINVAL);
    ck_assert_int_eq(collector_options_grant(&options, &config), 0);
    ck_assert_uint_eq(config.bus.command_uids.size, 2);
    ck_assert_uint_eq(config.bus.command_uids.items[0], 1234);
    ck_assert_uint_eq(config.bus.command_uids.items[1], 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("collector_options");
    TCase *tcase = tcase_create("options");

    tcase_add_checked_fixture(tcase, setup, NULL);
    tcase_add_test(tcase, nothing_said_is_real_traffic_at_its_own_pace);
    tcase_add_test(tcase, rates_and_speeds_are_numbers_or_max);
    tcase_add_test(tcase, an_option_without_its_source_is_a_mistake);
    tcase_add_test(tcase, a_recording_never_empties_what_is_replayed);
    tcase_add_test(tcase, users_are_named_and_granted);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
