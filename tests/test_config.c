#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config_key.h"
#include "suite.h"

static struct config config;
static char mistakes[65536];    /* "line message\n" each */

static void on_mistake(const char *file, unsigned line, const char *message, void *arg)
{
    size_t size = strlen(mistakes);

    ck_assert_ptr_eq(arg, &config);
    snprintf(mistakes + size, sizeof mistakes - size, "%s:%u %s\n", file ? file : "-", line,
             message);
}

static char path[] = "/tmp/ntc-config-XXXXXX";

static void setup(void)
{
    int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    close(fd);
    config_defaults(&config);
    mistakes[0] = '\0';
}

static void teardown(void)
{
    unlink(path);
    strcpy(path + strlen(path) - 6, "XXXXXX");
}

/* Read `text` over the defaults. */
static int read_text(const char *text)
{
    FILE *file = fopen(path, "we");

    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
    config_defaults(&config);
    mistakes[0] = '\0';
    return config_read_file(&config, path, on_mistake, &config);
}

static int set(const char *assignment)
{
    mistakes[0] = '\0';
    return config_set(&config, assignment, on_mistake, &config);
}

START_TEST(the_commented_file_holds_the_defaults)
{
    struct config defaults;

    config_defaults(&defaults);
    memset(&config, 0xaa, sizeof config);
    config_defaults(&config);
    int rc = config_read_file(&config, "configs/ntc.yaml", on_mistake, &config);
    ck_assert_msg(rc == 0, "rc %d: %s", rc, mistakes);
    ck_assert_mem_eq(&config, &defaults, sizeof config);
    ck_assert_int_eq(config_check(&config, on_mistake, &config), 0);
}
END_TEST

static void find_in_file(const char *block, const char *key, const char *value, void *arg)
{
    const char *text = arg;
    char line[64];

    (void) value;
    snprintf(line, sizeof line, "\n%s:", block);
    ck_assert_msg(strstr(text, line) != NULL, "%s is missing", block);
    snprintf(line, sizeof line, "\n  %s:", key);
    ck_assert_msg(strstr(text, line) != NULL, "%s.%s is missing", block, key);
}

