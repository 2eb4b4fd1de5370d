#include "table_query.h"

#include "hostile.h"
#include "random_rows.h"
#include "suite.h"

static int decode_query(const uint8_t *bytes, size_t size)
{
    struct table_query query;

    return table_query_decode(&query, bytes, size);
}

static int decode_page(const uint8_t *bytes, size_t size)
{
    struct table_page page = { 0 };
    int rc = table_page_decode(&page, bytes, size);

    if (rc != 0)
        ck_assert(!page.flows && !page.addresses && !page.history.values);
    table_page_clear(&page);
    table_page_clear(&page);
    return rc;
}

static struct table_query random_query(void)
{
    struct table_query query = {
        .request_id = random_u64(),
        .table = (enum query_table) (random() % 4),
        .ascending = random() & 1,
        .limit = (uint32_t) random() % QUERY_MAX_LIMIT + 1,
        .offset = (uint32_t) random() % (QUERY_MAX_DEPTH - QUERY_MAX_LIMIT + 1),
        .has_addr = random() & 1,
        .port = (uint16_t) random(),
        .group = (uint8_t) (random() % 5),
        .action = (uint8_t) (random() % 5),
        .direction = (uint8_t) (random() % 3),
        .seconds = (uint32_t) random() % HISTORY_MAX_S + 1,
    };

    random_text(query.sort, sizeof query.sort, 0);
    random_text(query.collector_id, sizeof query.collector_id, query.table == QUERY_SUMMARY);
    if (query.has_addr) {
        random_bytes(query.addr, 16);
        query.addr_bits = (uint8_t) (random() % 129);
    }
    return query;
}

static void random_history(struct history *history, uint32_t series_count, uint32_t length)
{
    ck_assert_int_eq(history_reserve(history, series_count, length), 0);
    history->end_unix_s = random_u64();
    for (uint32_t i = 0; i < series_count; i++) {
        random_text(history->series[i].name, sizeof history->series[i].name, 1);
        for (uint32_t n = 0; n < length; n++) {
            history->series[i].packets[n] = random_u32();
            history->series[i].bytes[n] = random_u32();
        }
    }
}

/* The caller clears it. */
static struct table_page random_page(uint32_t flows, uint32_t addresses, uint32_t series,
                                     uint32_t seconds)
{
    struct table_page page = {
        .request_id = random_u64(),
        .total = random_u32(),
        .unix_ns = random_u64(),
        .flow_count = flows,
        .flows = flows > 0 ? calloc(flows, sizeof *page.flows) : NULL,
        .address_count = addresses,
        .addresses = addresses > 0 ? calloc(addresses, sizeof *page.addresses) : NULL,
    };

    random_text(page.error, sizeof page.error, 0);
    for (uint32_t i = 0; i < flows; i++)
        random_flow(&page.flows[i]);
    for (uint32_t i = 0; i < addresses; i++)
        random_address(&page.addresses[i]);
    if (series > 0)
        random_history(&page.history, series, seconds);
    return page;
}

static void encode_page(uint32_t flows, uint32_t addresses, uint32_t series, uint32_t seconds,
                        uint8_t **ret_bytes, size_t *ret_size)
{
    struct table_page page = random_page(flows, addresses, series, seconds);

    ck_assert_int_eq(table_page_encode(&page, ret_bytes, ret_size), 0);
    table_page_clear(&page);
}

static void encode_query(uint8_t **ret_bytes, size_t *ret_size)
{
    struct table_query query = random_query();

    ck_assert_int_eq(table_query_encode(&query, ret_bytes, ret_size), 0);
}

START_TEST(a_query_comes_back_as_it_went)
{
    srandom((unsigned) _i);
    struct table_query query = random_query(), back;
    uint8_t *bytes;
    size_t size;

    memset(&back, 0, sizeof back);
    ck_assert_int_eq(table_query_encode(&query, &bytes, &size), 0);
    ck_assert_int_eq(table_query_decode(&back, bytes, size), 0);
    ck_assert_mem_eq(&back, &query, sizeof back);
    free(bytes);
}
END_TEST

