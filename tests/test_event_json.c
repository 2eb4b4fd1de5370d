#include "event_json.h"

#include <jansson.h>
#include <string.h>
#include <time.h>

#include "ip_addr.h"
#include "packet_words.h"
#include "random_values.h"
#include "suite.h"

static char text[EVENT_TEXT_MAX + 1];
static struct event_clock event_clock;

static void setup(void)
{
    setenv("TZ", "Europe/Berlin", 1);
    tzset();
    event_clock = (struct event_clock) { 0 };
}

static struct shown_event an_event(void)
{
    char why[160];
    struct shown_event event = {
        .record = {
            .first_ns = 1500000000, .bytes = 60, .packets = 1, .ifindex = 7, .src_port = 40000,
            .dst_port = 443, .protocol = 6, .ip_version = 4, .tcp_flags = PACKET_TCP_SYN,
        },
        .seq = 42,
        .wall_offset_ns = 1700000000000000000,
    };

    ip_addr_parse("192.0.2.1", (struct ip_addr *) event.record.src_addr, why, sizeof why);
    ip_addr_parse("198.51.100.7", (struct ip_addr *) event.record.dst_addr, why, sizeof why);
    return event;
}

static const char *format(const struct shown_event *event, const char *interface)
{
    text[event_json_format(event, interface, NULL, &event_clock, text)] = '\0';
    return text;
}

START_TEST(an_event_is_one_data_line_with_its_number)
{
    struct shown_event event = an_event();

    ck_assert_str_eq(format(&event, "eth0"),
                     "id: 42\n"
                     "data: {\"time\":\"23:13:21.500\",\"seq\":42,\"src\":\"192.0.2.1\","
                     "\"dst\":\"198.51.100.7\",\"src_port\":40000,\"dst_port\":443,"
                     "\"proto\":\"TCP\",\"action\":\"PASS\",\"direction\":\"INGRESS\","
                     "\"ip_version\":4,\"pkt_size\":60,\"packets\":1,\"tcp_flags\":\"SYN\","
                     "\"interface\":\"eth0\"}\n\n");
}
END_TEST

START_TEST(the_collector_is_named_when_there_are_several)
{
    struct shown_event event = an_event();

    text[event_json_format(&event, "eth0", "o\"ther", &event_clock, text)] = '\0';
    ck_assert_ptr_nonnull(strstr(text, "\"interface\":\"eth0\",\"collector\":\"o\\\"ther\"}\n\n"));
}
END_TEST

START_TEST(unknown_interfaces_are_numbers_and_odd_names_are_escaped)
{
    struct shown_event event = an_event();

    ck_assert_ptr_nonnull(strstr(format(&event, NULL), "\"interface\":\"if7\""));
    ck_assert_ptr_nonnull(strstr(format(&event, "a\"b\\c\x01\xff"),
                                 "\"interface\":\"a\\\"b\\\\c??\""));
}
END_TEST

START_TEST(the_time_follows_the_second_and_the_zone)
{
    struct shown_event event = an_event();

    format(&event, NULL);
    event.record.first_ns += 999000000;
    ck_assert_ptr_nonnull(strstr(format(&event, NULL), "\"23:13:22.499\""));
    event.wall_offset_ns = INT64_MIN;
    ck_assert_ptr_nonnull(strstr(format(&event, NULL), "\"01:00:00.000\""));
}
END_TEST

START_TEST(all_flags_have_names)
{
    char flags[TCP_FLAGS_TEXT_SIZE];

    ck_assert_uint_eq(packet_words_tcp_flags(0, flags), 0);
    ck_assert_str_eq(flags, "");
    packet_words_tcp_flags(PACKET_TCP_SYN | PACKET_TCP_ACK, flags);
    ck_assert_str_eq(flags, "SYN,ACK");
    packet_words_tcp_flags(0xff, flags);
    ck_assert_str_eq(flags, "FIN,SYN,RST,PSH,ACK,URG,ECE,CWR");
}
END_TEST

/* Any record gives a text that fits and that a strict parser takes. */
START_TEST(random_records_make_valid_events)
{
    srandom((unsigned) _i);
    for (int n = 0; n < 500; n++) {
        struct shown_event event;
        char name[16], id[COLLECTOR_ID_SIZE] = "";
        random_bytes(&event, sizeof event);
        random_bytes(name, sizeof name);
        event.seq >>= 1;            /* the parser's integers are signed */
        event.record.bytes >>= 1;
        memset(id, n % 3 ? '"' : 'x', sizeof id - 1);
        size_t size = event_json_format(&event, _i % 2 ? name : NULL, n % 2 ? id : NULL,
                                        &event_clock, text);
        ck_assert_uint_le(size, EVENT_TEXT_MAX);
        text[size] = '\0';
        const char *data = strstr(text, "\ndata: ");
        ck_assert_ptr_nonnull(data);
        ck_assert_str_eq(text + size - 2, "\n\n");
        ck_assert_ptr_eq(strchr(data + 1, '\n'), text + size - 2);
        json_t *parsed = json_loads(data + 7, JSON_REJECT_DUPLICATES, NULL);
        ck_assert_msg(parsed != NULL, "%s", data);
        ck_assert_uint_eq(json_object_size(parsed), 14u + n % 2);
        json_decref(parsed);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("event_json");
    TCase *tcase = tcase_create("event");

    tcase_add_checked_fixture(tcase, setup, NULL);
    tcase_add_test(tcase, an_event_is_one_data_line_with_its_number);
    tcase_add_test(tcase, the_collector_is_named_when_there_are_several);
    tcase_add_test(tcase, unknown_interfaces_are_numbers_and_odd_names_are_escaped);
    tcase_add_test(tcase, the_time_follows_the_second_and_the_zone);
    tcase_add_test(tcase, all_flags_have_names);
    tcase_add_loop_test(tcase, random_records_make_valid_events, 0, 16);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