START_TEST(the_commented_file_names_every_key)
{
    static char text[65536];
    FILE *file = fopen("configs/ntc.yaml", "re");

    ck_assert_ptr_nonnull(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    config_visit(&config, find_in_file, text);
}
END_TEST

START_TEST(an_empty_file_changes_nothing)
{
    struct config defaults;

    config_defaults(&defaults);
    ck_assert_int_eq(read_text(""), 0);
    ck_assert_mem_eq(&config, &defaults, sizeof config);
    ck_assert_int_eq(read_text("server:\nbus:\n"), 0);
    ck_assert_mem_eq(&config, &defaults, sizeof config);
}
END_TEST

START_TEST(values_reach_their_fields)
{
    ck_assert_int_eq(read_text("server: {port: 80, listen: 127.0.0.1, base_path: /a/b/}\n"
                               "network: {interfaces: [eth0, 'wlan*'], bypass_ports: [22, 2222],\n"
                               "          on_stop: keep, attach: clsact}\n"
                               "bus: {collectors: ['ipc:///run/a/events', 'tcp://pi1:7386'],\n"
                               "      listen: 'tcp://[::]:7386', keys: /k,\n"
                               "      command_uids: [0, 33]}\n"), 0);
    ck_assert_uint_eq(config.server.port, 80);
    ck_assert_str_eq(config.server.listen, "127.0.0.1");
    ck_assert_str_eq(config.server.base_path, "/a/b/");
    ck_assert_uint_eq(config.network.interfaces.size, 2);
    ck_assert_str_eq(config.network.interfaces.items[1], "wlan*");
    ck_assert_uint_eq(config.network.bypass_ports.size, 2);
    ck_assert_uint_eq(config.network.bypass_ports.items[1], 2222);
    ck_assert(config.network.keep_on_stop);
    ck_assert(config.network.clsact_only);
    ck_assert_str_eq(config.bus.collectors.items[0], "ipc:///run/a/events");
    ck_assert_str_eq(config.bus.collectors.items[1], "tcp://pi1:7386");
    ck_assert_str_eq(config.bus.listen, "tcp://[::]:7386");
    ck_assert_str_eq(config.bus.keys, "/k");
    ck_assert_uint_eq(config.bus.command_uids.items[1], 33);
    ck_assert_uint_eq(config.events.batch, 512);
}
END_TEST

START_TEST(a_list_replaces_the_default)
{
    ck_assert_int_eq(read_text("network: {bypass_ports: []}\n"), 0);
    ck_assert_uint_eq(config.network.bypass_ports.size, 0);
}
END_TEST

/* A wrong value, and what the one mistake must say. */
static const char *const WRONG[][2] = {
    { "server.port=70000x", "\"70000x\" is not a number from 0 to 65535" },
    { "server.port=65536", "from 0 to 65535" },
    { "server.port=-1", "from 0 to 65535" }, { "server.port=080", "from 0 to 65535" },
    { "server.port=4294967382", "from 0 to 65535" }, { "server.port=1e3", "from 0 to 65535" },
    { "server.port=99999999999999999999", "from 0 to 65535" },
    { "server.port=", "from 0 to 65535" },
    { "server.port=[80]", "must be a single value" }, { "server.port={a: 1}", "must be a value" },
    { "server.prot=80", "did you mean server.port?" },
    { "server.queue=80", "did you mean bus.queue?" },
    { "server.xyzzy=80", "server has port, listen" },
    { "sever.port=80", "did you mean server?" }, { "x.y=80", "there are server, network" },
    { "server", "is no assignment" }, { "server.port", "is no assignment" },
    { "=5", "is no assignment" }, { ".port=5", "is no assignment" },
    { "server.=5", "is no assignment" }, { "port=5.5", "is no assignment" },
    { "a\nb", "\"a?b\" is no assignment" }, { "a\nb.c=1", "a?b: is no block of keys" },
    { "server.listen=::1", "is no IPv4 address" }, { "server.listen=localhost", "write it like" },
    { "server.listen=0.0.0.0/0", "is no IP address" }, { "server.listen=", "it is empty" },
    { "server.timezone=Europe/Nowhere", "is no time zone" },
    { "server.timezone=../../../etc/passwd", "is no time zone" },
    { "server.timezone=/etc/localtime", "is no time zone" },
    { "server.timezone=zone.tab", "is no time zone" },
    { "server.timezone=Europe", "is no time zone" },
    { "server.timezone=../zoneinfo/UTC", "is no time zone" },
    { "server.base_path=ntc/", "begin and end" }, { "server.base_path=/ntc", "begin and end" },
    { "server.base_path=", "begin and end" }, { "server.base_path=/a b/", "letters, digits" },
    { "server.base_path=//", "letters, digits" }, { "server.base_path=/../", "letters, digits" },
    { "server.base_path=/a?/", "letters, digits" },
    { "server.sse_clients=4097", "from 1 to 4096" }, { "server.connections=7", "from 8 to 1024" },
    { "server.trusted_proxies=[10.0.0.1/8]", "write 10.0.0.0/8" },
    { "server.trusted_proxies=10.0.0.1", "write [10.0.0.1]" },
    { "server.trusted_proxies=[10.0.0.1, 10.0.0.1]", "is there twice" },
    { "server.allowed_hosts=['a:80']", "without a port" },
    { "server.allowed_hosts=['']", "is no host name" },
    { "server.read_token=pass word", "visible ASCII" },
    { "server.read_token=p\xc3\xa4ss", "visible ASCII" },
    { "network.interfaces=eth0", "write [eth0]" },
    { "network.interfaces=[sixteencharacter]", "longer than 15" },
    { "network.interfaces=[eth/0]", "no interface name" },
    { "network.interfaces=['a b']", "no interface name" },
    { "network.interfaces=['']", "no interface name" },
    { "network.interfaces=[..]", "no interface name" },
    { "network.interfaces=[eth0, eth0]", "is there twice" },
    { "network.bypass_ports=[0]", "from 1 to 65535" },
    { "network.bypass_ports=[22, 22]", "is there twice" },
    { "network.bypass_ports=22", "write [22]" },
    { "network.on_stop=stay", "neither detach nor keep" }, { "network.on_stop=", "neither" },
    { "network.attach=tcx", "neither auto nor clsact" },
    { "network.pin_path=ntc", "no absolute path" },
    { "network.hosts=15", "from 16 to 4194304" }, { "network.prefixes=1048577", "to 1048576" },
    { "persistence.path=", "names no file" }, { "persistence.path=/tmp/", "names no file" },
    { "events.batch=4097", "from 1 to 4096" }, { "events.flush_ms=0", "from 1 to 1000" },
    { "events.ring_mib=3", "no power of two" }, { "events.ring_mib=1024", "from 1 to 512" },
    { "events.per_second=x", "is not a number" },
    { "aggregator.flows=15", "from 16" }, { "aggregator.addresses=4194305", "to 4194304" },
    { "aggregator.idle_s=3601", "from 1 to 3600" }, { "aggregator.flush_s=0", "from 1 to 3600" },
    { "bus.directory=", "is no folder" }, { "bus.directory='@x'", "is no folder" },
    { "bus.collector_id=r\xc3\xb6uter", "printable ASCII" },
    { "bus.collectors=['tcp://192.0.2.1']", "is no endpoint: write tcp://HOST:PORT" },
    { "bus.collectors=[/run/ntc/events]", "write ipc://" },
    { "bus.collectors=['ipc://']", "is no endpoint" },
    { "bus.collectors=['ipc://@x']", "is no endpoint" },
    { "bus.collectors=['ipc://*']", "is no endpoint" },
    { "bus.command_uids=[4294967295]", "from 0 to 4294967294" },
    { "bus.command_uids=[10000000000]", "from 0 to 4294967294" },
    { "bus.queue=15", "from 16 to 65536" }, { "bus.directory=@x", "bus.directory: not valid YAML" },
    { "bus.curve=x", "is no known key" },
    { "bus.listen=x", "write an address and a port, such as tcp://0.0.0.0:7386" },
    { "bus.listen='ipc:///run/ntc/x'", "\"ipc:///run/ntc/x\" is nothing to listen on" },
    { "bus.listen='tcp://*:7386'", "nothing to listen on" },
    { "bus.listen='tcp://pi1:7386'", "nothing to listen on" },
    { "bus.listen='tcp://0.0.0.0:65535'", "nothing to listen on" },
    { "bus.listen='tcp://0.0.0.0'", "nothing to listen on" },
    { "bus.keys=keys", "is no absolute path" },
};

enum { WRONG_COUNT = sizeof WRONG / sizeof WRONG[0] };

START_TEST(a_wrong_value_is_refused_with_what_would_be_right)
{
    ck_assert_int_eq(set(WRONG[_i][0]), -EINVAL);
    ck_assert_msg(strstr(mistakes, WRONG[_i][1]) != NULL, "%s: %s", WRONG[_i][0], mistakes);
    ck_assert_msg(strncmp(mistakes, "--set:0 ", 8) == 0, "%s", mistakes);
    ck_assert_ptr_eq(strchr(mistakes, '\n'), mistakes + strlen(mistakes) - 1);
}
END_TEST

static const char *const RIGHT[] = {
    "server.port=0", "server.port=65535", "server.timezone=", "server.timezone=UTC",
    "server.base_path=/a.b_c~d-e/F/", "server.trusted_proxies=[10.0.0.0/8, '::1', 2001:db8::/32]",
    "server.allowed_hosts=[router, router.lan, '192.0.2.1', '2001:db8::1']",
    "server.token_file=/var/lib/ntc/token", "server.token_file=", "server.read_token=s3cret!",
    "network.interfaces=[fifteencharacte, 'a-very-long-glob-with-a-star*', eth?, 'wlan[01]']",
    "network.bypass_ports=[1, 65535]", "network.on_stop=detach", "network.hosts=4194304",
    "persistence.path=lists.json", "events.ring_mib=1", "events.ring_mib=512",
    "bus.collector_id=living room", "bus.collectors=['ipc://run/events']",
    "bus.command_uids=[0, 4294967294]", "bus.directory=./run", "server.port= 8080 ",
};

enum { RIGHT_COUNT = sizeof RIGHT / sizeof RIGHT[0] };

START_TEST(a_right_value_is_taken)
{
    ck_assert_msg(set(RIGHT[_i]) == 0, "%s: %s", RIGHT[_i], mistakes);
    ck_assert_str_eq(mistakes, "");
}
END_TEST

START_TEST(texts_may_fill_their_field)
{
    char assignment[PATH_MAX + 64];
    static const struct { const char *head; size_t most; } CASES[] = {
        { "bus.collector_id=", 63 }, { "bus.directory=", 95 },
        { "server.token_file=", PATH_MAX - 1 },
        { "server.read_token=", 127 },
    };

    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        size_t length = strlen(CASES[i].head) + CASES[i].most;
        memset(assignment, 'x', sizeof assignment);
        memcpy(assignment, CASES[i].head, strlen(CASES[i].head));
        assignment[length] = '\0';
        ck_assert_msg(set(assignment) == 0, "%s", mistakes);
        assignment[length] = 'x';
        assignment[length + 1] = '\0';
        ck_assert_int_eq(set(assignment), -EINVAL);
        ck_assert_ptr_nonnull(strstr(mistakes, "longer than"));
    }
}
END_TEST

