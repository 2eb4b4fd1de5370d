#include "ip_list.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "suite.h"

#define HOSTS 400
#define PREFIXES 200

static ip_list_t *lists;

static void setup(void)
{
    lists = ip_list_new(HOSTS, PREFIXES);
    ck_assert_ptr_nonnull(lists);
}

static void teardown(void)
{
    ip_list_destroy(&lists);
    ck_assert_ptr_null(lists);
}

static struct ip_prefix prefix_of(const char *text)
{
    struct ip_prefix prefix;
    char why[160];

    ck_assert_msg(ip_prefix_parse(text, &prefix, why, sizeof why) == 0, "%s", why);
    return prefix;
}

static int put(enum ntc_list list, const char *text, uint64_t expires_ns)
{
    struct ip_list_entry entry = { .prefix = prefix_of(text), .expires_ns = expires_ns,
                                   .reason = "" };

    return ip_list_put(lists, list, &entry);
}

static int take(enum ntc_list list, const char *text)
{
    struct ip_prefix prefix = prefix_of(text);

    return ip_list_remove(lists, list, &prefix);
}

/* The changes of the last call as text: "+198.51.100.0/24@5 -192.0.2.1". */
static const char *changes(void)
{
    static char text[4096];
    char prefix[IP_PREFIX_TEXT_SIZE];
    size_t count, length = 0;
    const struct ip_list_change *change = ip_list_changes(lists, &count);

    text[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        ip_prefix_format(&change[i].item.prefix, prefix);
        length += (size_t) sprintf(text + length, "%s%s%s", i ? " " : "",
                                   change[i].removed ? "-" : "+", prefix);
        if (!change[i].removed && change[i].item.expires_ns != 0)
            length += (size_t) sprintf(text + length, "@%lu",
                                       (unsigned long) change[i].item.expires_ns);
    }
    return text;
}

static enum packet_action verdict(const char *src, const char *dst, uint64_t now_ns)
{
    struct ip_prefix from = prefix_of(src), to = prefix_of(dst);
    uint32_t match;

    return ip_list_verdict(lists, from.addr.bytes, to.addr.bytes, now_ns, &match);
}

START_TEST(a_host_is_put_found_and_removed)
{
    struct ip_prefix host = prefix_of("192.0.2.1");

    ck_assert_int_eq(put(NTC_BLACK, "192.0.2.1", 7), 0);
    ck_assert_str_eq(changes(), "+192.0.2.1@7");
    ck_assert_ptr_nonnull(ip_list_find(lists, NTC_BLACK, &host));
    ck_assert_ptr_null(ip_list_find(lists, NTC_WHITE, &host));
    ck_assert_uint_eq(ip_list_hosts(lists, NTC_BLACK), 1);

    ck_assert_int_eq(take(NTC_BLACK, "192.0.2.1"), 0);
    ck_assert_str_eq(changes(), "-192.0.2.1");
    ck_assert_int_eq(take(NTC_BLACK, "192.0.2.1"), -ENOENT);
    ck_assert_uint_eq(ip_list_size(lists, NTC_BLACK), 0);
}
END_TEST

START_TEST(putting_what_stands_there_replaces_its_values)
{
    struct ip_prefix host = prefix_of("2001:db8::1");
    struct ip_list_entry entry = { .prefix = host, .expires_ns = 9, .added_unix_ns = 3,
                                   .reason = "scanner" };

    ck_assert_int_eq(put(NTC_BLACK, "2001:db8::1", 0), 0);
    ck_assert_int_eq(ip_list_put(lists, NTC_BLACK, &entry), 0);
    const struct ip_list_entry *found = ip_list_find(lists, NTC_BLACK, &host);
    ck_assert_uint_eq(found->expires_ns, 9);
    ck_assert_uint_eq(found->added_unix_ns, 3);
    ck_assert_str_eq(found->reason, "scanner");
    ck_assert_uint_eq(ip_list_size(lists, NTC_BLACK), 1);

    struct ip_list_entry same = *found;     /* its reason is the one that is replaced */
    ck_assert_int_eq(ip_list_put(lists, NTC_BLACK, &same), 0);
    ck_assert_str_eq(ip_list_find(lists, NTC_BLACK, &host)->reason, "scanner");
}
END_TEST