static void assert_same_history(const struct history *back, const struct history *history)
{
    ck_assert_uint_eq(back->end_unix_s, history->end_unix_s);
    ck_assert_uint_eq(back->length, history->length);
    ck_assert_uint_eq(back->series_count, history->series_count);
    for (uint32_t i = 0; i < back->series_count; i++) {
        size_t size = back->length * sizeof(uint64_t);
        ck_assert_str_eq(back->series[i].name, history->series[i].name);
        ck_assert(memcmp(back->series[i].packets, history->series[i].packets, size) == 0);
        ck_assert(memcmp(back->series[i].bytes, history->series[i].bytes, size) == 0);
    }
}

START_TEST(a_page_comes_back_as_it_went)
{
    srandom((unsigned) _i);
    uint32_t flows = (uint32_t) random() % 20, addresses = (uint32_t) random() % 20;
    struct table_page page = random_page(flows, addresses, (uint32_t) _i % 13, (uint32_t) _i % 99);
    struct table_page back;
    uint8_t *bytes;
    size_t size;

    ck_assert_int_eq(table_page_encode(&page, &bytes, &size), 0);
    ck_assert_int_eq(table_page_decode(&back, bytes, size), 0);
    ck_assert_uint_eq(back.request_id, page.request_id);
    ck_assert_str_eq(back.error, page.error);
    ck_assert_uint_eq(back.total, page.total);
    ck_assert_uint_eq(back.unix_ns, page.unix_ns);
    ck_assert_uint_eq(back.flow_count, flows);
    ck_assert_uint_eq(back.address_count, addresses);
    if (flows > 0)
        ck_assert_mem_eq(back.flows, page.flows, flows * sizeof *page.flows);
    if (addresses > 0)
        ck_assert_mem_eq(back.addresses, page.addresses, addresses * sizeof *page.addresses);
    assert_same_history(&back.history, &page.history);
    table_page_clear(&back);
    table_page_clear(&page);
    free(bytes);
}
END_TEST

START_TEST(the_largest_pages_fit_a_message)
{
    uint8_t *bytes;
    size_t size;

    srandom(1);
    encode_page(QUERY_MAX_LIMIT, 0, 0, 0, &bytes, &size);
    ck_assert_int_eq(hostile_decode(decode_page, bytes, size), 0);
    free(bytes);
    encode_page(0, QUERY_MAX_LIMIT, 0, 0, &bytes, &size);
    ck_assert_int_eq(hostile_decode(decode_page, bytes, size), 0);
    free(bytes);
    encode_page(0, 0, HISTORY_SERIES, HISTORY_MAX_S, &bytes, &size);
    ck_assert_int_eq(hostile_decode(decode_page, bytes, size), 0);
    free(bytes);

    struct table_page still = { 0 };    /* an hour without a packet: one byte per value */
    ck_assert_int_eq(history_reserve(&still.history, HISTORY_SERIES, HISTORY_MAX_S), 0);
    for (unsigned i = 0; i < HISTORY_SERIES; i++)
        strcpy(still.history.series[i].name, "tcp");
    ck_assert_int_eq(table_page_encode(&still, &bytes, &size), 0);
    ck_assert_int_eq(hostile_decode(decode_page, bytes, size), 0);
    table_page_clear(&still);
    free(bytes);
}
END_TEST

static int decode_query_with(uint32_t number, uint64_t value)
{
    struct wire wire = wire_new();

    wire_put_number(&wire, number, value);
    int rc = hostile_decode(decode_query, wire.bytes, wire.size);
    wire_free(&wire);
    return rc;
}

START_TEST(query_values_out_of_range_are_refused)
{
    static const struct { uint32_t number; uint64_t most; } CASES[] = {
        { 2, 2 }, { 5, QUERY_MAX_LIMIT }, { 6, QUERY_MAX_DEPTH - 100 }, { 8, 0 }, { 9, 65535 },
        { 10, PACKET_GROUPS }, { 11, PACKET_ACTIONS }, { 12, PACKET_DIRECTIONS },
        { 13, HISTORY_MAX_S },
    };

    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        ck_assert_int_eq(decode_query_with(CASES[i].number, CASES[i].most), 0);
        ck_assert_int_eq(decode_query_with(CASES[i].number, CASES[i].most + 1), -EBADMSG);
        ck_assert_int_eq(decode_query_with(CASES[i].number, UINT32_MAX), -EBADMSG);
    }
}
END_TEST