START_TEST(a_time_zone_that_exists_is_taken)
{
    if (access("/usr/share/zoneinfo/Europe/Berlin", R_OK) != 0)
        return;
    ck_assert_int_eq(set("server.timezone=Europe/Berlin"), 0);
    ck_assert_str_eq(config.server.timezone, "Europe/Berlin");
}
END_TEST

START_TEST(all_mistakes_are_reported_with_their_lines)
{
    ck_assert_int_eq(read_text("server:\n  port: x\n  prot: 1\n\nnetwrok:\n  x: y\n"
                               "events: {batch: x}\n"), -EINVAL);
    char expected[4096];
    snprintf(expected, sizeof expected,
             "%s:2 server.port: \"x\" is not a number from 0 to 65535\n"
             "%s:3 server.prot: is no known key: did you mean server.port?\n"
             "%s:5 netwrok: is no block of keys: did you mean network?\n"
             "%s:7 events.batch: \"x\" is not a number from 1 to 4096\n", path, path, path, path);
    ck_assert_str_eq(mistakes, expected);
}
END_TEST

START_TEST(duplicates_are_reported)
{
    ck_assert_int_eq(read_text("server:\n  port: 1\n  port: 2\n"), -EINVAL);
    ck_assert_ptr_nonnull(strstr(mistakes, ":3 server.port: is there twice, first in line 2"));
    ck_assert_uint_eq(config.server.port, 1);
    ck_assert_int_eq(read_text("server: {port: 1}\nbus:\n\nserver: {port: 2}\n"), -EINVAL);
    ck_assert_ptr_nonnull(strstr(mistakes, ":4 server: is there twice, first in line 1"));
}
END_TEST

