/* connection_table: whose turn it is, and who goes when there is no room. */
#include "connection_table.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "suite.h"

#define BEGIN_NS (1000 * NS_PER_S)

enum { PLACES = 6 };

static struct connection places[PLACES];
static struct connection_table table;

static void setup(void)
{
    memset(places, 0, sizeof places);
    table = (struct connection_table) { .capacity = PLACES, .connections = places };
}

static struct connection *take(enum connection_state state, uint32_t addr, uint64_t since_ns)
{
    struct connection *place = connection_table_find_free(&table);

    ck_assert_ptr_nonnull(place);
    *place = (struct connection) { .state = state, .addr = addr, .since_ns = BEGIN_NS + since_ns,
                                   .client.fd = open("/dev/null", O_RDONLY) };
    return place;
}

static void drop_all(void)
{
    for (int i = 0; i < PLACES; i++)
        if (places[i].state != FREE)
            connection_drop(&places[i]);
}

START_TEST(the_address_that_is_served_least_is_next)
{
    struct connection *served = take(SERVED, 1, 10);
    take(READY, 1, 20);
    struct connection *later = take(READY, 2, 40), *earlier = take(READY, 3, 30);

    ck_assert_ptr_eq(connection_table_next(&table), &places[1]);    /* nobody is served: in turn */
    connection_table_count_served(&table, served, 1);
    ck_assert_uint_eq(table.served, 1);
    ck_assert_ptr_eq(connection_table_next(&table), earlier);
    earlier->state = SERVED;
    connection_table_count_served(&table, earlier, 1);
    ck_assert_ptr_eq(connection_table_next(&table), later);
    drop_all();
    ck_assert_ptr_null(connection_table_next(&table));
}
END_TEST

START_TEST(who_was_served_a_moment_ago_lets_others_go_first)
{
    struct connection *served = take(SERVED, 1, 0), *again = take(READY, 1, 1);

    connection_table_count_served(&table, served, 1);
    connection_table_count_served(&table, served, -1);
    struct connection *other = take(READY, 2, CONNECTION_TURN_NS - 1);
    ck_assert_ptr_eq(connection_table_next(&table), other);
    other->since_ns += 2;
    ck_assert_ptr_eq(connection_table_next(&table), again);
    drop_all();
}
END_TEST

START_TEST(who_waits_longest_without_a_request_makes_room)
{
    take(SERVED, 1, 1);
    take(READY, 1, 2);
    struct connection *young = take(WAITING, 1, 9), *old = take(WAITING, 2, 3);
    int fd = old->client.fd;

    ck_assert_ptr_eq(connection_table_evict(&table), old);
    ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
    ck_assert_int_eq(old->state, FREE);
    ck_assert_ptr_eq(connection_table_evict(&table), young);
    drop_all();
}
END_TEST

START_TEST(who_is_served_never_makes_room)
{
    for (int i = 0; i < PLACES; i++)
        take(i == 4 ? READY : SERVED, 1, (uint64_t) i);
    ck_assert_ptr_null(connection_table_find_free(&table));
    /* At random; that 64 tries miss one of six has a chance of 1 in 100,000. */
    ck_assert_ptr_eq(connection_table_evict(&table), &places[4]);
    places[4].state = SERVED;
    ck_assert_ptr_null(connection_table_evict(&table));
    places[4].state = FREE;
    drop_all();
}
END_TEST

START_TEST(connections_are_counted_per_address)
{
    take(WAITING, 1, 1);
    take(SERVED, 1, 2);
    take(READY, 2, 3);
    ck_assert_uint_eq(connection_table_count_of(&table, 1), 2);
    ck_assert_uint_eq(connection_table_count_of(&table, 2), 1);
    drop_all();
    ck_assert_uint_eq(connection_table_count_of(&table, 1), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("connection_table");
    TCase *tcase = tcase_create("connections");

    tcase_add_checked_fixture(tcase, setup, NULL);
    tcase_add_test(tcase, the_address_that_is_served_least_is_next);
    tcase_add_test(tcase, who_was_served_a_moment_ago_lets_others_go_first);
    tcase_add_test(tcase, who_waits_longest_without_a_request_makes_room);
    tcase_add_test(tcase, who_is_served_never_makes_room);
    tcase_add_test(tcase, connections_are_counted_per_address);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