START_TEST(a_prefix_lives_in_the_kernel_as_long_as_what_is_around_it)
{
    ck_assert_int_eq(put(NTC_BLACK, "10.1.0.0/16", 50), 0);
    ck_assert_str_eq(changes(), "+10.1.0.0/16@50");
    ck_assert_int_eq(put(NTC_BLACK, "10.0.0.0/8", 90), 0);
    ck_assert_str_eq(changes(), "+10.0.0.0/8@90 +10.1.0.0/16@90");
    ck_assert_int_eq(put(NTC_BLACK, "10.1.2.0/24", 0), 0);
    ck_assert_str_eq(changes(), "+10.1.2.0/24");
    ck_assert_int_eq(put(NTC_BLACK, "10.0.0.0/8", 0), 0);
    ck_assert_str_eq(changes(), "+10.0.0.0/8 +10.1.0.0/16");
    ck_assert_int_eq(take(NTC_BLACK, "10.0.0.0/8"), 0);
    ck_assert_str_eq(changes(), "+10.1.0.0/16@50 -10.0.0.0/8");
}
END_TEST

START_TEST(lists_do_not_lend_each_other_time)
{
    ck_assert_int_eq(put(NTC_WHITE, "10.0.0.0/8", 0), 0);
    ck_assert_int_eq(put(NTC_BLACK, "10.1.0.0/16", 50), 0);
    ck_assert_str_eq(changes(), "+10.1.0.0/16@50");
}
END_TEST

START_TEST(all_of_ipv6_has_no_say_about_ipv4)
{
    ck_assert_int_eq(put(NTC_BLACK, "::/0", 0), 0);
    ck_assert_int_eq(put(NTC_BLACK, "192.0.2.0/24", 5), 0);
    ck_assert_str_eq(changes(), "+192.0.2.0/24@5");
    ck_assert_int_eq(verdict("198.51.100.1", "198.51.100.2", 1), PACKET_PASS);
    /* Both sort on either side of the IPv4 entry. */
    ck_assert_int_eq(verdict("::1", "198.51.100.2", 1), PACKET_DROP);
    ck_assert_int_eq(verdict("2001:db8::1", "198.51.100.2", 1), PACKET_DROP);
    ck_assert_int_eq(verdict("192.0.2.7", "198.51.100.2", 4), PACKET_DROP);
    ck_assert_int_eq(verdict("192.0.2.7", "198.51.100.2", 5), PACKET_PASS);
}
END_TEST

START_TEST(whole_address_families_can_be_listed)
{
    ck_assert_int_eq(put(NTC_BLACK, "0.0.0.0/0", 0), 0);
    ck_assert_int_eq(verdict("198.51.100.1", "198.51.100.2", 1), PACKET_DROP);
    ck_assert_int_eq(verdict("2001:db8::1", "2001:db8::2", 1), PACKET_PASS);
}
END_TEST

START_TEST(the_whitelist_is_looked_at_first)
{
    ck_assert_int_eq(put(NTC_BLACK, "192.0.2.1", 0), 0);
    ck_assert_int_eq(verdict("192.0.2.1", "198.51.100.2", 1), PACKET_DROP);
    ck_assert_int_eq(put(NTC_WHITE, "198.51.100.0/24", 3), 0);
    ck_assert_int_eq(verdict("192.0.2.1", "198.51.100.2", 2), PACKET_SKIP);
    ck_assert_int_eq(verdict("192.0.2.1", "198.51.100.2", 3), PACKET_DROP);
}
END_TEST

