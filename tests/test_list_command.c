#include "list_command.h"

#include "hostile.h"
#include "random_values.h"
#include "suite.h"

static int decode_request(const uint8_t *bytes, size_t size)
{
    struct list_request request;

    return list_request_decode(&request, bytes, size);
}

static int decode_reply(const uint8_t *bytes, size_t size)
{
    struct list_reply reply = { 0 };
    int rc = list_reply_decode(&reply, bytes, size);

    if (rc != 0)
        ck_assert_ptr_null(reply.entries);
    list_reply_clear(&reply);
    list_reply_clear(&reply);
    return rc;
}

static struct list_request random_request(void)
{
    struct list_request request = {
        .request_id = random_u64(),
        .op = (enum list_op) (random() % (LIST_OP_FLUSH + 1)),
        .list = (enum list_name) (random() % 2),
        .ttl_s = random_u64(),
        .limit = (uint32_t) random() % LIST_PAGE_MAX + 1,
        .expected_version = random_u64(),
        .force = random() & 1,
        .confirm_s = random_u32(),
        .change_id = random_u64(),
    };

    for (size_t i = 0; i < sizeof request.client.bytes; i++)
        request.client.bytes[i] = (uint8_t) random();
    random_text(request.prefix, sizeof request.prefix, 0);
    random_text(request.reason, sizeof request.reason, 0);
    random_text(request.after, sizeof request.after, 0);
    random_text(request.collector_id, sizeof request.collector_id, 0);
    return request;
}

/* The caller clears it. */
static struct list_reply random_reply(uint32_t entries)
{
    struct list_reply reply = {
        .request_id = random_u64(),
        .code = (enum list_code) (random() % (LIST_LOCK_OUT + 1)),
        .list_version = random_u64(),
        .entry_count = entries,
        .entries = entries > 0 ? calloc(entries, sizeof *reply.entries) : NULL,
        .more = random() & 1,
        .total = random_u32(),
        .changed = random() & 1,
        .unconfirmed_until_unix_ns = random_u64(),
    };

    random_text(reply.error, sizeof reply.error, 0);
    random_text(reply.prefix, sizeof reply.prefix, 0);
    random_text(reply.collector_id, sizeof reply.collector_id, 0);
    for (uint32_t i = 0; i < entries; i++) {
        struct list_entry_row *row = &reply.entries[i];
        random_text(row->prefix, sizeof row->prefix, 1);
        random_text(row->reason, sizeof row->reason, 0);
        row->expires_unix_ns = random_u64();
        row->added_unix_ns = random_u64();
        row->hit_packets = random_u64();
        row->hit_bytes = random_u64();
        row->last_hit_unix_ns = random_u64();
        row->unconfirmed_until_unix_ns = random_u64();
        row->change_id = random_u64();
        row->list = (enum list_name) (random() % 2);
        row->removed = random() & 1;
    }
    return reply;
}

static void encode_reply(uint32_t entries, uint8_t **ret_bytes, size_t *ret_size)
{
    struct list_reply reply = random_reply(entries);

    ck_assert_int_eq(list_reply_encode(&reply, ret_bytes, ret_size), 0);
    list_reply_clear(&reply);
}

static void encode_request(uint8_t **ret_bytes, size_t *ret_size)
{
    struct list_request request = random_request();

    ck_assert_int_eq(list_request_encode(&request, ret_bytes, ret_size), 0);
}

START_TEST(a_request_comes_back_as_it_went)
{
    srandom((unsigned) _i);
    struct list_request request = random_request(), back;
    uint8_t *bytes;
    size_t size;

    memset(&back, 0, sizeof back);
    ck_assert_int_eq(list_request_encode(&request, &bytes, &size), 0);
    ck_assert_int_eq(list_request_decode(&back, bytes, size), 0);
    ck_assert_mem_eq(&back, &request, sizeof back);
    free(bytes);
}
END_TEST

