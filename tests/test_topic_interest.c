#include "topic_interest.h"

#include "suite.h"

static struct topic_interest interest;

static void setup(void)
{
    interest = (struct topic_interest) { .topic = "snapshot" };
}

static bool take(char what, const char *prefix)
{
    uint8_t bytes[64] = { (uint8_t) what };

    memcpy(bytes + 1, prefix, strlen(prefix));
    return topic_interest_take(&interest, bytes, 1 + strlen(prefix));
}

START_TEST(every_prefix_of_the_topic_asks_for_it)
{
    ck_assert(!topic_interest_exists(&interest));
    ck_assert(take(1, ""));
    ck_assert(take(1, "snap"));
    ck_assert(take(1, "snapshot"));
    ck_assert(!take(0, ""));
    ck_assert(topic_interest_exists(&interest));
    ck_assert(!take(0, "snapshot"));
    ck_assert(!take(0, "snap"));
    ck_assert(!topic_interest_exists(&interest));
}
END_TEST

START_TEST(other_topics_and_foreign_messages_change_nothing)
{
    ck_assert(!take(1, "flows"));
    ck_assert(!take(1, "snapshots"));
    ck_assert(!take(2, "snap"));
    ck_assert(!topic_interest_take(&interest, NULL, 0));
    ck_assert(!topic_interest_exists(&interest));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("topic_interest");
    TCase *tcase = tcase_create("prefixes");

    tcase_add_checked_fixture(tcase, setup, NULL);
    tcase_add_test(tcase, every_prefix_of_the_topic_asks_for_it);
    tcase_add_test(tcase, other_topics_and_foreign_messages_change_nothing);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
