#include "flow_batch.h"

#include "hostile.h"
#include "random_values.h"
#include "suite.h"

static int decode(const uint8_t *bytes, size_t size)
{
    struct flow_batch batch;
    int rc = flow_batch_decode(&batch, bytes, size);

    if (rc != 0)
        ck_assert_ptr_null(batch.flows);
    flow_batch_clear(&batch);
    flow_batch_clear(&batch);
    return rc;
}

static void random_flows(struct ended_flow *flows, uint32_t count)
{
    memset(flows, 0, count * sizeof *flows);
    for (uint32_t i = 0; i < count; i++) {
        struct ended_flow *flow = &flows[i];
        random_bytes(flow->key.src_addr, 16);
        random_bytes(flow->key.dst_addr, 16);
        flow->key.src_port = (uint16_t) random();
        flow->key.dst_port = (uint16_t) random();
        flow->key.protocol = (uint8_t) random();
        flow->key.direction = random() & 1;
        flow->first_ns = random_u64() / 2;
        flow->last_ns = flow->first_ns + random_u64() / 2;
        flow->packets = random_u64() | 1;
        flow->bytes = random_u64();
        flow->ifindex = random_u32();
        flow->tcp_flags = (uint8_t) random();
        flow->action = random() & 3;
        flow->ip_version = random() & 1 ? 4 : 6;
        flow->reason = (uint8_t) (random() % 5 + 1);
    }
}

static void encode_random(uint32_t count, uint8_t **ret_bytes, size_t *ret_size)
{
    struct ended_flow *flows = calloc(count, sizeof *flows);

    random_flows(flows, count);
    ck_assert_int_eq(flow_batch_encode("router-1", -5, flows, count, ret_bytes, ret_size), 0);
    free(flows);
}

START_TEST(flows_come_back_as_they_went)
{
    srandom((unsigned) _i);
    uint32_t count = _i == 0 ? FLOW_BATCH_MAX : (uint32_t) random() % 100 + 1;
    struct ended_flow *flows = calloc(count, sizeof *flows);
    struct flow_batch batch;
    int64_t offset_ns = (int64_t) random_u64();
    uint8_t *bytes;
    size_t size;

    random_flows(flows, count);
    ck_assert_int_eq(flow_batch_encode("router-1", offset_ns, flows, count, &bytes, &size), 0);
    ck_assert_int_eq(flow_batch_decode(&batch, bytes, size), 0);
    ck_assert_str_eq(batch.collector_id, "router-1");
    ck_assert_int_eq(batch.wall_offset_ns, offset_ns);
    ck_assert_uint_eq(batch.size, count);
    ck_assert_mem_eq(batch.flows, flows, count * sizeof *flows);
    flow_batch_clear(&batch);
    free(flows);
    free(bytes);
}
END_TEST

static const struct { uint32_t number; size_t width; bool may_be_absent; } COLUMNS[] = {
    { 10, 8, true }, { 11, 8, false }, { 12, 16, true }, { 13, 16, true }, { 14, 4, true },
    { 15, 8, false }, { 16, 8, true }, { 17, 4, true }, { 18, 1, true }, { 19, 1, true },
    { 20, 1, true }, { 21, 1, false },  /* without last_ns every flow would end before it began */
};

enum { COLUMN_COUNT = sizeof COLUMNS / sizeof COLUMNS[0] };

START_TEST(a_column_of_another_length_is_refused)
{
    enum { COUNT = 8 };
    uint32_t number = COLUMNS[_i].number;
    size_t width = COLUMNS[_i].width, whole = COUNT * width;
    const size_t wrong[] = { 1, width, whole - width, whole - 1, whole + 1, whole + width,
                             2 * whole };
    uint8_t *bytes;
    size_t size;

    srandom(1);
    encode_random(COUNT, &bytes, &size);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct wire wire = wire_resized(bytes, size, number, wrong[i]);
        ck_assert_msg(hostile_decode(decode, wire.bytes, wire.size) == -EBADMSG,
                      "column %u of %zu bytes was taken", number, wrong[i]);
        wire_free(&wire);
    }
    struct wire absent = wire_resized(bytes, size, number, 0);
    ck_assert_int_eq(hostile_decode(decode, absent.bytes, absent.size),
                     COLUMNS[_i].may_be_absent ? 0 : -EBADMSG);
    wire_free(&absent);
    free(bytes);
}
END_TEST

