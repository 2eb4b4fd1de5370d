#include "packet_batch.h"

#include "hostile.h"
#include "suite.h"

static const struct batch_header HEADER = {
    .collector_id = "router-1",
    .boot_id = 0x1122334455667788,
    .first_seq = 1000,
    .packets_before = 5000,
    .bytes_before = 700000,
    .wall_offset_ns = -1234567890123,
};

static uint64_t random64(void)
{
    return (uint64_t) random() << 33 ^ (uint64_t) random() << 11 ^ (uint64_t) random();
}

static void fill_random(void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        ((uint8_t *) bytes)[i] = (uint8_t) random();
}

static struct packet_record random_record(void)
{
    struct packet_record record = {
        .first_ns = random64() >> 2,
        .bytes = random64() & UINT32_MAX,
        .packets = (uint32_t) random() + 1,
        .ifindex = (uint32_t) random(),
        .src_port = (uint16_t) random(),
        .dst_port = (uint16_t) random(),
        .vlan = (uint16_t) random() & 4095,
        .protocol = (uint8_t) random(),
        .ip_version = random() & 1 ? 4 : 6,
        .tcp_flags = (uint8_t) random(),
        .direction = random() & 1,
        .action = random() & 3,
    };

    record.last_ns = record.first_ns + (random64() & UINT32_MAX);
    fill_random(record.src_addr, 16);
    fill_random(record.dst_addr, 16);
    return record;
}

/* The plainest record there is: every column that may be left out is zero. */
static struct packet_record plain_record(void)
{
    return (struct packet_record) {
        .first_ns = 5, .last_ns = 5, .packets = 1, .bytes = 60, .protocol = 17, .ip_version = 4,
    };
}

static void encode(const struct packet_record *records, uint32_t count, uint8_t **ret_bytes,
                   size_t *ret_size)
{
    packet_batch_t *batch = packet_batch_new(count);

    ck_assert_ptr_nonnull(batch);
    for (uint32_t i = 0; i < count; i++)
        packet_batch_add(batch, &records[i]);
    ck_assert(packet_batch_is_full(batch));
    ck_assert_int_eq(packet_batch_encode(batch, &HEADER, ret_bytes, ret_size), 0);
    packet_batch_destroy(&batch);
    ck_assert_ptr_null(batch);
}

static void encode_random(uint32_t count, uint8_t **ret_bytes, size_t *ret_size)
{
    struct packet_record records[64];

    ck_assert_uint_le(count, 64);
    for (uint32_t i = 0; i < count; i++)
        records[i] = random_record();
    encode(records, count, ret_bytes, ret_size);
}

static int decode(const uint8_t *bytes, size_t size)
{
    struct packet_view view;
    struct packet_record record;
    int rc = packet_view_open(&view, bytes, size);

    if (rc != 0)
        return rc;
    for (uint32_t i = 0; i < view.size; i++)
        packet_view_record(&view, i, &record);
    packet_view_close(&view);
    packet_view_close(&view);
    return 0;
}

START_TEST(records_come_back_as_they_went)
{
    srandom((unsigned) _i);
    uint32_t count = (uint32_t) random() % (_i < 4 ? PACKET_BATCH_MAX : 64) + 1;
    struct packet_record *records = calloc(count, sizeof *records);
    uint64_t packets = 0, sum_bytes = 0;
    uint8_t *bytes;
    size_t size;

    for (uint32_t i = 0; i < count; i++) {
        records[i] = _i % 8 == 7 ? plain_record() : random_record();
        packets += records[i].packets;
        sum_bytes += records[i].bytes;
    }
    encode(records, count, &bytes, &size);

    struct packet_view view;
    ck_assert_int_eq(packet_view_open(&view, bytes, size), 0);
    ck_assert_mem_eq(&view.header, &HEADER, sizeof HEADER);
    ck_assert_uint_eq(view.size, count);
    ck_assert_uint_eq(view.sum_packets, packets);
    ck_assert_uint_eq(view.sum_bytes, sum_bytes);
    for (uint32_t i = 0; i < count; i++) {
        struct packet_record record;
        packet_view_record(&view, i, &record);
        ck_assert_mem_eq(&record, &records[i], sizeof record);
    }
    packet_view_close(&view);
    free(bytes);
    free(records);
}
END_TEST