START_TEST(a_query_says_what_it_left_out)
{
    struct table_query query;

    ck_assert_int_eq(table_query_decode(&query, (const uint8_t *) "", 0), 0);
    ck_assert_uint_eq(query.limit, 100);
    ck_assert_uint_eq(query.seconds, HISTORY_MAX_S);
    ck_assert(!query.has_addr);
    ck_assert_str_eq(query.sort, "");
}
END_TEST

START_TEST(a_query_address_is_16_bytes_and_128_bits)
{
    static const char BYTES[32] = "thirty-two bytes of an address.";
    static const struct { size_t size; uint64_t bits; int rc; } CASES[] = {
        { 16, 128, 0 }, { 16, 0, 0 }, { 16, 129, -EBADMSG }, { 4, 32, -EBADMSG },
        { 15, 0, -EBADMSG }, { 17, 0, -EBADMSG }, { 32, 0, -EBADMSG }, { 0, 0, 0 },
    };

    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct wire wire = wire_new();
        wire_put_bytes(&wire, 7, BYTES, CASES[i].size);
        wire_put_number(&wire, 8, CASES[i].bits);
        ck_assert_msg(hostile_decode(decode_query, wire.bytes, wire.size) == CASES[i].rc,
                      "case %zu", i);
        wire_free(&wire);
    }
}
END_TEST

START_TEST(a_sort_name_is_short_and_printable)
{
    struct wire wire = wire_new();

    wire_put_bytes(&wire, 3, "twenty-three characters", 23);
    ck_assert_int_eq(hostile_decode(decode_query, wire.bytes, wire.size), 0);
    wire.size = 0;
    wire_put_bytes(&wire, 3, "twenty-four characters..", 24);
    ck_assert_int_eq(hostile_decode(decode_query, wire.bytes, wire.size), -EBADMSG);
    wire.size = 0;
    wire_put_bytes(&wire, 3, "by\ttes", 6);
    ck_assert_int_eq(hostile_decode(decode_query, wire.bytes, wire.size), -EBADMSG);
    wire_free(&wire);
}
END_TEST

/* A page whose history has `count` series of these lengths, the last one as given. */
static int decode_history(unsigned count, size_t length, size_t last_packets, size_t last_bytes)
{
    static const uint8_t ONES[HISTORY_MAX_S + 1] = { [0 ... HISTORY_MAX_S] = 1 };
    struct wire history = wire_new(), wire = wire_new();

    for (unsigned i = 0; i < count; i++) {
        struct wire series = wire_new();
        wire_put_bytes(&series, 1, "tcp", 3);
        wire_put_bytes(&series, 2, ONES, i + 1 < count ? length : last_packets);
        wire_put_bytes(&series, 3, ONES, i + 1 < count ? length : last_bytes);
        wire_put_bytes(&history, 2, series.bytes, series.size);
        wire_free(&series);
    }
    wire_put_bytes(&wire, 7, history.bytes, history.size);
    int rc = hostile_decode(decode_page, wire.bytes, wire.size);
    wire_free(&history);
    wire_free(&wire);
    return rc;
}

START_TEST(history_columns_have_one_length)
{
    ck_assert_int_eq(decode_history(0, 0, 0, 0), -EBADMSG);
    ck_assert_int_eq(decode_history(3, 5, 5, 5), 0);
    ck_assert_int_eq(decode_history(3, 5, 4, 5), -EBADMSG);
    ck_assert_int_eq(decode_history(3, 5, 5, 6), -EBADMSG);
    ck_assert_int_eq(decode_history(3, 0, 0, 0), 0);
    ck_assert_int_eq(decode_history(HISTORY_SERIES, 5, 5, 5), 0);
    ck_assert_int_eq(decode_history(HISTORY_SERIES + 1, 5, 5, 5), -EBADMSG);
    ck_assert_int_eq(decode_history(1, 0, HISTORY_MAX_S, HISTORY_MAX_S), 0);
    ck_assert_int_eq(decode_history(1, 0, HISTORY_MAX_S + 1, HISTORY_MAX_S + 1), -EBADMSG);
}
END_TEST