START_TEST(a_reply_comes_back_as_it_went)
{
    srandom((unsigned) _i);
    uint32_t count = _i < 2 ? LIST_PAGE_MAX : (uint32_t) _i % 9;
    struct list_reply reply = random_reply(count), back;
    uint8_t *bytes;
    size_t size;

    ck_assert_int_eq(list_reply_encode(&reply, &bytes, &size), 0);
    ck_assert_int_eq(list_reply_decode(&back, bytes, size), 0);
    ck_assert_uint_eq(back.request_id, reply.request_id);
    ck_assert_int_eq(back.code, reply.code);
    ck_assert_str_eq(back.error, reply.error);
    ck_assert_uint_eq(back.list_version, reply.list_version);
    ck_assert_str_eq(back.prefix, reply.prefix);
    ck_assert_int_eq(back.more, reply.more);
    ck_assert_uint_eq(back.total, reply.total);
    ck_assert_int_eq(back.changed, reply.changed);
    ck_assert_str_eq(back.collector_id, reply.collector_id);
    ck_assert_uint_eq(back.entry_count, count);
    if (count > 0)
        ck_assert_mem_eq(back.entries, reply.entries, count * sizeof *back.entries);
    list_reply_clear(&back);
    list_reply_clear(&reply);
    free(bytes);
}
END_TEST

/* A request or reply of nothing but one number or text. */
static int decode_number(hostile_decode_fn *decode, uint32_t number, uint64_t value)
{
    struct wire wire = wire_new();

    wire_put_number(&wire, number, value);
    int rc = hostile_decode(decode, wire.bytes, wire.size);
    wire_free(&wire);
    return rc;
}

static int decode_text(hostile_decode_fn *decode, uint32_t number, const char *text, size_t length)
{
    struct wire wire = wire_new();
    char *filled = malloc(length + 1);

    for (size_t i = 0; i < length; i++)
        filled[i] = text[i % strlen(text)];
    wire_put_bytes(&wire, number, filled, length);
    int rc = hostile_decode(decode, wire.bytes, wire.size);
    free(filled);
    wire_free(&wire);
    return rc;
}

START_TEST(an_absent_limit_is_a_full_page)
{
    struct list_request request;

    ck_assert_int_eq(list_request_decode(&request, (const uint8_t *) "", 0), 0);
    ck_assert_uint_eq(request.limit, LIST_PAGE_MAX);
    ck_assert_int_eq(request.op, LIST_OP_LIST);
    ck_assert_str_eq(request.prefix, "");
}
END_TEST

START_TEST(request_values_out_of_range_are_refused)
{
    ck_assert_int_eq(decode_number(decode_request, 2, LIST_OP_FLUSH), 0);
    ck_assert_int_eq(decode_number(decode_request, 2, LIST_OP_FLUSH + 1), -EBADMSG);
    ck_assert_int_eq(decode_number(decode_request, 2, UINT64_MAX), -EBADMSG);
    ck_assert_int_eq(decode_number(decode_request, 3, 1), 0);
    ck_assert_int_eq(decode_number(decode_request, 3, 2), -EBADMSG);
    ck_assert_int_eq(decode_number(decode_request, 8, LIST_PAGE_MAX), 0);
    ck_assert_int_eq(decode_number(decode_request, 8, LIST_PAGE_MAX + 1), -EBADMSG);
}
END_TEST

START_TEST(request_texts_are_bounded)
{
    ck_assert_int_eq(decode_text(decode_request, 4, "x", 79), 0);
    ck_assert_int_eq(decode_text(decode_request, 4, "x", 80), -EBADMSG);
    ck_assert_int_eq(decode_text(decode_request, 6, "x", 200), 0);
    ck_assert_int_eq(decode_text(decode_request, 6, "x", 201), -EBADMSG);
    ck_assert_int_eq(decode_text(decode_request, 6, "\xc3\xa4", 200), 0);
    ck_assert_int_eq(decode_text(decode_request, 6, "\xc3\xa4", 199), -EBADMSG);
    ck_assert_int_eq(decode_text(decode_request, 6, "a\nb", 3), -EBADMSG);
    ck_assert_int_eq(decode_text(decode_request, 7, "x", 49), 0);
    ck_assert_int_eq(decode_text(decode_request, 7, "x", 50), -EBADMSG);
}
END_TEST