START_TEST(columns_of_zeros_are_left_out)
{
    static const uint32_t LEFT_OUT[] = { 11, 14, 17, 18, 20, 21 };
    struct packet_record records[2] = { plain_record(), plain_record() };
    struct wire_field field;
    uint8_t *bytes;
    size_t size;

    encode(records, 2, &bytes, &size);
    for (size_t i = 0; i < sizeof LEFT_OUT / sizeof LEFT_OUT[0]; i++)
        ck_assert(!wire_find(bytes, size, LEFT_OUT[i], &field));
    ck_assert(wire_find(bytes, size, 15, &field));
    free(bytes);

    records[1].vlan = 7;
    encode(records, 2, &bytes, &size);
    ck_assert(wire_find(bytes, size, 18, &field));
    ck_assert_uint_eq(field.end - field.payload, 8);
    free(bytes);
}
END_TEST

START_TEST(a_cleared_batch_remembers_nothing)
{
    packet_batch_t *batch = packet_batch_new(4);
    struct packet_record odd = random_record(), plain = plain_record();
    struct wire_field field;
    uint8_t *bytes;
    size_t size;

    odd.vlan = 1;
    packet_batch_add(batch, &odd);
    packet_batch_clear(batch);
    ck_assert_uint_eq(packet_batch_size(batch), 0);
    ck_assert_uint_eq(packet_batch_packets(batch), 0);
    ck_assert_uint_eq(packet_batch_bytes(batch), 0);
    packet_batch_add(batch, &plain);
    ck_assert_uint_eq(packet_batch_size(batch), 1);
    ck_assert_uint_eq(packet_batch_packets(batch), 1);
    ck_assert_uint_eq(packet_batch_bytes(batch), 60);
    ck_assert(!packet_batch_is_full(batch));
    ck_assert_int_eq(packet_batch_encode(batch, &HEADER, &bytes, &size), 0);
    ck_assert(!wire_find(bytes, size, 18, &field));
    ck_assert(!wire_find(bytes, size, 20, &field));
    free(bytes);
    packet_batch_destroy(&batch);
    packet_batch_destroy(&batch);
}
END_TEST

START_TEST(values_that_are_too_large_saturate)
{
    struct packet_record record = plain_record(), back;
    struct packet_view view;
    uint8_t *bytes;
    size_t size;

    record.bytes = (uint64_t) UINT32_MAX + 5;
    record.last_ns = record.first_ns + (uint64_t) UINT32_MAX + 5;
    encode(&record, 1, &bytes, &size);
    ck_assert_int_eq(packet_view_open(&view, bytes, size), 0);
    packet_view_record(&view, 0, &back);
    ck_assert_uint_eq(back.bytes, UINT32_MAX);
    ck_assert_uint_eq(back.last_ns, back.first_ns + UINT32_MAX);
    ck_assert_uint_eq(view.sum_bytes, UINT32_MAX);
    packet_view_close(&view);
    free(bytes);
}
END_TEST

START_TEST(a_last_time_before_the_first_is_taken_as_the_first)
{
    struct packet_record record = plain_record(), back;
    struct packet_view view;
    uint8_t *bytes;
    size_t size;

    record.last_ns = record.first_ns - 1;
    encode(&record, 1, &bytes, &size);
    ck_assert_int_eq(packet_view_open(&view, bytes, size), 0);
    packet_view_record(&view, 0, &back);
    ck_assert_uint_eq(back.last_ns, back.first_ns);
    packet_view_close(&view);
    free(bytes);
}
END_TEST

static const struct { uint32_t number; size_t width; } COLUMNS[] = {
    { 10, 8 }, { 11, 4 }, { 12, 16 }, { 13, 16 }, { 14, 4 }, { 15, 4 }, { 16, 4 }, { 17, 4 },
    { 18, 4 }, { 19, 1 }, { 20, 1 }, { 21, 1 },
};

enum { COLUMN_COUNT = sizeof COLUMNS / sizeof COLUMNS[0] };

START_TEST(a_column_of_another_length_is_refused)
{
    enum { COUNT = 8 };
    size_t width = COLUMNS[_i].width;
    uint32_t number = COLUMNS[_i].number;
    const size_t wrong[] = {
        1, width - 1, width, COUNT * width - width, COUNT * width - 1, COUNT * width + 1,
        COUNT * width + width, 2 * COUNT * width, 5000 * width,
    };
    uint8_t *bytes;
    size_t size;

    srandom(99);
    encode_random(COUNT, &bytes, &size);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        if (wrong[i] == 0)
            continue;
        struct wire wire = wire_resized(bytes, size, number, wrong[i]);
        ck_assert_msg(hostile_decode(decode, wire.bytes, wire.size) == -EBADMSG,
                      "column %u of %zu bytes was taken", number, wrong[i]);
        wire_free(&wire);
    }
    struct wire right = wire_resized(bytes, size, number, COUNT * width);
    ck_assert_int_eq(hostile_decode(decode, right.bytes, right.size), 0);
    wire_free(&right);
    free(bytes);
}
END_TEST