START_TEST(too_many_rows_are_refused)
{
    for (uint32_t number = 5; number <= 6; number++) {
        struct wire_field field;
        struct wire wire = wire_new();
        uint8_t *bytes;
        size_t size;

        srandom(1);
        encode_page(1, 1, 0, 0, &bytes, &size);
        ck_assert(wire_find(bytes, size, number, &field));
        for (int i = 0; i < QUERY_MAX_LIMIT; i++)
            wire_put_raw(&wire, bytes + field.start, field.end - field.start);
        ck_assert_int_eq(hostile_decode(decode_page, wire.bytes, wire.size), 0);
        wire_put_raw(&wire, bytes + field.start, field.end - field.start);
        ck_assert_int_eq(hostile_decode(decode_page, wire.bytes, wire.size), -EBADMSG);
        wire_free(&wire);
        free(bytes);
    }
}
END_TEST

START_TEST(messages_cut_anywhere_are_refused)
{
    uint8_t *bytes;
    size_t size;

    srandom(1);
    encode_query(&bytes, &size);
    hostile_truncate(decode_query, bytes, size);
    hostile_newer(decode_query, bytes, size);
    free(bytes);
    encode_page(2, 2, 2, 5, &bytes, &size);
    hostile_truncate(decode_page, bytes, size);
    hostile_newer(decode_page, bytes, size);
    free(bytes);
}
END_TEST

START_TEST(changed_bytes_do_no_harm)
{
    uint8_t *bytes;
    size_t size;

    srandom((unsigned) _i);
    encode_query(&bytes, &size);
    hostile_flip(decode_query, bytes, size, (unsigned) _i, 500);
    hostile_noise(decode_query, (unsigned) _i, 500);
    free(bytes);
    encode_page((uint32_t) _i, 16 - (uint32_t) _i, (uint32_t) _i % 13, 20, &bytes, &size);
    hostile_flip(decode_page, bytes, size, (unsigned) _i, 500);
    hostile_noise(decode_page, (unsigned) _i, 500);
    free(bytes);
}
END_TEST

START_TEST(memory_is_bounded)
{
    struct wire series = wire_new(), wire = wire_new();

    hostile_unknown(decode_query);
    hostile_unknown(decode_page);
    hostile_amplify(decode_page, 5);
    hostile_amplify(decode_page, 6);
    while (series.size < 1024 * 1024 - 16)
        wire_put_bytes(&series, 2, "", 0);
    wire_put_bytes(&wire, 7, series.bytes, series.size);
    long before_kib = hostile_peak_kib();
    ck_assert_int_eq(decode_page(wire.bytes, wire.size), -EBADMSG);
    ck_assert_int_lt(hostile_peak_kib() - before_kib, 24 * 1024);
    wire_free(&series);
    wire_free(&wire);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("table_query");
    TCase *tcase = tcase_create("codec");

    tcase_add_loop_test(tcase, a_query_comes_back_as_it_went, 0, 64);
    tcase_add_loop_test(tcase, a_page_comes_back_as_it_went, 0, 64);
    tcase_add_test(tcase, the_largest_pages_fit_a_message);
    tcase_add_test(tcase, query_values_out_of_range_are_refused);
    tcase_add_test(tcase, a_query_says_what_it_left_out);
    tcase_add_test(tcase, a_query_address_is_16_bytes_and_128_bits);
    tcase_add_test(tcase, a_sort_name_is_short_and_printable);
    tcase_add_test(tcase, history_columns_have_one_length);
    tcase_add_test(tcase, too_many_rows_are_refused);
    tcase_add_test(tcase, messages_cut_anywhere_are_refused);
    tcase_add_loop_test(tcase, changed_bytes_do_no_harm, 0, 16);
    tcase_add_test(tcase, memory_is_bounded);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
