#include "snapshot.h"

#include "hostile.h"
#include "random_rows.h"
#include "suite.h"

static int decode(const uint8_t *bytes, size_t size)
{
    static struct snapshot snapshot;
    int rc = snapshot_decode(&snapshot, bytes, size);

    if (rc != 0)
        ck_assert_ptr_null(snapshot.collectors);
    snapshot_clear(&snapshot);
    return rc;
}

static void random_collector(struct collector_state *state)
{
    random_status(&state->status);
    state->away = random() & 1;
    state->age_s = random_amount();
    state->accounted_packets = random_u64();
    state->accounted_bytes = random_u64();
    state->base_packets = random_u64();
    state->base_bytes = random_u64();
    state->loss_count = (uint32_t) random() % (STATUS_MAX_LOSSES + 1);
    for (uint32_t i = 0; i < state->loss_count; i++)
        random_loss(&state->losses[i]);
    state->difference_packets = (int64_t) random_u64() - (int64_t) random_u64();
    state->in_flight_packets = random_u64();
    state->packets_per_second = random_amount();
    state->bytes_per_second = random_amount();
    state->packets_per_second_now = random_amount();
    state->bytes_per_second_now = random_amount();
    state->active_ips = random_u32();
    state->active_flows = random_u32();
    state->idle_s = random_amount();
    state->restarts = random_u32();
    state->returns = random_u32();
    state->restarted_s = random_amount();
    state->returned_s = random_amount();
    state->has_rival = random() & 1;
    state->clock_error_ns = (int64_t) random_u64();
}

static void random_top(struct top_rows *top, uint32_t most)
{
    top->size = (uint32_t) random() % (most + 1);
    for (uint32_t i = 0; i < top->size; i++)
        random_address(&top->rows[i]);
}

/* `collectors` becomes the snapshot's own. */
static struct snapshot *random_snapshot(uint32_t collectors, uint32_t rows)
{
    static struct snapshot snapshot;

    memset(&snapshot, 0, sizeof snapshot);
    random_text(snapshot.version, sizeof snapshot.version, 0);
    snapshot.boot_id = random_u64();
    snapshot.seq = random_u64();
    snapshot.unix_ns = random_u64();
    snapshot.packets_per_second = random_amount();
    snapshot.bytes_per_second = random_amount();
    snapshot.packets_per_second_now = random_amount();
    snapshot.bytes_per_second_now = random_amount();
    snapshot.active_ips = random_u32();
    snapshot.active_flows = random_u32();
    snapshot.collector_count = collectors;
    snapshot.collectors = calloc(collectors + 1, sizeof *snapshot.collectors);
    for (uint32_t i = 0; i < collectors; i++)
        random_collector(&snapshot.collectors[i]);
    random_top(&snapshot.top_packets, rows);
    random_top(&snapshot.top_bytes, rows);
    random_top(&snapshot.top_ports, rows);
    random_top(&snapshot.top_syn, rows);
    random_top(&snapshot.top_ack, rows);
    snapshot.top_flow_count = (uint32_t) random() % (rows + 1);
    for (uint32_t i = 0; i < snapshot.top_flow_count; i++)
        random_flow(&snapshot.top_flows[i]);
    snapshot.table_count = (uint32_t) random() % (SNAPSHOT_MAX_TABLES + 1);
    for (uint32_t i = 0; i < snapshot.table_count; i++) {
        random_text(snapshot.tables[i].name, sizeof snapshot.tables[i].name, 1);
        snapshot.tables[i].size = random_u32();
        snapshot.tables[i].capacity = random_u32();
        snapshot.tables[i].evicted = random_u64();
        snapshot.tables[i].refused = random_u64();
    }
    random_cost(&snapshot.cost);
    snapshot.bad_messages = random_u64();
    snapshot.unheard_count = collectors;
    snapshot.unheard = calloc(collectors + 1, sizeof *snapshot.unheard);
    for (uint32_t i = 0; i < collectors; i++) {
        random_text(snapshot.unheard[i].endpoint, sizeof snapshot.unheard[i].endpoint, 0);
        random_text(snapshot.unheard[i].problem, sizeof snapshot.unheard[i].problem, 0);
    }
    return &snapshot;
}

static void encode_random(uint32_t collectors, uint32_t rows, uint8_t **ret_bytes, size_t *ret_size)
{
    struct snapshot *snapshot = random_snapshot(collectors, rows);

    ck_assert_int_eq(snapshot_encode(snapshot, ret_bytes, ret_size), 0);
    snapshot_clear(snapshot);
}