START_TEST(any_column_but_packets_may_be_left_out)
{
    uint32_t number = COLUMNS[_i].number;
    uint8_t *bytes;
    size_t size;

    srandom(7);
    encode_random(8, &bytes, &size);
    struct wire wire = wire_resized(bytes, size, number, 0);
    ck_assert_int_eq(hostile_decode(decode, wire.bytes, wire.size), number == 15 ? -EBADMSG : 0);
    wire_free(&wire);
    free(bytes);
}
END_TEST

/* Overwrite the last value of a column and decode. */
static int decode_with(uint32_t number, const void *value, size_t width)
{
    struct wire_field field;
    uint8_t *bytes;
    size_t size;

    srandom(5);
    encode_random(8, &bytes, &size);
    ck_assert(wire_find(bytes, size, number, &field));
    memcpy(bytes + field.end - width, value, width);
    int rc = hostile_decode(decode, bytes, size);
    free(bytes);
    return rc;
}

START_TEST(values_out_of_range_are_refused)
{
    const uint32_t none = 0, one = 1, last_vlan = 4095, vlan = 4096;
    const uint64_t latest = UINT64_MAX - UINT32_MAX, too_late = latest + 1;
    const uint8_t kind = 15, odd_kind = 16, high_kind = 0xff;

    ck_assert_int_eq(decode_with(15, &one, 4), 0);
    ck_assert_int_eq(decode_with(15, &none, 4), -EBADMSG);
    ck_assert_int_eq(decode_with(18, &last_vlan, 4), 0);
    ck_assert_int_eq(decode_with(18, &vlan, 4), -EBADMSG);
    ck_assert_int_eq(decode_with(10, &latest, 8), 0);
    ck_assert_int_eq(decode_with(10, &too_late, 8), -EBADMSG);
    ck_assert_int_eq(decode_with(21, &kind, 1), 0);
    ck_assert_int_eq(decode_with(21, &odd_kind, 1), -EBADMSG);
    ck_assert_int_eq(decode_with(21, &high_kind, 1), -EBADMSG);
}
END_TEST

static int decode_renumbered(uint32_t number, uint64_t value)
{
    uint8_t *bytes;
    size_t size;
    struct packet_record record = plain_record();

    encode(&record, 1, &bytes, &size);
    struct wire wire = wire_renumbered(bytes, size, number, value);
    int rc = hostile_decode(decode, wire.bytes, wire.size);
    wire_free(&wire);
    free(bytes);
    return rc;
}

START_TEST(sums_that_would_overflow_are_refused)
{
    ck_assert_int_eq(decode_renumbered(3, 0), -EBADMSG);
    ck_assert_int_eq(decode_renumbered(3, 1), 0);
    ck_assert_int_eq(decode_renumbered(3, UINT64_MAX - 1), 0);
    ck_assert_int_eq(decode_renumbered(3, UINT64_MAX), -EBADMSG);
    ck_assert_int_eq(decode_renumbered(4, UINT64_MAX - 1), 0);
    ck_assert_int_eq(decode_renumbered(4, UINT64_MAX), -EBADMSG);
    ck_assert_int_eq(decode_renumbered(5, UINT64_MAX - 60), 0);
    ck_assert_int_eq(decode_renumbered(5, UINT64_MAX - 59), -EBADMSG);
}
END_TEST

static int decode_named(const char *id)
{
    uint8_t *bytes;
    size_t size;
    struct packet_record record = plain_record();

    encode(&record, 1, &bytes, &size);
    struct wire wire = wire_reworded(bytes, size, 1, id);
    int rc = hostile_decode(decode, wire.bytes, wire.size);
    wire_free(&wire);
    free(bytes);
    return rc;
}

START_TEST(a_collector_id_is_1_to_63_printable_characters)
{
    char id[65];

    memset(id, 'x', sizeof id);
    id[63] = '\0';
    ck_assert_int_eq(decode_named(id), 0);
    id[63] = 'x';
    id[64] = '\0';
    ck_assert_int_eq(decode_named(id), -EBADMSG);
    ck_assert_int_eq(decode_named(""), -EBADMSG);
    ck_assert_int_eq(decode_named("a b~"), 0);
    ck_assert_int_eq(decode_named("a\nb"), -EBADMSG);
    ck_assert_int_eq(decode_named("a\x7f"), -EBADMSG);
    ck_assert_int_eq(decode_named("r\xc3\xb6uter"), -EBADMSG);
}
END_TEST