START_TEST(what_has_expired_goes_all_at_once)
{
    ck_assert_int_eq(put(NTC_BLACK, "10.0.0.0/8", 30), 0);
    ck_assert_int_eq(put(NTC_BLACK, "10.1.0.0/16", 0), 0);
    ck_assert_int_eq(put(NTC_BLACK, "10.2.0.0/16", 20), 0);
    ck_assert_int_eq(put(NTC_WHITE, "192.0.2.1", 40), 0);
    ck_assert_uint_eq(ip_list_next_expiry(lists), 20);

    ck_assert_uint_eq(ip_list_expire(lists, 19), 0);
    ck_assert_uint_eq(ip_list_expire(lists, 40), 3);
    ck_assert_str_eq(changes(), "-10.0.0.0/8 -10.2.0.0/16 -192.0.2.1");
    ck_assert_uint_eq(ip_list_size(lists, NTC_BLACK), 1);
    ck_assert_uint_eq(ip_list_size(lists, NTC_WHITE), 0);
    ck_assert_uint_eq(ip_list_next_expiry(lists), 0);
}
END_TEST

START_TEST(full_lists_refuse_new_entries_and_keep_old_ones)
{
    char text[32];

    for (int i = 0; i < HOSTS; i++) {
        sprintf(text, "10.0.%d.%d", i / 250, i % 250);
        ck_assert_int_eq(put(NTC_BLACK, text, 0), 0);
    }
    ck_assert_int_eq(put(NTC_BLACK, "192.0.2.1", 0), -ENOSPC);
    ck_assert_int_eq(put(NTC_WHITE, "192.0.2.1", 0), -ENOSPC);
    ck_assert_int_eq(put(NTC_BLACK, "10.0.0.1", 5), 0);
    ck_assert_int_eq(put(NTC_WHITE, "10.0.0.1", 0), 0);     /* shares the kernel's entry */
    ck_assert_int_eq(take(NTC_BLACK, "10.0.0.1"), 0);
    ck_assert_int_eq(put(NTC_BLACK, "192.0.2.1", 0), -ENOSPC);
    ck_assert_int_eq(take(NTC_WHITE, "10.0.0.1"), 0);
    ck_assert_int_eq(put(NTC_WHITE, "192.0.2.1", 0), 0);
    for (int i = 0; i < PREFIXES; i++) {
        sprintf(text, "172.16.%d.0/24", i);
        ck_assert_int_eq(put(NTC_BLACK, text, 0), 0);
    }
    ck_assert_int_eq(put(NTC_BLACK, "192.0.2.0/24", 0), -ENOSPC);
    ck_assert_int_eq(put(NTC_WHITE, "192.0.2.0/24", 0), 0);
}
END_TEST

START_TEST(hits_belong_to_the_entry_that_decided)
{
    struct ip_prefix net = prefix_of("198.51.100.0/24"), other = prefix_of("192.0.2.1");
    struct ip_prefix src = prefix_of("203.0.113.1"), dst = prefix_of("198.51.100.9");
    uint32_t match;

    ck_assert_int_eq(put(NTC_BLACK, "198.51.100.0/24", 0), 0);
    ck_assert_int_eq(put(NTC_BLACK, "192.0.2.1", 0), 0);
    ck_assert_int_eq(ip_list_verdict(lists, src.addr.bytes, dst.addr.bytes, 1, &match),
                     PACKET_DROP);
    ip_list_count_hits(lists, match, 2, 120, 77);
    ck_assert_uint_eq(ip_list_hits(lists, NTC_BLACK, &net).packets, 2);
    ck_assert_uint_eq(ip_list_hits(lists, NTC_BLACK, &net).bytes, 120);
    ck_assert_uint_eq(ip_list_hits(lists, NTC_BLACK, &net).last_ns, 77);
    ck_assert_uint_eq(ip_list_hits(lists, NTC_BLACK, &other).packets, 0);
}
END_TEST