START_TEST(a_secret_is_never_shown)
{
    char *text;
    size_t size;
    FILE *file = open_memstream(&text, &size);

    ck_assert_int_eq(set("server.read_token=hunter2!"), 0);
    config_print(&config, file, false);
    fclose(file);
    ck_assert_ptr_null(strstr(text, "hunter2"));
    ck_assert_ptr_nonnull(strstr(text, "read_token: \"(set)\""));
    free(text);
    ck_assert_int_eq(set("server.read_token=hunter2 hunter2"), -EINVAL);
    ck_assert_ptr_null(strstr(mistakes, "hunter2"));
    char longest[256] = "server.read_token=hunter2";
    memset(longest + strlen(longest), 'x', 200);
    ck_assert_int_eq(set(longest), -EINVAL);
    ck_assert_ptr_null(strstr(mistakes, "hunter2"));
}
END_TEST

START_TEST(what_is_printed_can_be_read)
{
    struct config before;
    FILE *file = fopen(path, "we");

    ck_assert_int_eq(set("server.token_file='a \"b\" \\ c # d'"), 0);
    ck_assert_int_eq(set("server.read_token='\"\\{}[]'"), 0);
    ck_assert_int_eq(set("network.interfaces=['a\"b', '\\c', \"*\", '[x]', '?']"), 0);
    ck_assert_int_eq(set("network.on_stop=keep"), 0);
    ck_assert_int_eq(set("bus.collector_id='- x: y'"), 0);
    before = config;
    config_print(&config, file, true);
    fclose(file);
    config_defaults(&config);
    ck_assert_msg(config_read_file(&config, path, on_mistake, &config) == 0, "%s", mistakes);
    ck_assert_mem_eq(&config, &before, sizeof config);
}
END_TEST

