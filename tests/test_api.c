#include "api_lists.h"

#include <jansson.h>

#include "gateway_rig.h"
#include "list_client.h"
#include "table_query.h"

static struct rig rig;

/* Each test lets its peers in first: the gateway finds them at once then. */
static void setup(void)
{
    rig_init(&rig);
}

static void teardown(void)
{
    rig_finish(&rig);
}

/* The answer's JSON, which the caller json_decref()s. */
static json_t *json_of(struct rig_answer answer, int status)
{
    json_error_t error;

    ck_assert_msg(answer.status == status, "%d: %s", answer.status, answer.body);
    json_t *json = json_loads(answer.body, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    ck_assert_msg(json != NULL, "%s in %s", error.text, answer.body);
    rig_free(&answer);
    return json;
}

static void answers(struct rig_answer answer, int status, const char *says)
{
    ck_assert_msg(answer.status == status, "%d, not %d: %s", answer.status, status, answer.body);
    ck_assert_msg(strstr(answer.body, says) != NULL, "\"%s\" is not in: %s", says, answer.body);
    if (strstr(answer.body, "does not answer"))
        ck_assert_ptr_nonnull(strstr(answer.head, "\r\nRetry-After: "));
    rig_free(&answer);
}

/* ---- a collector with a list of 192.0.2.0, 192.0.2.1, ... ---- */

struct fake_list {
    uint32_t entries;
    uint32_t slow_ms;           /* what each answer takes */
    uint64_t version;
    unsigned changes;           /* how often the list still changes between two pages */
    enum list_code code;        /* of changes */
    const char *error;
    struct list_request last;   /* change asked for */
    unsigned asked;             /* how often it was */
};

static void entry_of(uint32_t number, struct list_entry_row *entry)
{
    uint8_t addr[16];

    memset(entry, 0, sizeof *entry);
    record_addr(addr, 0x0a000000 + number);
    ip_addr_format(addr, entry->prefix);
    entry->hit_packets = number;
}

static void fill_page(const struct fake_list *list, const struct list_request *request,
                      struct list_reply *reply)
{
    struct ip_prefix after;
    char why[160];
    uint32_t from = 0;

    if (request->after[0] != '\0') {
        ck_assert_int_eq(ip_prefix_parse(request->after, &after, why, sizeof why), 0);
        from = ((uint32_t) after.addr.bytes[13] << 16 | (uint32_t) after.addr.bytes[14] << 8
                | after.addr.bytes[15]) + 1;
    }
    uint32_t count = list->entries - from;
    if (count > request->limit)
        count = request->limit;
    reply->entries = calloc(count + 1, sizeof *reply->entries);
    reply->entry_count = count;
    for (uint32_t i = 0; i < count; i++)
        entry_of(from + i, &reply->entries[i]);
    reply->more = from + count < list->entries;
    reply->total = list->entries;
}

static void answer_list(const uint8_t *question, size_t size, uint8_t **ret_answer,
                        size_t *ret_size, void *arg)
{
    struct fake_list *list = arg;
    struct list_request request;
    struct list_reply reply = { 0 };

    ck_assert_int_eq(list_request_decode(&request, question, size), 0);
    reply.request_id = request.request_id;
    usleep(1000 * list->slow_ms);
    if (request.op == LIST_OP_LIST) {
        if (list->changes > 0) {
            list->changes--;
            list->version++;
        }
        fill_page(list, &request, &reply);
    } else {
        list->last = request;
        list->asked++;
        reply.code = list->code;
        if (list->error)
            strcpy(reply.error, list->error);
        strcpy(reply.prefix, request.prefix);
    }
    reply.list_version = list->version;
    ck_assert_int_eq(list_reply_encode(&reply, ret_answer, ret_size), 0);
    list_reply_clear(&reply);
}

/* Asks in HTTP/1.0, as nginx does by default: it has no chunks. */
static void has_entries(const char *path, uint32_t count)
{
    char request[128];

    snprintf(request, sizeof request, "GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n", path);
    json_t *json = json_of(rig_ask(&rig, request), 200);
    ck_assert_uint_eq(json_array_size(json), count);
    for (uint32_t i = 0; i < count; i += 97) {
        struct list_entry_row entry;
        json_t *row = json_array_get(json, i);
        entry_of(i, &entry);
        ck_assert_str_eq(json_string_value(json_object_get(row, "ip")), entry.prefix);
        ck_assert_int_eq(json_integer_value(json_object_get(row, "version")), 4);
        ck_assert(json_is_null(json_object_get(row, "expires")));
        ck_assert(json_is_null(json_object_get(row, "ttl")));
        json_t *hits = json_object_get(row, "hits");
        ck_assert_int_eq(json_integer_value(json_object_get(hits, "packets")), i);
    }
    json_decref(json);
}

START_TEST(without_a_collector_lists_are_503)
{
    rig_start(&rig);
    answers(rig_get(&rig, "/blacklist"), 503, "is ntc-collector running?");
    answers(rig_post(&rig, "/whitelist", "", "{\"ip\":\"192.0.2.1\"}"), 503, "ntc-collector");
    answers(rig_request(&rig, "DELETE", "/whitelist?ip=192.0.2.1", "", ""), 503, "ntc-collector");
}
END_TEST

START_TEST(an_empty_list_is_an_empty_array)
{
    struct fake_list list = { 0 };

    rig_play(&rig, &rig.collector, BUS_COMMANDS, answer_list, &list);
    rig_start(&rig);
    answers(rig_get(&rig, "/blacklist"), 200, "[]");
}
END_TEST

static const uint32_t SIZES[] = { 1, 1999, 2000, 2001, 4000, 50000 };

START_TEST(long_lists_come_whole)
{
    struct fake_list list = { .entries = SIZES[_i], .version = 7 };

    rig_play(&rig, &rig.collector, BUS_COMMANDS, answer_list, &list);
    rig_start(&rig);
    struct rig_answer answer = rig_get(&rig, "/blacklist");
    ck_assert((strstr(answer.head, "chunked") != NULL) == (list.entries > LIST_PAGE_MAX));
    rig_free(&answer);
    has_entries("/blacklist", list.entries);
}
END_TEST

START_TEST(a_list_that_changes_is_fetched_anew)
{
    struct fake_list list = { .entries = 1500, .version = 7 };

    rig_play(&rig, &rig.collector, BUS_COMMANDS, answer_list, &list);
    rig_start(&rig);
    has_entries("/blacklist", 1500);
    list.changes = 100;         /* it never stands still: the answer comes all the same */
    has_entries("/whitelist", 1500);

    struct list_pages pages;
    list.entries = 9000;
    list.changes = 3;
    ck_assert_int_eq(list_client_fetch(collector_peers_bus(rig.gateway.peers, 0), LIST_BLACK,
                                       &pages), 0);
    ck_assert_uint_eq(pages.count, 5);
    for (uint32_t i = 0; i < pages.count; i++) {
        struct list_reply reply;
        ck_assert_int_eq(list_reply_decode(&reply, pages.pages[i].bytes, pages.pages[i].size), 0);
        ck_assert_uint_eq(reply.list_version, list.version);
        list_reply_clear(&reply);
    }
    list_pages_clear(&pages);
}
END_TEST

START_TEST(changes_reach_the_collector_in_canonical_form)
{
    struct fake_list list = { 0 };

    rig_play(&rig, &rig.collector, BUS_COMMANDS, answer_list, &list);
    rig_start(&rig);
    answers(rig_post(&rig, "/blacklist", "", "{\"ip\":\"2001:DB8:0::/32\",\"ttl\":60,"
                     "\"reason\":\"sch\xc3\xb6n\"}"), 200,
            "{\"ok\":true,\"ip\":\"2001:db8::/32\",\"version\":6}");
    ck_assert_int_eq(list.last.op, LIST_OP_ADD);
    ck_assert_int_eq(list.last.list, LIST_BLACK);
    ck_assert_str_eq(list.last.prefix, "2001:db8::/32");
    ck_assert_uint_eq(list.last.ttl_s, 60);
    ck_assert_str_eq(list.last.reason, "sch\xc3\xb6n");
    ck_assert_uint_ne(list.last.request_id, 0);

    answers(rig_post(&rig, "/whitelist", "", "{\"ip\":\"192.0.2.1\",\"ttl\":null}"), 200,
            "{\"ok\":true,\"ip\":\"192.0.2.1\",\"version\":4}");
    ck_assert_int_eq(list.last.list, LIST_WHITE);
    ck_assert_uint_eq(list.last.ttl_s, 0);

    answers(rig_request(&rig, "DELETE", "/whitelist?ip=2001%3Adb8%3A%3A%2F32", "", ""), 200,
            "\"2001:db8::/32\"");
    ck_assert_int_eq(list.last.op, LIST_OP_REMOVE);
    ck_assert_uint_eq(list.asked, 3);
    answers(rig_request(&rig, "DELETE", "/whitelist", "", ""), 400, "say which entry");
    answers(rig_request(&rig, "DELETE", "/whitelist?ip=x", "", ""), 400, "is no IP address");
    ck_assert_uint_eq(list.asked, 3);
}
END_TEST

START_TEST(force_and_the_client_are_handed_on)
{
    struct fake_list list = { 0 };

    rig_play(&rig, &rig.collector, BUS_COMMANDS, answer_list, &list);
    rig_start(&rig);
    answers(rig_post(&rig, "/blacklist", "", "{\"ip\":\"192.0.2.1\"}"), 200, "");
    ck_assert(!list.last.force);
    ck_assert_uint_eq(list.last.client.bytes[12], 127);
    ck_assert_uint_eq(list.last.client.bytes[15], 1);
    answers(rig_post(&rig, "/blacklist", "", "{\"ip\":\"192.0.2.1\",\"force\":true}"), 200, "");
    ck_assert(list.last.force);
    answers(rig_request(&rig, "DELETE", "/blacklist?ip=192.0.2.1&force=true", "", ""), 200, "");
    ck_assert(list.last.force);
    answers(rig_request(&rig, "DELETE", "/blacklist?ip=192.0.2.1&force=false", "", ""), 200, "");
    ck_assert(!list.last.force);
    ck_assert_uint_eq(list.asked, 4);
    answers(rig_request(&rig, "DELETE", "/blacklist?ip=192.0.2.1&force=1", "", ""), 400, "force");
    answers(rig_post(&rig, "/blacklist", "", "{\"ip\":\"192.0.2.1\",\"force\":\"yes\"}"), 400,
            "force: must be true or false");
    ck_assert_uint_eq(list.asked, 4);
}
END_TEST

static const struct { enum list_code code; int status; const char *word; } CODES[] = {
    { LIST_BAD_REQUEST, 400, "" }, { LIST_NOT_FOUND, 404, "" }, { LIST_NOT_SAVED, 507, "" },
    { LIST_NOT_ALLOWED, 403, "" }, { LIST_NOT_ENFORCED, 500, "" },
    { LIST_FULL, 409, ",\"code\":\"full\"" },
    { LIST_REFUSED_VERSION, 409, ",\"code\":\"changed\"" },
    { LIST_LOCK_OUT, 409, ",\"code\":\"lock_out\"" },
};

START_TEST(what_the_collector_says_is_told)
{
    struct fake_list list = { .code = CODES[_i].code, .error = "because \"of\" it" };
    char body[128];

    snprintf(body, sizeof body, "{\"ok\":false,\"error\":\"because \\\"of\\\" it\"%s}",
             CODES[_i].word);
    rig_play(&rig, &rig.collector, BUS_COMMANDS, answer_list, &list);
    rig_start(&rig);
    answers(rig_request(&rig, "DELETE", "/blacklist?ip=192.0.2.1", "", ""), CODES[_i].status,
            body);
}
END_TEST

/* A wedged collector: the questions before do not spoil the ones after it has come back. */
static void answer_never(const uint8_t *question, size_t size, uint8_t **ret_answer,
                         size_t *ret_size, void *arg)
{
    (void) question;
    (void) size;
    (void) ret_answer;
    (void) ret_size;
    (void) arg;
}

START_TEST(a_collector_that_hangs_costs_one_second_and_nothing_later)
{
    struct fake_list list = { 0 };

    rig_play(&rig, &rig.collector, BUS_COMMANDS, answer_never, NULL);
    rig_start(&rig);
    uint64_t began_ns = clock_monotonic_ns();
    answers(rig_get(&rig, "/blacklist"), 503, "does not answer");
    ck_assert_uint_lt((clock_monotonic_ns() - began_ns) / NS_PER_MS, 1900);
    rig_leave(&rig.collector);

    rig_play(&rig, &rig.collector, BUS_COMMANDS, answer_list, &list);
    int status = 503;
    for (int i = 0; i < 30 && status == 503; i++) {     /* until the socket has found it again */
        struct rig_answer answer = rig_get(&rig, "/blacklist");
        status = answer.status;
        rig_free(&answer);
    }
    ck_assert_int_eq(status, 200);
}
END_TEST

/* Plays a collector whose first answer gets lost.  A ROUTER may stay silent; a REP may not. */
static void *lose_first_question(void *arg)
{
    void *socket = zsock_resolve(rig.collector.bound.socket);
    uint64_t *ids = arg;

    for (int n = 0; n < 2; n++) {
        struct list_request request;
        struct list_reply reply = { .entries = NULL };
        zmsg_t *message = zmsg_recv(socket);    /* peer, number, delimiter, question */
        zframe_t *question = zmsg_last(message);
        uint8_t *bytes;
        size_t size;
        ck_assert_uint_eq(zmsg_size(message), 4);
        ck_assert_int_eq(list_request_decode(&request, zframe_data(question),
                                             zframe_size(question)), 0);
        ids[n] = reply.request_id = request.request_id;
        ck_assert_int_eq(list_reply_encode(&reply, &bytes, &size), 0);
        zframe_reset(question, bytes, size);
        free(bytes);
        if (n == 1)
            zmsg_send(&message, socket);
        zmsg_destroy(&message);
    }
    return NULL;
}

START_TEST(a_question_that_gets_lost_is_asked_again)
{
    uint64_t ids[2] = { 0 };
    pthread_t thread;

    rig_bind(&rig, &rig.collector.bound, ZMQ_ROUTER, BUS_COMMANDS);
    rig_start(&rig);
    pthread_create(&thread, NULL, lose_first_question, ids);
    answers(rig_get(&rig, "/blacklist"), 200, "[]");
    pthread_join(thread, NULL);
    ck_assert_uint_ne(ids[0], 0);
    ck_assert_uint_eq(ids[0], ids[1]);
}
END_TEST

static void answer_garbage(const uint8_t *question, size_t size, uint8_t **ret_answer,
                           size_t *ret_size, void *arg)
{
    (void) question;
    (void) arg;
    *ret_size = size + 100;
    *ret_answer = malloc(*ret_size);
    memset(*ret_answer, 0xff, *ret_size);
}

START_TEST(garbage_answers_are_500)
{
    rig_play(&rig, &rig.collector, BUS_COMMANDS, answer_garbage, NULL);
    rig_play(&rig, &rig.aggregator, BUS_QUERIES, answer_garbage, NULL);
    rig_start(&rig);
    answers(rig_get(&rig, "/blacklist"), 500, "cannot be understood");
    answers(rig_get(&rig, "/api/flows"), 500, "cannot be understood");
}
END_TEST

static void *read_list(void *arg)
{
    const unsigned *times = arg;

    for (unsigned i = 0; i < *times; i++)
        answers(rig_get(&rig, "/blacklist"), 200, "\"10.0.0.2\"");
    return NULL;
}

/* Eight at a time read the whole list. */
static void read_at_once(struct fake_list *list, unsigned times)
{
    pthread_t threads[8];

    rig_play(&rig, &rig.collector, BUS_COMMANDS, answer_list, list);
    rig_start(&rig);
    for (int i = 0; i < 8; i++)
        pthread_create(&threads[i], NULL, read_list, &times);
    for (int i = 0; i < 8; i++)
        pthread_join(threads[i], NULL);
}

START_TEST(many_questions_are_under_way_at_once)
{
    read_at_once(&(struct fake_list) { .entries = 100 }, 20);
}
END_TEST

START_TEST(readers_of_a_slow_list_wait_for_their_turn)
{
    read_at_once(&(struct fake_list) { .entries = 100, .slow_ms = 60 }, 1);
}
END_TEST

START_TEST(a_question_under_way_does_not_hold_up_the_stop)
{
    rig_play(&rig, &rig.collector, BUS_COMMANDS, answer_never, NULL);
    rig_start(&rig);
    int fd = rig_connect(&rig);
    rig_send(fd, "GET /blacklist HTTP/1.1\r\nHost: localhost\r\n\r\n");
    usleep(50000);          /* it may have been sent by now: the stop must be quick either way */
    uint64_t began_ns = clock_monotonic_ns();
    rig_stop(&rig);
    ck_assert_uint_lt((clock_monotonic_ns() - began_ns) / NS_PER_MS, 500);
    close(fd);
}
END_TEST

/* ---- an aggregator ---- */

static struct table_query last_query;

static void answer_table(const uint8_t *question, size_t size, uint8_t **ret_answer,
                         size_t *ret_size, void *arg)
{
    struct table_page page = { .total = 12345, .unix_ns = 1700000000500000000 };
    struct snapshot *snapshot = full_snapshot(0);

    ck_assert_int_eq(table_query_decode(&last_query, question, size), 0);
    page.request_id = last_query.request_id;
    if (arg)
        strcpy(page.error, arg);
    if (last_query.table == QUERY_FLOWS) {
        page.flows = snapshot->top_flows;
        page.flow_count = 1;
    } else if (last_query.table == QUERY_ADDRESSES) {
        page.addresses = snapshot->top_packets.rows;
        page.address_count = 2;
        page.addresses[0].has_seconds = true;
        page.addresses[0].packets_by_second[59] = 3;
    } else {
        ck_assert_int_eq(history_reserve(&page.history, 2, 3), 0);
        page.history.end_unix_s = 1700000000;
        strcpy(page.history.series[0].name, "ingress_pass");
        strcpy(page.history.series[1].name, "tcp");
        page.history.series[0].packets[2] = 9;
        page.history.series[1].bytes[0] = 8;
    }
    ck_assert_int_eq(table_page_encode(&page, ret_answer, ret_size), 0);
    free(page.history.values);
    snapshot_clear(snapshot);
    free(snapshot);
}

START_TEST(flows_are_asked_for_and_shown)
{
    rig_play(&rig, &rig.aggregator, BUS_QUERIES, answer_table, NULL);
    rig_start(&rig);
    rig_publish_snapshot(&rig, full_snapshot(1));
    rig_wait_snapshot(&rig, 1);
    answers(rig_get(&rig, "/api/flows?limit=7&offset=9&sort=duration&order=asc&ip=192.0.2.0/24"
                          "&port=443&proto=udp&action=drop&direction=egress"), 200,
            "{\"total\":12345,\"unix_time\":1700000000.500,\"flows\":[{\"src\":\"192.0.2.1\","
            "\"dst\":\"198.51.100.1\",\"src_port\":40000,\"dst_port\":443,\"proto\":\"TCP\","
            "\"protocol\":6,\"direction\":\"INGRESS\",\"action\":\"PASS\",\"ip_version\":4,"
            "\"tcp_flags\":\"SYN,ACK\",\"interface\":\"eth0\",\"collector\":\"c0\","
            "\"first\":1700000000.000,\"last\":1700000000.250,\"packets\":5,\"bytes\":600}]}");
    ck_assert_int_eq(last_query.table, QUERY_FLOWS);
    ck_assert_uint_eq(last_query.limit, 7);
    ck_assert_uint_eq(last_query.offset, 9);
    ck_assert_str_eq(last_query.sort, "duration");
    ck_assert(last_query.ascending);
    ck_assert(last_query.has_addr);
    ck_assert_uint_eq(last_query.addr_bits, 120);
    ck_assert_uint_eq(last_query.port, 443);
    ck_assert_uint_eq(last_query.group, 1 + PACKET_UDP);
    ck_assert_uint_eq(last_query.action, 1 + PACKET_DROP);
    ck_assert_uint_eq(last_query.direction, 1 + PACKET_EGRESS);

    answers(rig_get(&rig, "/api/flows?ip=&port="), 200, "\"flows\":");
    ck_assert_str_eq(last_query.sort, "bytes");
    ck_assert(!last_query.ascending);
    ck_assert(!last_query.has_addr);
    ck_assert_uint_eq(last_query.limit, 100);
}
END_TEST

START_TEST(addresses_are_asked_for_and_shown)
{
    rig_play(&rig, &rig.aggregator, BUS_QUERIES, answer_table, NULL);
    rig_start(&rig);
    json_t *json = json_of(rig_get(&rig, "/api/ips?sort=syn_count&ip=192.0.2.10"), 200);
    json_t *ips = json_object_get(json, "ips");

    ck_assert_str_eq(last_query.sort, "syn");
    ck_assert_uint_eq(last_query.addr_bits, 128);
    ck_assert_uint_eq(json_array_size(ips), 2);
    json_t *seconds = json_object_get(json_array_get(ips, 0), "packets_by_second");
    ck_assert_uint_eq(json_array_size(seconds), 60);
    ck_assert_int_eq(json_integer_value(json_array_get(seconds, 59)), 3);
    ck_assert_double_eq(json_number_value(json_object_get(json_array_get(ips, 1),
                                                          "packets_per_second")), 32.25);
    json_decref(json);
}
END_TEST

START_TEST(history_is_shown_in_columns)
{
    rig_play(&rig, &rig.aggregator, BUS_QUERIES, answer_table, NULL);
    rig_start(&rig);
    answers(rig_get(&rig, "/api/history?seconds=3"), 200,
            "{\"end\":1700000000,\"step\":1,\"series\":{"
            "\"ingress_pass\":{\"packets\":[0,0,9],\"bytes\":[0,0,0]},"
            "\"tcp\":{\"packets\":[0,0,0],\"bytes\":[8,0,0]}}}");
    ck_assert_uint_eq(last_query.seconds, 3);
}
END_TEST

START_TEST(what_the_aggregator_refuses_is_400)
{
    rig_play(&rig, &rig.aggregator, BUS_QUERIES, answer_table, "not like that");
    rig_start(&rig);
    answers(rig_get(&rig, "/api/flows"), 400, "not like that");
}
END_TEST

START_TEST(without_an_aggregator_tables_are_503)
{
    rig_start(&rig);
    answers(rig_get(&rig, "/api/flows"), 503, "is ntc-aggregator running?");
    answers(rig_get(&rig, "/api/ips"), 503, "is ntc-aggregator running?");
    answers(rig_get(&rig, "/api/history"), 503, "is ntc-aggregator running?");
}
END_TEST

/* ---- the last snapshot ---- */

static const char *text_at(json_t *json, const char *object, const char *key)
{
    return json_string_value(json_object_get(json_object_get(json, object), key));
}

START_TEST(without_a_snapshot_the_summary_has_its_shape)
{
    rig_start(&rig);
    json_t *json = json_of(rig_get(&rig, "/api/summary"), 200);

    ck_assert_str_eq(text_at(json, "aggregator", "state"), "away");
    ck_assert(json_is_null(json_object_get(json_object_get(json, "aggregator"), "age_s")));
    ck_assert_uint_eq(json_array_size(json_object_get(json, "totals")), 0);
    ck_assert_uint_eq(json_array_size(json_object_get(json, "collectors")), 0);
    ck_assert_uint_eq(json_object_size(json_object_get(json, "top")), 5);
    ck_assert(json_is_array(json_object_get(json_object_get(json, "ledger"), "lost")));
    json_decref(json);
}
END_TEST

START_TEST(the_summary_tells_what_the_snapshot_says)
{
    rig_start(&rig);
    rig_publish_snapshot(&rig, full_snapshot(2));
    rig_wait_snapshot(&rig, 2);
    json_t *json = json_of(rig_get(&rig, "/api/summary"), 200);
    json_t *ledger = json_object_get(json, "ledger");
    json_t *collector = json_array_get(json_object_get(json, "collectors"), 1);

    ck_assert_str_eq(text_at(json, "aggregator", "state"), "live");
    ck_assert_int_eq(json_integer_value(json_object_get(json, "active_ips")), 10);
    ck_assert_uint_eq(json_array_size(json_object_get(json, "totals")), STATUS_COUNTERS);
    ck_assert_int_eq(json_integer_value(json_object_get(ledger, "counted_packets")), 2 * 3696);
    ck_assert_int_eq(json_integer_value(json_object_get(ledger, "without_record_packets")), 14);
    ck_assert_int_eq(json_integer_value(json_object_get(ledger, "accounted_packets")), 3000);
    ck_assert_int_eq(json_integer_value(json_object_get(ledger, "difference_packets")), -4);
    ck_assert_uint_eq(json_array_size(json_object_get(ledger, "lost")), 2);
    ck_assert_str_eq(json_string_value(json_object_get(collector, "id")), "c1");
    ck_assert_str_eq(json_string_value(json_object_get(collector, "boot_id")), "0000000000000abc");
    ck_assert_str_eq(json_string_value(json_object_get(collector, "state")), "live");
    ck_assert_int_eq(json_integer_value(json_object_get(collector, "uptime_s")), 60);
    ck_assert_str_eq(text_at(json, "gateway", "version"), NTC_VERSION);
    json_decref(json);
}
END_TEST

/* A fourth collector is in the configuration and was never heard. */
static struct snapshot *with_unheard(struct snapshot *snapshot)
{
    snapshot->unheard_count = 1;
    snapshot->unheard = calloc(1, sizeof *snapshot->unheard);
    strcpy(snapshot->unheard[0].endpoint, "tcp://pi4:7386");
    strcpy(snapshot->unheard[0].problem, "it refuses our key");
    return snapshot;
}

START_TEST(readiness_names_who_is_missing)
{
    struct fake_list list = { 0 };
    struct snapshot *snapshot = full_snapshot(2);

    rig_start(&rig);
    answers(rig_get(&rig, "/readyz"), 503,
            "{\"ok\":false,\"missing\":[\"collector\",\"aggregator\"]}");
    rig_stop(&rig);
    rig_play(&rig, &rig.collector, BUS_COMMANDS, answer_list, &list);
    rig_start(&rig);
    answers(rig_get(&rig, "/readyz"), 503, "{\"ok\":false,\"missing\":[\"aggregator\"]}");
    rig_publish_snapshot(&rig, full_snapshot(1));
    rig_wait_snapshot(&rig, 1);
    answers(rig_get(&rig, "/readyz"), 200, "{\"ok\":true}");
    snapshot->collectors[1].away = true;
    rig_publish_snapshot(&rig, snapshot);
    rig_wait_snapshot(&rig, 2);
    answers(rig_get(&rig, "/readyz"), 503,
            "{\"ok\":false,\"missing\":[\"collector\"],\"collectors\":["
            "{\"id\":\"c0\",\"state\":\"live\",\"notes\":[]},"
            "{\"id\":\"c1\",\"state\":\"away\",\"notes\":[]}]}");
    rig_publish_snapshot(&rig, with_unheard(full_snapshot(3)));
    rig_wait_snapshot(&rig, 3);
    answers(rig_get(&rig, "/readyz"), 503, "\"unheard\":[\"tcp://pi4:7386\"]}");
    answers(rig_get(&rig, "/api/summary"), 200, "\"unheard\":[{\"endpoint\":\"tcp://pi4:7386\","
            "\"problem\":\"it refuses our key\"}]");
}
END_TEST

START_TEST(metrics_are_served_with_their_type)
{
    rig_start(&rig);
    rig_publish_snapshot(&rig, full_snapshot(1));
    rig_wait_snapshot(&rig, 1);
    struct rig_answer answer = rig_get(&rig, "/metrics");

    ck_assert_int_eq(answer.status, 200);
    ck_assert_ptr_nonnull(strstr(answer.head, "Content-Type: text/plain; version=0.0.4"));
    ck_assert_ptr_nonnull(strstr(answer.body, "\nntc_active_ips 10\n"));
    rig_free(&answer);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("api");
    TCase *tcase = tcase_create("answers");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, without_a_collector_lists_are_503);
    tcase_add_test(tcase, an_empty_list_is_an_empty_array);
    tcase_add_loop_test(tcase, long_lists_come_whole, 0, sizeof SIZES / sizeof SIZES[0]);
    tcase_add_test(tcase, a_list_that_changes_is_fetched_anew);
    tcase_add_test(tcase, changes_reach_the_collector_in_canonical_form);
    tcase_add_test(tcase, force_and_the_client_are_handed_on);
    tcase_add_loop_test(tcase, what_the_collector_says_is_told, 0, sizeof CODES / sizeof CODES[0]);
    tcase_add_test(tcase, a_collector_that_hangs_costs_one_second_and_nothing_later);
    tcase_add_test(tcase, a_question_that_gets_lost_is_asked_again);
    tcase_add_test(tcase, garbage_answers_are_500);
    tcase_add_test(tcase, many_questions_are_under_way_at_once);
    tcase_add_test(tcase, readers_of_a_slow_list_wait_for_their_turn);
    tcase_add_test(tcase, a_question_under_way_does_not_hold_up_the_stop);
    tcase_add_test(tcase, flows_are_asked_for_and_shown);
    tcase_add_test(tcase, addresses_are_asked_for_and_shown);
    tcase_add_test(tcase, history_is_shown_in_columns);
    tcase_add_test(tcase, what_the_aggregator_refuses_is_400);
    tcase_add_test(tcase, without_an_aggregator_tables_are_503);
    tcase_add_test(tcase, without_a_snapshot_the_summary_has_its_shape);
    tcase_add_test(tcase, the_summary_tells_what_the_snapshot_says);
    tcase_add_test(tcase, readiness_names_who_is_missing);
    tcase_add_test(tcase, metrics_are_served_with_their_type);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