/* ---- against a naive model ---- */

#define MODEL_SIZE (2 * (HOSTS + PREFIXES))

struct model_entry {
    bool used;
    enum ntc_list list;
    struct ip_prefix prefix;
    uint64_t expires_ns;
};

static struct model_entry model[MODEL_SIZE];
static struct kernel_list_item kernel[MODEL_SIZE];     /* what the changes made of it */
static size_t kernel_size;

static uint64_t below(uint64_t limit)
{
    return (uint64_t) random() % limit;
}

/* Few addresses, so that prefixes contain each other and hosts meet. */
static struct ip_prefix random_prefix(void)
{
    static const uint8_t LENGTHS[] = { 0, 1, 16, 80, 95, 96, 97, 104, 112, 120, 126, 127, 128, 128,
                                       128, 128 };
    struct ip_prefix prefix = { .bits = LENGTHS[below(sizeof LENGTHS)] };
    bool mapped = below(2) == 0;

    if (mapped) {
        if (prefix.bits < 96)
            prefix.bits = 96;
        prefix.addr.bytes[10] = prefix.addr.bytes[11] = 0xff;
    } else {
        prefix.addr.bytes[0] = (uint8_t) (below(2) * 0x20);
        prefix.addr.bytes[10] = (uint8_t) below(2);
        prefix.addr.bytes[11] = (uint8_t) (0xfe * below(2));
    }
    for (int i = 12; i < 16; i++)
        prefix.addr.bytes[i] = (uint8_t) (below(2) * 0x81 + below(2));
    for (unsigned bit = prefix.bits; bit < 128; bit++)
        prefix.addr.bytes[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
    return prefix;
}

static struct model_entry *model_find(enum ntc_list list, const struct ip_prefix *prefix)
{
    for (size_t i = 0; i < MODEL_SIZE; i++)
        if (model[i].used && model[i].list == list
            && ip_prefix_compare(&model[i].prefix, prefix) == 0)
            return &model[i];
    return NULL;
}

static struct model_entry *model_free(void)
{
    for (size_t i = 0; i < MODEL_SIZE; i++)
        if (!model[i].used)
            return &model[i];
    ck_abort_msg("the model is full");
}

static bool model_lists(enum ntc_list list, const uint8_t addr[16], uint64_t now_ns)
{
    for (size_t i = 0; i < MODEL_SIZE; i++)
        if (model[i].used && model[i].list == list
            && (model[i].expires_ns == 0 || model[i].expires_ns > now_ns)
            && ip_prefix_contains(&model[i].prefix, addr))
            return true;
    return false;
}

static enum packet_action model_verdict(const uint8_t *src, const uint8_t *dst, uint64_t now_ns)
{
    if (model_lists(NTC_WHITE, src, now_ns) || model_lists(NTC_WHITE, dst, now_ns))
        return PACKET_SKIP;
    if (model_lists(NTC_BLACK, src, now_ns) || model_lists(NTC_BLACK, dst, now_ns))
        return PACKET_DROP;
    return PACKET_PASS;
}

static void kernel_apply(void)
{
    size_t count;
    const struct ip_list_change *change = ip_list_changes(lists, &count);

    for (size_t i = 0; i < count; i++) {
        size_t at = 0;
        while (at < kernel_size && (kernel[at].list != change[i].item.list
                                    || ip_prefix_compare(&kernel[at].prefix,
                                                         &change[i].item.prefix) != 0))
            at++;
        if (change[i].removed) {
            ck_assert_uint_lt(at, kernel_size);
            kernel[at] = kernel[--kernel_size];
        } else {
            kernel[at] = change[i].item;
            kernel_size += at == kernel_size;
        }
    }
}

/* As the TC programs look: the host, else the longest prefix alone. */
static bool kernel_lists_addr(enum ntc_list list, const uint8_t addr[16], uint64_t now_ns)
{
    const struct kernel_list_item *longest = NULL;
    struct ip_prefix host = { .bits = 128 };

    memcpy(host.addr.bytes, addr, 16);
    for (size_t i = 0; i < kernel_size; i++) {
        const struct kernel_list_item *item = &kernel[i];
        bool live = item->expires_ns == 0 || item->expires_ns > now_ns;
        if (item->list != list)
            continue;
        if (ip_prefix_is_host(&item->prefix)) {
            if (live && ip_prefix_compare(&item->prefix, &host) == 0)
                return true;
            continue;
        }
        struct ip_prefix masked = host;
        for (unsigned bit = item->prefix.bits; bit < 128; bit++)
            masked.addr.bytes[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
        if (memcmp(&masked.addr, &item->prefix.addr, 16) == 0
            && (!longest || item->prefix.bits > longest->prefix.bits))
            longest = item;
    }
    return longest && !(longest->prefix.bits < 96 && ip_addr_version(addr) == 4)
        && (longest->expires_ns == 0 || longest->expires_ns > now_ns);
}

static void check_addresses(uint64_t now_ns)
{
    for (int i = 0; i < 20; i++) {
        struct ip_prefix src = random_prefix(), dst = random_prefix();
        uint32_t match;

        src.addr.bytes[15] ^= (uint8_t) below(2);
        ck_assert_int_eq(ip_list_verdict(lists, src.addr.bytes, dst.addr.bytes, now_ns, &match),
                         model_verdict(src.addr.bytes, dst.addr.bytes, now_ns));
        for (int list = 0; list < NTC_LISTS; list++)
            ck_assert_int_eq(kernel_lists_addr((enum ntc_list) list, src.addr.bytes, now_ns),
                             model_lists((enum ntc_list) list, src.addr.bytes, now_ns));
    }
}

static void check_order(void)
{
    size_t total = 0;

    for (int list = 0; list < NTC_LISTS; list++) {
        uint32_t size = ip_list_size(lists, (enum ntc_list) list);
        for (uint32_t i = 0; i < size; i++) {
            const struct ip_list_entry *entry = ip_list_at(lists, (enum ntc_list) list, i);
            const struct model_entry *known = model_find((enum ntc_list) list, &entry->prefix);
            ck_assert_ptr_nonnull(known);
            ck_assert_uint_eq(known->expires_ns, entry->expires_ns);
            ck_assert_uint_eq(ip_list_position_after(lists, (enum ntc_list) list, &entry->prefix),
                              i + 1);
            if (i > 0)
                ck_assert_int_lt(ip_prefix_compare(
                    &ip_list_at(lists, (enum ntc_list) list, i - 1)->prefix, &entry->prefix), 0);
        }
        total += size;
    }
    for (size_t i = 0; i < MODEL_SIZE; i++)
        total -= model[i].used;
    ck_assert_uint_eq(total, 0);
}

static uint64_t model_next_expiry(void)
{
    uint64_t next = 0;

    for (size_t i = 0; i < MODEL_SIZE; i++)
        if (model[i].used && model[i].expires_ns && (!next || model[i].expires_ns < next))
            next = model[i].expires_ns;
    return next;
}

static void random_change(uint64_t now_ns)
{
    enum ntc_list list = (enum ntc_list) below(NTC_LISTS);
    struct ip_prefix prefix = random_prefix();
    struct model_entry *known = model_find(list, &prefix);
    struct ip_list_entry entry = { .prefix = prefix, .reason = below(2) ? "because" : "",
                                   .expires_ns = below(3) ? now_ns + 1 + below(200) : 0 };

    if (below(3) > 0) {
        ck_assert_int_eq(ip_list_put(lists, list, &entry), 0);
        struct model_entry *place = known ? known : model_free();
        *place = (struct model_entry) { true, list, prefix, entry.expires_ns };
        kernel_apply();
    } else if (ip_list_remove(lists, list, &prefix) == 0) {
        ck_assert_ptr_nonnull(known);
        known->used = false;
        kernel_apply();
    } else {
        ck_assert_ptr_null(known);
    }
}

static void expire_all(uint64_t now_ns)
{
    ip_list_expire(lists, now_ns);
    kernel_apply();
    for (size_t i = 0; i < MODEL_SIZE; i++)
        if (model[i].expires_ns != 0 && model[i].expires_ns <= now_ns)
            model[i].used = false;
}

/* What ip_list says of the kernel's items agrees with what its changes made of them. */
static void check_items(void)
{
    struct kernel_list_item items[MODEL_SIZE];
    size_t count = ip_list_items(lists, items);

    ck_assert_uint_eq(count, kernel_size);
    for (size_t i = 0; i < count; i++) {
        size_t at = 0;
        while (at < kernel_size && (kernel[at].list != items[i].list
                                    || ip_prefix_compare(&kernel[at].prefix,
                                                         &items[i].prefix) != 0))
            at++;
        ck_assert_uint_lt(at, kernel_size);
        ck_assert_uint_eq(kernel[at].expires_ns, items[i].expires_ns);
    }
}

START_TEST(verdicts_agree_with_a_naive_model)
{
    uint64_t now_ns = 1000;

    srandom((unsigned) _i);
    memset(model, 0, sizeof model);
    kernel_size = 0;
    for (int step = 0; step < 300; step++) {
        now_ns += below(4);
        random_change(now_ns);
        check_addresses(now_ns);
        if (below(10) == 0) {
            expire_all(now_ns);
            check_order();
            check_items();
            ck_assert_uint_eq(ip_list_next_expiry(lists), model_next_expiry());
        }
    }
}
END_TEST

START_TEST(loading_gives_what_putting_gives)
{
    struct kernel_list_item put_items[MODEL_SIZE], load_items[MODEL_SIZE];
    ip_list_t *loaded = ip_list_new(HOSTS, PREFIXES);

    srandom((unsigned) _i);
    for (int i = 0; i < 200; i++) {
        enum ntc_list list = (enum ntc_list) below(NTC_LISTS);
        struct ip_list_entry entry = { .prefix = random_prefix(), .expires_ns = below(100),
                                       .reason = "" };
        ck_assert_int_eq(ip_list_put(lists, list, &entry), 0);
        ck_assert_int_eq(ip_list_load(loaded, list, &entry), 0);
    }
    ip_list_settle(loaded);
    size_t count = ip_list_items(lists, put_items);
    ck_assert_uint_eq(ip_list_items(loaded, load_items), count);
    for (size_t i = 0; i < count; i++) {
        ck_assert_int_eq(ip_prefix_compare(&put_items[i].prefix, &load_items[i].prefix), 0);
        ck_assert_uint_eq(put_items[i].expires_ns, load_items[i].expires_ns);
    }
    ip_list_destroy(&loaded);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ip_list");
    TCase *tcase = tcase_create("entries");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_host_is_put_found_and_removed);
    tcase_add_test(tcase, putting_what_stands_there_replaces_its_values);
    tcase_add_test(tcase, a_prefix_lives_in_the_kernel_as_long_as_what_is_around_it);
    tcase_add_test(tcase, lists_do_not_lend_each_other_time);
    tcase_add_test(tcase, all_of_ipv6_has_no_say_about_ipv4);
    tcase_add_test(tcase, whole_address_families_can_be_listed);
    tcase_add_test(tcase, the_whitelist_is_looked_at_first);
    tcase_add_test(tcase, what_has_expired_goes_all_at_once);
    tcase_add_test(tcase, full_lists_refuse_new_entries_and_keep_old_ones);
    tcase_add_test(tcase, hits_belong_to_the_entry_that_decided);
    tcase_add_loop_test(tcase, verdicts_agree_with_a_naive_model, 0, 24);
    tcase_add_loop_test(tcase, loading_gives_what_putting_gives, 0, 16);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