START_TEST(the_longest_lists_can_be_printed_and_read)
{
    struct config before;
    FILE *file = fopen(path, "we");

    config.network.interfaces.size = 64;
    for (int i = 0; i < 64; i++) {
        memset(config.network.interfaces.items[i], '"', CONFIG_ITEM_SIZE - 1);
        snprintf(config.network.interfaces.items[i], CONFIG_ITEM_SIZE, "*%d", i);
        config.network.interfaces.items[i][strlen(config.network.interfaces.items[i])] = '"';
    }
    config.bus.collectors.size = CONFIG_MAX_ITEMS;
    for (int i = 0; i < CONFIG_MAX_ITEMS; i++)
        snprintf(config.bus.collectors.items[i], CONFIG_ITEM_SIZE, "ipc:///run/%090d/events", i);
    before = config;
    ck_assert_int_eq(config_print(&config, file, true), 0);
    fclose(file);
    config_defaults(&config);
    ck_assert_msg(config_read_file(&config, path, on_mistake, &config) == 0, "%s", mistakes);
    for (int i = 0; i < 64; i++)
        ck_assert_str_eq(config.network.interfaces.items[i], before.network.interfaces.items[i]);
    for (int i = 0; i < CONFIG_MAX_ITEMS; i++)
        ck_assert_str_eq(config.bus.collectors.items[i], before.bus.collectors.items[i]);
}
END_TEST

START_TEST(each_list_has_its_own_limit)
{
    char assignment[8192] = "network.bypass_ports=[1";
    size_t length = strlen(assignment);

    for (int i = 2; i <= 65; i++)
        length += (size_t) sprintf(assignment + length, ", %d", i);
    strcpy(assignment + length, "]");
    ck_assert_int_eq(set(assignment), -EINVAL);
    ck_assert_ptr_nonnull(strstr(mistakes, "network.bypass_ports: has more than 64 entries"));
}
END_TEST

START_TEST(what_concerns_several_keys_is_checked_at_the_end)
{
    ck_assert_int_eq(set("server.connections_per_ip=65"), 0);
    ck_assert_int_eq(config_check(&config, on_mistake, &config), -EINVAL);
    ck_assert_str_eq(mistakes, "-:0 server.connections_per_ip: 65 is more than server.connections, "
                     "which is 64: write at most that\n");
    ck_assert_int_eq(set("server.connections=65"), 0);
    ck_assert_int_eq(config_check(&config, on_mistake, &config), 0);
}
END_TEST

START_TEST(a_file_that_cannot_be_read_is_an_error_and_no_mistake)
{
    ck_assert_int_eq(config_read_file(&config, "/nonexistent", on_mistake, &config), -ENOENT);
    ck_assert_int_eq(config_read_file(&config, "/tmp", on_mistake, &config), -EISDIR);
    ck_assert_str_eq(mistakes, "");
}
END_TEST

START_TEST(an_endless_file_is_refused)
{
    ck_assert_int_eq(config_read_file(&config, "/dev/zero", on_mistake, &config), -EINVAL);
    ck_assert_ptr_nonnull(strstr(mistakes, "longer than 262144 bytes"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("config");
    TCase *tcase = tcase_create("keys");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, the_commented_file_holds_the_defaults);
    tcase_add_test(tcase, the_commented_file_names_every_key);
    tcase_add_test(tcase, an_empty_file_changes_nothing);
    tcase_add_test(tcase, values_reach_their_fields);
    tcase_add_test(tcase, a_list_replaces_the_default);
    tcase_add_loop_test(tcase, a_wrong_value_is_refused_with_what_would_be_right, 0, WRONG_COUNT);
    tcase_add_loop_test(tcase, a_right_value_is_taken, 0, RIGHT_COUNT);
    tcase_add_test(tcase, texts_may_fill_their_field);
    tcase_add_test(tcase, a_time_zone_that_exists_is_taken);
    tcase_add_test(tcase, all_mistakes_are_reported_with_their_lines);
    tcase_add_test(tcase, duplicates_are_reported);
    tcase_add_test(tcase, a_secret_is_never_shown);
    tcase_add_test(tcase, what_is_printed_can_be_read);
    tcase_add_test(tcase, the_longest_lists_can_be_printed_and_read);
    tcase_add_test(tcase, each_list_has_its_own_limit);
    tcase_add_test(tcase, what_concerns_several_keys_is_checked_at_the_end);
    tcase_add_test(tcase, a_file_that_cannot_be_read_is_an_error_and_no_mistake);
    tcase_add_test(tcase, an_endless_file_is_refused);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