START_TEST(reply_values_out_of_range_are_refused)
{
    ck_assert_int_eq(decode_number(decode_reply, 2, LIST_NOT_ENFORCED), 0);
    ck_assert_int_eq(decode_number(decode_reply, 2, LIST_LOCK_OUT + 1), -EBADMSG);
    ck_assert_int_eq(decode_text(decode_reply, 3, "x", 255), 0);
    ck_assert_int_eq(decode_text(decode_reply, 3, "x", LIST_ERROR_SIZE), -EBADMSG);
    ck_assert_int_eq(decode_text(decode_reply, 5, "x", 50), -EBADMSG);
}
END_TEST

static int decode_entry(const char *prefix, const char *reason)
{
    struct wire entry = wire_new(), wire = wire_new();

    wire_put_bytes(&entry, 1, prefix, strlen(prefix));
    wire_put_bytes(&entry, 3, reason, strlen(reason));
    wire_put_bytes(&wire, 6, entry.bytes, entry.size);
    int rc = hostile_decode(decode_reply, wire.bytes, wire.size);
    wire_free(&entry);
    wire_free(&wire);
    return rc;
}

START_TEST(entries_are_checked)
{
    ck_assert_int_eq(decode_entry("192.0.2.1", "port scan"), 0);
    ck_assert_int_eq(decode_entry("", "port scan"), -EBADMSG);
    ck_assert_int_eq(decode_entry("192.0.2.\x01", "port scan"), -EBADMSG);
    ck_assert_int_eq(decode_entry("192.0.2.1", "a\rb"), -EBADMSG);
}
END_TEST

START_TEST(more_entries_than_a_page_are_refused)
{
    struct wire entry = wire_new(), wire = wire_new();

    wire_put_bytes(&entry, 1, "1.2.3.4", 7);     /* of many entries none is shorter */
    for (int i = 0; i < LIST_PAGE_MAX; i++)
        wire_put_bytes(&wire, 6, entry.bytes, entry.size);
    ck_assert_int_eq(hostile_decode(decode_reply, wire.bytes, wire.size), 0);
    wire_put_bytes(&wire, 6, entry.bytes, entry.size);
    ck_assert_int_eq(hostile_decode(decode_reply, wire.bytes, wire.size), -EBADMSG);
    wire_free(&entry);
    wire_free(&wire);
}
END_TEST

START_TEST(messages_cut_anywhere_are_refused)
{
    uint8_t *bytes;
    size_t size;

    srandom(1);
    encode_request(&bytes, &size);
    hostile_truncate(decode_request, bytes, size);
    hostile_newer(decode_request, bytes, size);
    free(bytes);
    encode_reply(3, &bytes, &size);
    hostile_truncate(decode_reply, bytes, size);
    hostile_newer(decode_reply, bytes, size);
    free(bytes);
}
END_TEST

START_TEST(changed_bytes_do_no_harm)
{
    uint8_t *bytes;
    size_t size;

    srandom((unsigned) _i);
    encode_request(&bytes, &size);
    hostile_flip(decode_request, bytes, size, (unsigned) _i, 500);
    hostile_noise(decode_request, (unsigned) _i, 500);
    free(bytes);
    encode_reply((uint32_t) _i, &bytes, &size);
    hostile_flip(decode_reply, bytes, size, (unsigned) _i, 500);
    hostile_noise(decode_reply, (unsigned) _i, 500);
    free(bytes);
}
END_TEST

START_TEST(memory_is_bounded)
{
    hostile_amplify(decode_reply, 6);
    hostile_unknown(decode_reply);
    hostile_unknown(decode_request);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("list_command");
    TCase *tcase = tcase_create("codec");

    tcase_add_loop_test(tcase, a_request_comes_back_as_it_went, 0, 64);
    tcase_add_loop_test(tcase, a_reply_comes_back_as_it_went, 0, 64);
    tcase_add_test(tcase, an_absent_limit_is_a_full_page);
    tcase_add_test(tcase, request_values_out_of_range_are_refused);
    tcase_add_test(tcase, request_texts_are_bounded);
    tcase_add_test(tcase, reply_values_out_of_range_are_refused);
    tcase_add_test(tcase, entries_are_checked);
    tcase_add_test(tcase, more_entries_than_a_page_are_refused);
    tcase_add_test(tcase, messages_cut_anywhere_are_refused);
    tcase_add_loop_test(tcase, changed_bytes_do_no_harm, 0, 16);
    tcase_add_test(tcase, memory_is_bounded);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
