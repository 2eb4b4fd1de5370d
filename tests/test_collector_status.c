#include "collector_status.h"

#include "hostile.h"
#include "random_values.h"
#include "suite.h"

static int decode(const uint8_t *bytes, size_t size)
{
    struct collector_status status;

    return collector_status_decode(&status, bytes, size);
}

static void encode_random(uint8_t **ret_bytes, size_t *ret_size,
                          struct collector_status *ret_status)
{
    random_status(ret_status);
    ck_assert_int_eq(collector_status_encode(ret_status, ret_bytes, ret_size), 0);
}

/* A small one, so that it can be cut everywhere. */
static void encode_small(uint8_t **ret_bytes, size_t *ret_size)
{
    struct collector_status status;

    srandom(1);
    random_status(&status);
    status.interface_count = 2;
    random_text(status.interfaces[0].name, 16, 1);
    random_text(status.interfaces[1].name, 16, 1);
    status.loss_count = 1;
    random_loss(&status.losses[0]);
    ck_assert_int_eq(collector_status_encode(&status, ret_bytes, ret_size), 0);
}

START_TEST(a_status_comes_back_as_it_went)
{
    struct collector_status status, back;
    uint8_t *bytes;
    size_t size;

    srandom((unsigned) _i);
    encode_random(&bytes, &size, &status);
    ck_assert_int_eq(collector_status_decode(&back, bytes, size), 0);
    ck_assert_mem_eq(&back, &status, sizeof status);
    free(bytes);
}
END_TEST

START_TEST(counters_must_be_32)
{
    static const size_t WRONG[] = { 0, 8, 31 * 8, 32 * 8 + 1, 33 * 8, 64 * 8 };
    uint8_t *bytes;
    size_t size;

    encode_small(&bytes, &size);
    for (uint32_t number = 10; number <= 11; number++) {
        for (size_t i = 0; i < sizeof WRONG / sizeof WRONG[0]; i++) {
            struct wire wire = wire_resized(bytes, size, number, WRONG[i]);
            ck_assert_int_eq(hostile_decode(decode, wire.bytes, wire.size), -EBADMSG);
            wire_free(&wire);
        }
    }
    free(bytes);
}
END_TEST

/* Append the field `number` holding `part`, `count` times. */
static int decode_with(uint32_t number, const struct wire *part, unsigned count)
{
    uint8_t *bytes;
    size_t size;

    encode_small(&bytes, &size);
    struct wire wire = wire_new();
    wire_put_raw(&wire, bytes, size);
    for (unsigned i = 0; i < count; i++)
        wire_put_bytes(&wire, number, part->bytes, part->size);
    int rc = hostile_decode(decode, wire.bytes, wire.size);
    wire_free(&wire);
    free(bytes);
    return rc;
}

START_TEST(too_many_losses_or_interfaces_are_refused)
{
    struct wire named = wire_new();

    wire_put_bytes(&named, 1, "x", 1);
    ck_assert_int_eq(decode_with(24, &named, STATUS_MAX_LOSSES - 1), 0);
    ck_assert_int_eq(decode_with(24, &named, STATUS_MAX_LOSSES), -EBADMSG);
    ck_assert_int_eq(decode_with(30, &named, STATUS_MAX_INTERFACES - 2), 0);
    ck_assert_int_eq(decode_with(30, &named, STATUS_MAX_INTERFACES - 1), -EBADMSG);
    wire_free(&named);
}
END_TEST

static int decode_part_text(uint32_t number, uint32_t inner, const char *text)
{
    struct wire part = wire_new();

    wire_put_bytes(&part, 1, "x", 1);
    wire_put_bytes(&part, inner, text, strlen(text));
    int rc = decode_with(number, &part, 1);
    wire_free(&part);
    return rc;
}

START_TEST(texts_are_bounded_and_printable)
{
    ck_assert_int_eq(decode_part_text(24, 1, "fifteen letters"), 0);
    ck_assert_int_eq(decode_part_text(24, 1, "sixteen letters!"), -EBADMSG);
    ck_assert_int_eq(decode_part_text(24, 1, ""), -EBADMSG);
    ck_assert_int_eq(decode_part_text(24, 1, "a\tb"), -EBADMSG);
    ck_assert_int_eq(decode_part_text(30, 1, "sixteen letters!"), -EBADMSG);
    ck_assert_int_eq(decode_part_text(30, 1, ""), -EBADMSG);
    ck_assert_int_eq(decode_part_text(30, 4, "not permitted"), 0);
    ck_assert_int_eq(decode_part_text(30, 4, "\x1b[2J"), -EBADMSG);
}
END_TEST

START_TEST(a_cost_that_is_no_amount_is_refused)
{
    static const double VALUES[] = { 1.5, -1, 1.0 / 0.0, 0.0 / 0.0 };

    for (size_t i = 0; i < 4; i++) {
        struct wire cost = wire_new();
        wire_put_varint(&cost, 1 << 3 | 1);
        wire_put_raw(&cost, &VALUES[i], 8);
        ck_assert_int_eq(decode_with(34, &cost, 1), i == 0 ? 0 : -EBADMSG);
        wire_free(&cost);
    }
}
END_TEST

START_TEST(what_is_missing_is_refused)
{
    uint8_t *bytes;
    size_t size;

    ck_assert_int_eq(hostile_decode(decode, (const uint8_t *) "", 0), -EBADMSG);
    encode_small(&bytes, &size);
    struct wire nameless = wire_resized(bytes, size, 1, 0);
    ck_assert_int_eq(hostile_decode(decode, nameless.bytes, nameless.size), -EBADMSG);
    struct wire unnumbered = wire_renumbered(bytes, size, 5, 0);
    ck_assert_int_eq(hostile_decode(decode, unnumbered.bytes, unnumbered.size), -EBADMSG);
    struct wire costless = wire_resized(bytes, size, 34, 0);
    ck_assert_int_eq(hostile_decode(decode, costless.bytes, costless.size), 0);
    wire_free(&nameless);
    wire_free(&unnumbered);
    wire_free(&costless);
    free(bytes);
}
END_TEST

START_TEST(a_message_cut_anywhere_is_refused)
{
    uint8_t *bytes;
    size_t size;

    encode_small(&bytes, &size);
    hostile_truncate(decode, bytes, size);
    hostile_newer(decode, bytes, size);
    free(bytes);
}
END_TEST

START_TEST(changed_bytes_do_no_harm)
{
    struct collector_status status;
    uint8_t *bytes;
    size_t size;

    srandom((unsigned) _i);
    encode_random(&bytes, &size, &status);
    hostile_flip(decode, bytes, size, (unsigned) _i, 300);
    hostile_noise(decode, (unsigned) _i, 300);
    free(bytes);
}
END_TEST

START_TEST(memory_is_bounded)
{
    hostile_unknown(decode);
    hostile_amplify(decode, 24);
    hostile_amplify(decode, 30);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("collector_status");
    TCase *tcase = tcase_create("codec");

    tcase_add_loop_test(tcase, a_status_comes_back_as_it_went, 0, 64);
    tcase_add_test(tcase, counters_must_be_32);
    tcase_add_test(tcase, too_many_losses_or_interfaces_are_refused);
    tcase_add_test(tcase, texts_are_bounded_and_printable);
    tcase_add_test(tcase, a_cost_that_is_no_amount_is_refused);
    tcase_add_test(tcase, what_is_missing_is_refused);
    tcase_add_test(tcase, a_message_cut_anywhere_is_refused);
    tcase_add_loop_test(tcase, changed_bytes_do_no_harm, 0, 16);
    tcase_add_test(tcase, memory_is_bounded);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