START_TEST(a_snapshot_comes_back_as_it_went)
{
    static struct snapshot back;
    uint8_t *bytes;
    size_t size;

    srandom((unsigned) _i);
    struct snapshot *snapshot = random_snapshot((uint32_t) _i % 4, SNAPSHOT_TOP);
    ck_assert_int_eq(snapshot_encode(snapshot, &bytes, &size), 0);
    ck_assert_int_eq(snapshot_decode(&back, bytes, size), 0);
    ck_assert_uint_eq(back.collector_count, snapshot->collector_count);
    if (back.collector_count > 0)
        ck_assert_mem_eq(back.collectors, snapshot->collectors,
                         back.collector_count * sizeof *back.collectors);
    ck_assert_uint_eq(back.unheard_count, snapshot->unheard_count);
    if (back.unheard_count > 0)
        ck_assert_mem_eq(back.unheard, snapshot->unheard,
                         back.unheard_count * sizeof *back.unheard);
    free(snapshot->collectors);
    free(snapshot->unheard);
    snapshot->collectors = back.collectors;
    snapshot->unheard = back.unheard;
    ck_assert_mem_eq(&back, snapshot, sizeof back);
    snapshot_clear(&back);
    snapshot_clear(&back);
    free(bytes);
}
END_TEST

START_TEST(a_full_snapshot_fits_a_message)
{
    uint8_t *bytes;
    size_t size;

    srandom(1);
    struct snapshot *snapshot = random_snapshot(SNAPSHOT_MAX_COLLECTORS, SNAPSHOT_TOP);
    for (uint32_t i = 0; i < SNAPSHOT_MAX_COLLECTORS; i++)
        snapshot->collectors[i].status.interface_count = 4;
    for (uint32_t i = 0; i < SNAPSHOT_MAX_COLLECTORS; i++)
        for (uint32_t n = 0; n < 4; n++)
            random_text(snapshot->collectors[i].status.interfaces[n].name, 16, 1);
    ck_assert_int_eq(snapshot_encode(snapshot, &bytes, &size), 0);
    ck_assert_uint_lt(size, 1024 * 1024);
    ck_assert_int_eq(hostile_decode(decode, bytes, size), 0);
    snapshot_clear(snapshot);
    free(bytes);
}
END_TEST

/* Append the first field `number` of a random snapshot again until there are `count` more. */
static int decode_with_more(uint32_t number, unsigned count)
{
    struct wire_field field;
    struct wire wire = wire_new();
    uint8_t *bytes;
    size_t size;

    srandom(2);
    do {
        encode_random(1, 1, &bytes, &size);
        if (wire_find(bytes, size, number, &field))
            break;
        free(bytes);
    } while (true);
    for (size_t at = 0; wire_next(bytes, size, at, &field); at = field.end)
        if (field.number != number)
            wire_put_raw(&wire, bytes + at, field.end - at);
    wire_find(bytes, size, number, &field);
    for (unsigned i = 0; i < count; i++)
        wire_put_raw(&wire, bytes + field.start, field.end - field.start);
    int rc = hostile_decode(decode, wire.bytes, wire.size);
    wire_free(&wire);
    free(bytes);
    return rc;
}

START_TEST(too_many_items_are_refused)
{
    for (uint32_t number = 12; number <= 17; number++) {
        ck_assert_int_eq(decode_with_more(number, SNAPSHOT_TOP), 0);
        ck_assert_int_eq(decode_with_more(number, SNAPSHOT_TOP + 1), -EBADMSG);
    }
    ck_assert_int_eq(decode_with_more(18, SNAPSHOT_MAX_TABLES), 0);
    ck_assert_int_eq(decode_with_more(18, SNAPSHOT_MAX_TABLES + 1), -EBADMSG);
}
END_TEST

START_TEST(too_many_collectors_are_refused)
{
    struct collector_status status;
    struct wire state = wire_new(), wire = wire_new();
    uint8_t *bytes;
    size_t size;

    srandom(3);
    random_status(&status);
    status.interface_count = 0;
    ck_assert_int_eq(collector_status_encode(&status, &bytes, &size), 0);
    wire_put_bytes(&state, 1, bytes, size);
    for (unsigned i = 0; i < SNAPSHOT_MAX_COLLECTORS; i++)
        wire_put_bytes(&wire, 11, state.bytes, state.size);
    ck_assert_int_eq(hostile_decode(decode, wire.bytes, wire.size), 0);
    wire_put_bytes(&wire, 11, state.bytes, state.size);
    ck_assert_int_eq(hostile_decode(decode, wire.bytes, wire.size), -EBADMSG);
    wire_free(&state);
    wire_free(&wire);
    free(bytes);
}
END_TEST

START_TEST(a_collector_without_status_is_refused)
{
    struct wire wire = wire_new();

    wire_put_bytes(&wire, 11, "", 0);
    ck_assert_int_eq(hostile_decode(decode, wire.bytes, wire.size), -EBADMSG);
    wire_free(&wire);
}
END_TEST

/* A snapshot of nothing but field `number`, which holds `part`. */
static int decode_part(uint32_t number, const struct wire *part)
{
    struct wire wire = wire_new();

    wire_put_bytes(&wire, number, part->bytes, part->size);
    int rc = hostile_decode(decode, wire.bytes, wire.size);
    wire_free(&wire);
    return rc;
}

static struct wire flow_part(uint32_t number, uint64_t value)
{
    struct wire part = wire_new();

    wire_put_bytes(&part, 1, "sixteen bytes...", 16);
    wire_put_bytes(&part, 2, "sixteen bytes...", 16);
    wire_put_number(&part, 8, 6);
    if (number > 0)
        wire_put_number(&part, number, value);
    return part;
}