static int decode_with(uint32_t number, uint64_t value, size_t width)
{
    struct wire_field field;
    uint8_t *bytes;
    size_t size;

    srandom(2);
    encode_random(4, &bytes, &size);
    ck_assert(wire_find(bytes, size, number, &field));
    memcpy(bytes + field.end - width, &value, width);
    int rc = hostile_decode(decode, bytes, size);
    free(bytes);
    return rc;
}

START_TEST(values_out_of_range_are_refused)
{
    ck_assert_int_eq(decode_with(15, 1, 8), 0);
    ck_assert_int_eq(decode_with(15, 0, 8), -EBADMSG);
    ck_assert_int_eq(decode_with(20, 15, 1), 0);
    ck_assert_int_eq(decode_with(20, 16, 1), -EBADMSG);
    ck_assert_int_eq(decode_with(21, 0, 1), -EBADMSG);
    ck_assert_int_eq(decode_with(21, 5, 1), 0);
    ck_assert_int_eq(decode_with(21, 6, 1), -EBADMSG);
    ck_assert_int_eq(decode_with(10, UINT64_MAX, 8), -EBADMSG);
    ck_assert_int_eq(decode_with(11, UINT64_MAX, 8), 0);
}
END_TEST

START_TEST(a_batch_of_no_flows_or_too_many_is_refused)
{
    uint8_t *bytes;
    size_t size;

    ck_assert_int_eq(hostile_decode(decode, (const uint8_t *) "", 0), -EBADMSG);
    encode_random(1, &bytes, &size);
    struct wire wire = { .bytes = bytes, .size = size };
    for (size_t i = 0; i < COLUMN_COUNT; i++) {
        struct wire grown = wire_resized(wire.bytes, wire.size, COLUMNS[i].number,
                                         COLUMNS[i].width * (FLOW_BATCH_MAX + 1));
        wire_free(&wire);
        wire = grown;
    }
    ck_assert_int_eq(hostile_decode(decode, wire.bytes, wire.size), -EBADMSG);
    wire_free(&wire);
}
END_TEST

START_TEST(a_batch_without_a_collector_is_refused)
{
    uint8_t *bytes;
    size_t size;

    encode_random(1, &bytes, &size);
    struct wire wire = wire_reworded(bytes, size, 1, "");
    ck_assert_int_eq(hostile_decode(decode, wire.bytes, wire.size), -EBADMSG);
    wire_free(&wire);
    wire = wire_reworded(bytes, size, 1, "a\x01");
    ck_assert_int_eq(hostile_decode(decode, wire.bytes, wire.size), -EBADMSG);
    wire_free(&wire);
    free(bytes);
}
END_TEST

START_TEST(a_message_cut_anywhere_is_refused)
{
    uint8_t *bytes;
    size_t size;

    srandom(3);
    encode_random(3, &bytes, &size);
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
    encode_random((uint32_t) _i + 1, &bytes, &size);
    hostile_flip(decode, bytes, size, (unsigned) _i, 500);
    hostile_noise(decode, (unsigned) _i, 500);
    free(bytes);
}
END_TEST

START_TEST(memory_is_bounded)
{
    hostile_unknown(decode);
    hostile_amplify(decode, 12);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("flow_batch");
    TCase *tcase = tcase_create("codec");

    tcase_add_loop_test(tcase, flows_come_back_as_they_went, 0, 32);
    tcase_add_loop_test(tcase, a_column_of_another_length_is_refused, 0, COLUMN_COUNT);
    tcase_add_test(tcase, values_out_of_range_are_refused);
    tcase_add_test(tcase, a_batch_of_no_flows_or_too_many_is_refused);
    tcase_add_test(tcase, a_batch_without_a_collector_is_refused);
    tcase_add_test(tcase, a_message_cut_anywhere_is_refused);
    tcase_add_loop_test(tcase, changed_bytes_do_no_harm, 0, 16);
    tcase_add_test(tcase, memory_is_bounded);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