START_TEST(a_batch_of_no_records_or_too_many_is_refused)
{
    uint8_t *bytes;
    size_t size;

    ck_assert_int_eq(hostile_decode(decode, (const uint8_t *) "", 0), -EBADMSG);
    encode_random(1, &bytes, &size);
    struct wire empty = { .bytes = malloc(size), .size = size };
    memcpy(empty.bytes, bytes, size);
    for (size_t i = 0; i < COLUMN_COUNT; i++) {
        struct wire shrunk = wire_resized(empty.bytes, empty.size, COLUMNS[i].number, 0);
        wire_free(&empty);
        empty = shrunk;
    }
    ck_assert_int_eq(hostile_decode(decode, empty.bytes, empty.size), -EBADMSG);
    wire_free(&empty);
    for (uint32_t count = PACKET_BATCH_MAX; count <= PACKET_BATCH_MAX + 1; count++) {
        struct wire wire = { .bytes = malloc(size), .size = size };
        memcpy(wire.bytes, bytes, size);
        for (size_t i = 0; i < COLUMN_COUNT; i++) {
            struct wire grown = wire_resized(wire.bytes, wire.size, COLUMNS[i].number,
                                             COLUMNS[i].width * count);
            wire_free(&wire);
            wire = grown;
        }
        ck_assert_int_eq(hostile_decode(decode, wire.bytes, wire.size),
                         count == PACKET_BATCH_MAX ? 0 : -EBADMSG);
        wire_free(&wire);
    }
    free(bytes);
}
END_TEST

START_TEST(a_message_cut_anywhere_is_refused)
{
    uint8_t *bytes;
    size_t size;

    srandom(3);
    encode_random(5, &bytes, &size);
    hostile_truncate(decode, bytes, size);
    hostile_newer(decode, bytes, size);
    free(bytes);
}
END_TEST

START_TEST(changed_bytes_do_no_harm)
{
    uint8_t *bytes;
    size_t size;

    srandom((unsigned) _i);
    encode_random((uint32_t) _i % 64 + 1, &bytes, &size);
    hostile_flip(decode, bytes, size, (unsigned) _i, 500);
    hostile_noise(decode, (unsigned) _i, 500);
    free(bytes);
}
END_TEST

START_TEST(memory_is_bounded)
{
    hostile_unknown(decode);
    hostile_amplify(decode, 1);         /* the same string again and again */
    hostile_amplify(decode, 12);
}
END_TEST

START_TEST(a_message_over_a_mebibyte_is_refused_unread)
{
    struct wire wire = wire_new();
    uint8_t *padding = calloc(1, 1024 * 1024);
    uint8_t *bytes;
    size_t size;

    encode_random(4, &bytes, &size);
    wire_put_raw(&wire, bytes, size);
    wire_put_bytes(&wire, 2000, padding, 1024 * 1024 - size - 5);
    free(padding);
    ck_assert_uint_eq(wire.size, 1024 * 1024);
    ck_assert_int_eq(hostile_decode(decode, wire.bytes, wire.size), 0);
    wire_put_number(&wire, 2000, 1);
    ck_assert_int_eq(hostile_decode(decode, wire.bytes, wire.size), -EBADMSG);
    wire_free(&wire);
    free(bytes);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("packet_batch");
    TCase *round_trip = tcase_create("round trip");
    TCase *hostile = tcase_create("hostile");

    tcase_add_loop_test(round_trip, records_come_back_as_they_went, 0, 64);
    tcase_add_test(round_trip, columns_of_zeros_are_left_out);
    tcase_add_test(round_trip, a_cleared_batch_remembers_nothing);
    tcase_add_test(round_trip, values_that_are_too_large_saturate);
    tcase_add_test(round_trip, a_last_time_before_the_first_is_taken_as_the_first);
    suite_add_tcase(suite, round_trip);
    tcase_add_loop_test(hostile, a_column_of_another_length_is_refused, 0, COLUMN_COUNT);
    tcase_add_loop_test(hostile, any_column_but_packets_may_be_left_out, 0, COLUMN_COUNT);
    tcase_add_test(hostile, values_out_of_range_are_refused);
    tcase_add_test(hostile, sums_that_would_overflow_are_refused);
    tcase_add_test(hostile, a_collector_id_is_1_to_63_printable_characters);
    tcase_add_test(hostile, a_batch_of_no_records_or_too_many_is_refused);
    tcase_add_test(hostile, a_message_cut_anywhere_is_refused);
    tcase_add_loop_test(hostile, changed_bytes_do_no_harm, 0, 16);
    tcase_add_test(hostile, memory_is_bounded);
    tcase_add_test(hostile, a_message_over_a_mebibyte_is_refused_unread);
    suite_add_tcase(suite, hostile);
    return suite_run(suite);
}