START_TEST(flow_values_out_of_range_are_refused)
{
    static const struct { uint32_t number; uint64_t value; int rc; } CASES[] = {
        { 0, 0, 0 },
        { 3, 65535, 0 }, { 3, 65536, -EBADMSG }, { 4, 65535, 0 }, { 4, 65536, -EBADMSG },
        { 5, 255, 0 }, { 5, 256, -EBADMSG }, { 6, 1, 0 }, { 6, 2, -EBADMSG },
        { 7, 3, 0 }, { 7, 4, -EBADMSG }, { 8, 4, 0 }, { 8, 5, -EBADMSG }, { 8, 0, -EBADMSG },
        { 9, 255, 0 }, { 9, 256, -EBADMSG },
    };

    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct wire part = flow_part(CASES[i].number, CASES[i].value);
        ck_assert_msg(decode_part(17, &part) == CASES[i].rc, "case %zu", i);
        wire_free(&part);
    }
}
END_TEST

START_TEST(addresses_must_be_16_bytes)
{
    static const size_t WRONG[] = { 0, 4, 15, 17, 32 };
    static const char BYTES[32] = "thirty-two bytes of an address.";

    for (size_t i = 0; i < sizeof WRONG / sizeof WRONG[0]; i++) {
        struct wire row = wire_new(), flow = flow_part(0, 0);
        wire_put_bytes(&row, 1, BYTES, WRONG[i]);
        ck_assert_int_eq(decode_part(12, &row), -EBADMSG);
        wire_put_bytes(&flow, 2, BYTES, WRONG[i]);
        ck_assert_int_eq(decode_part(17, &flow), -EBADMSG);
        wire_free(&row);
        wire_free(&flow);
    }
}
END_TEST

START_TEST(columns_of_seconds_are_60_or_none)
{
    static const uint8_t ONES[64] = { [0 ... 63] = 1 };
    static const struct { size_t packets, bytes; int rc; } CASES[] = {
        { 0, 0, 0 }, { 60, 60, 0 }, { 60, 0, -EBADMSG }, { 0, 60, -EBADMSG },
        { 59, 59, -EBADMSG }, { 61, 61, -EBADMSG }, { 60, 59, -EBADMSG },
    };

    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct wire row = wire_new();
        wire_put_bytes(&row, 1, "sixteen bytes...", 16);
        wire_put_bytes(&row, 10, ONES, CASES[i].packets);
        wire_put_bytes(&row, 11, ONES, CASES[i].bytes);
        ck_assert_msg(decode_part(12, &row) == CASES[i].rc, "case %zu", i);
        wire_free(&row);
    }
}
END_TEST

START_TEST(rates_that_are_no_amounts_are_refused)
{
    static const double WRONG[] = { -1, 1.0 / 0.0, 0.0 / 0.0 };

    for (uint32_t number = 5; number <= 8; number++) {
        for (size_t i = 0; i < 3; i++) {
            struct wire wire = wire_new();
            wire_put_varint(&wire, number << 3 | 1);
            wire_put_raw(&wire, &WRONG[i], 8);
            ck_assert_int_eq(hostile_decode(decode, wire.bytes, wire.size), -EBADMSG);
            wire_free(&wire);
        }
    }
    ck_assert_int_eq(hostile_decode(decode, (const uint8_t *) "", 0), 0);
}
END_TEST

START_TEST(a_message_cut_anywhere_is_refused)
{
    uint8_t *bytes;
    size_t size;

    srandom(4);
    encode_random(1, 1, &bytes, &size);
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
    encode_random((uint32_t) _i % 3, SNAPSHOT_TOP, &bytes, &size);
    hostile_flip(decode, bytes, size, (unsigned) _i, 200);
    hostile_noise(decode, (unsigned) _i, 200);
    free(bytes);
}
END_TEST

START_TEST(memory_is_bounded)
{
    hostile_unknown(decode);
    for (uint32_t number = 11; number <= 18; number++)
        hostile_amplify(decode, number);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("snapshot");
    TCase *tcase = tcase_create("codec");

    tcase_add_loop_test(tcase, a_snapshot_comes_back_as_it_went, 0, 32);
    tcase_add_test(tcase, a_full_snapshot_fits_a_message);
    tcase_add_test(tcase, too_many_items_are_refused);
    tcase_add_test(tcase, too_many_collectors_are_refused);
    tcase_add_test(tcase, a_collector_without_status_is_refused);
    tcase_add_test(tcase, flow_values_out_of_range_are_refused);
    tcase_add_test(tcase, addresses_must_be_16_bytes);
    tcase_add_test(tcase, columns_of_seconds_are_60_or_none);
    tcase_add_test(tcase, rates_that_are_no_amounts_are_refused);
    tcase_add_test(tcase, a_message_cut_anywhere_is_refused);
    tcase_add_loop_test(tcase, changed_bytes_do_no_harm, 0, 16);
    tcase_add_test(tcase, memory_is_bounded);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
