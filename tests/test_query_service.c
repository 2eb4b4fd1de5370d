#include "query_service.h"

#include "bus_folder.h"
#include "filled_aggregate.h"
#include "reactor_run.h"
#include "suite.h"
#include "table_query.h"
#include "zsock_setup.h"

static struct bus_folder folder;
static struct bound_socket bound;
static zloop_t *loop;
static aggregate_t *aggregate;
static query_service_t *service;
static zsock_t *client;
static struct record_stream stream;
static struct table_page page;          /* the last answer */
static size_t page_size;

static void setup(void)
{
    char endpoint[128];

    bus_folder_make(&folder);
    bus_folder_endpoint(&folder, BUS_QUERIES, endpoint);
    loop = zloop_new();
    aggregate = filled_new();
    stream = record_stream_open("pi", 7);
    filled_flows(aggregate, &stream, 4000);
    ck_assert_int_eq(zsock_setup_bind(&bound, ZMQ_REP, endpoint, 10), 0);
    service = query_service_new(bound.socket, aggregate);
    ck_assert(loop && service);
    ck_assert_int_eq(query_service_start(service, loop), 0);
    client = zsock_new(ZMQ_REQ);
    ck_assert_int_eq(zsock_connect(client, "%s", endpoint), 0);
}

static void teardown(void)
{
    table_page_clear(&page);
    zsock_destroy(&client);
    zloop_destroy(&loop);
    query_service_destroy(&service);
    ck_assert_ptr_null(service);
    zsock_setup_unbind(&bound);
    record_stream_close(&stream);
    aggregate_destroy(&aggregate);
    bus_folder_remove(&folder);
}

static bool has_answer(void *arg)
{
    zmq_msg_t message;
    bool is_there;

    (void) arg;
    zmq_msg_init(&message);
    is_there = zmq_msg_recv(&message, zsock_resolve(client), ZMQ_DONTWAIT) >= 0;
    if (is_there) {
        table_page_clear(&page);
        page_size = zmq_msg_size(&message);
        ck_assert_int_eq(table_page_decode(&page, zmq_msg_data(&message), page_size), 0);
    }
    zmq_msg_close(&message);
    return is_there;
}

static void ask(const struct table_query *query)
{
    uint8_t *bytes;
    size_t size;

    ck_assert_int_eq(table_query_encode(query, &bytes, &size), 0);
    ck_assert_int_eq(zmq_send(zsock_resolve(client), bytes, size, 0), (int) size);
    free(bytes);
    reactor_run_until(loop, has_answer, NULL);
}

START_TEST(a_query_is_answered_with_its_number)
{
    struct table_query query = { .request_id = 12345, .limit = 10 };

    ask(&query);
    ck_assert_uint_eq(page.request_id, 12345);
    ck_assert_str_eq(page.error, "");
    ck_assert_uint_eq(page.flow_count, 10);
    ck_assert_uint_eq(page.total, 4000);
}
END_TEST

START_TEST(what_is_no_query_gets_a_sentence_and_the_next_is_served)
{
    struct table_query query = { .request_id = 6, .table = QUERY_HISTORY };

    zsock_send(client, "s", "what is this?");
    reactor_run_until(loop, has_answer, NULL);
    ck_assert_ptr_nonnull(strstr(page.error, "TableQuery"));
    ck_assert_uint_eq(query_service_bad_messages(service), 1);
    zsock_send(client, "ss", "two", "frames");
    reactor_run_until(loop, has_answer, NULL);
    ck_assert_str_ne(page.error, "");
    ask(&query);
    ck_assert_str_eq(page.error, "");
}
END_TEST

START_TEST(the_largest_page_fits_a_message)
{
    struct table_query query = { .table = QUERY_ADDRESSES, .limit = QUERY_MAX_LIMIT };

    for (uint32_t second = 1; second < WINDOW_S; second++) {
        for (uint32_t i = 0; i < 4000; i++) {
            struct packet_record record = record_of(IPPROTO_UDP, 0x0a000000 + i % 1000, 1, 2, 2,
                                                    FILLED_LOCAL_NS + second * NS_PER_S);
            record.packets = UINT32_MAX;
            record.bytes = UINT32_MAX;
            packet_batch_add(stream.batch, &record);
        }
        aggregate_take_batch(aggregate, record_stream_cut(&stream), FILLED_LOCAL_NS);
    }
    ask(&query);
    ck_assert_str_eq(page.error, "");
    ck_assert_uint_eq(page.address_count, QUERY_MAX_LIMIT);
    ck_assert_uint_eq(page.addresses[0].packets_by_second[WINDOW_S - 1], UINT32_MAX);
    ck_assert_uint_ge(page_size, 500000);
    ck_assert_uint_le(page_size, ZSOCK_MAX_MESSAGE);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("query_service");
    TCase *tcase = tcase_create("bus");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_query_is_answered_with_its_number);
    tcase_add_test(tcase, what_is_no_query_gets_a_sentence_and_the_next_is_served);
    tcase_add_test(tcase, the_largest_page_fits_a_message);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
