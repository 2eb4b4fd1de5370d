#include "kernel_lists.h"

#include <assert.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct ntc_prefix_key prefix_key(const struct ip_prefix *prefix)
{
    struct ntc_prefix_key key = { .bits = prefix->bits };

    memcpy(key.addr, prefix->addr.bytes, sizeof key.addr);
    return key;
}

/* The programs skip look-ups while a count is 0.  It grows after an entry is in the map and shrinks
 * after one has left it. */
static void set_count(__u32 *count, __u32 value)
{
    __atomic_store_n(count, value, __ATOMIC_RELEASE);
}

/* A full hash says E2BIG, a full trie ENOSPC. */
static int full_or(int rc)
{
    return rc == -E2BIG ? -ENOSPC : rc;
}

static int put_host(kernel_source_t *source, const struct kernel_list_item *item)
{
    struct ntc_settings *settings = kernel_source_settings(source);
    int fd = kernel_source_hosts_fd(source);
    struct ntc_host_entry entry = { 0 };
    __u32 bit = 1u << item->list;
    bool is_new = bpf_map_lookup_elem(fd, item->prefix.addr.bytes, &entry) != 0;

    if (is_new)
        memset(&entry, 0, sizeof entry);
    if (!is_new && (entry.lists & bit) && entry.side[item->list].expires_ns == item->expires_ns)
        return 0;
    if (!(entry.lists & bit))
        memset(&entry.side[item->list], 0, sizeof entry.side[item->list]);
    entry.lists |= bit;
    entry.side[item->list].expires_ns = item->expires_ns;
    host_filter_add(kernel_source_host_filter(source), item->prefix.addr.bytes);
    int rc = bpf_map_update_elem(fd, item->prefix.addr.bytes, &entry, BPF_ANY);
    if (rc == 0 && is_new)
        set_count(&settings->host_count, settings->host_count + 1);
    return full_or(rc);
}

static int put_prefix(kernel_source_t *source, const struct kernel_list_item *item)
{
    struct ntc_settings *settings = kernel_source_settings(source);
    int fd = kernel_source_prefixes_fd(source, item->list);
    struct ntc_prefix_key key = prefix_key(&item->prefix);
    struct ntc_prefix_entry entry = { 0 };
    /* A trie look-up finds the longest match, which may be another prefix. */
    bool is_new = bpf_map_lookup_elem(fd, &key, &entry) != 0 || entry.bits != key.bits;

    if (!is_new && entry.side.expires_ns == item->expires_ns)
        return 0;
    if (is_new)
        memset(&entry, 0, sizeof entry);
    entry.bits = key.bits;
    entry.side.expires_ns = item->expires_ns;
    int rc = bpf_map_update_elem(fd, &key, &entry, BPF_ANY);
    if (rc == 0 && is_new)
        set_count(&settings->prefix_count[item->list], settings->prefix_count[item->list] + 1);
    return full_or(rc);
}

int kernel_lists_put(kernel_source_t *source, const struct kernel_list_item *item)
{
    assert(source && item);

    int rc = ip_prefix_is_host(&item->prefix) ? put_host(source, item) : put_prefix(source, item);
    kernel_source_lists_changed(source);
    return rc;
}

static int remove_host(kernel_source_t *source, const struct kernel_list_item *item)
{
    struct ntc_settings *settings = kernel_source_settings(source);
    int fd = kernel_source_hosts_fd(source);
    struct ntc_host_entry entry;
    __u32 bit = 1u << item->list;
    int rc = bpf_map_lookup_elem(fd, item->prefix.addr.bytes, &entry);

    if (rc != 0 || !(entry.lists & bit))
        return rc != 0 ? rc : -ENOENT;
    entry.lists &= ~bit;
    if (entry.lists) {
        memset(&entry.side[item->list], 0, sizeof entry.side[item->list]);
        return bpf_map_update_elem(fd, item->prefix.addr.bytes, &entry, BPF_EXIST);
    }
    rc = bpf_map_delete_elem(fd, item->prefix.addr.bytes);
    if (rc == 0 && settings->host_count > 0)
        set_count(&settings->host_count, settings->host_count - 1);
    if (rc == 0)
        host_filter_remove(kernel_source_host_filter(source), fd, settings->host_count);
    return rc;
}

static int remove_prefix(kernel_source_t *source, const struct kernel_list_item *item)
{
    struct ntc_settings *settings = kernel_source_settings(source);
    struct ntc_prefix_key key = prefix_key(&item->prefix);
    int rc = bpf_map_delete_elem(kernel_source_prefixes_fd(source, item->list), &key);
    __u32 *count = &settings->prefix_count[item->list];

    if (rc == 0 && *count > 0)
        set_count(count, *count - 1);
    return rc;
}

int kernel_lists_remove(kernel_source_t *source, const struct kernel_list_item *item)
{
    assert(source && item);

    int rc = ip_prefix_is_host(&item->prefix) ? remove_host(source, item)
                                              : remove_prefix(source, item);
    kernel_source_lists_changed(source);
    return rc;
}

int kernel_lists_hits(const kernel_source_t *source, const struct kernel_list_item *item,
                      struct kernel_list_hits *ret_hits)
{
    assert(source && item && ret_hits);

    struct ntc_host_entry host;
    struct ntc_prefix_entry prefix;
    const struct ntc_list_side *side;

    if (ip_prefix_is_host(&item->prefix)) {
        int rc = bpf_map_lookup_elem(kernel_source_hosts_fd(source), item->prefix.addr.bytes,
                                     &host);
        if (rc != 0 || !(host.lists & 1u << item->list))
            return rc != 0 ? rc : -ENOENT;
        side = &host.side[item->list];
    } else {
        struct ntc_prefix_key key = prefix_key(&item->prefix);
        int rc = bpf_map_lookup_elem(kernel_source_prefixes_fd(source, item->list), &key, &prefix);
        if (rc != 0 || prefix.bits != key.bits)
            return rc != 0 ? rc : -ENOENT;
        side = &prefix.side;
    }
    *ret_hits = (struct kernel_list_hits) { .packets = side->hit_packets, .bytes = side->hit_bytes,
                                            .last_ns = side->last_hit_ns };
    return 0;
}

/* ---- replacing all ---- */

struct stale_items {
    struct kernel_list_item *items;
    size_t size, capacity;
};

static int compare_items(const void *a, const void *b)
{
    const struct kernel_list_item *x = a, *y = b;
    int order = ip_prefix_compare(&x->prefix, &y->prefix);

    return order != 0 ? order : (int) x->list - (int) y->list;
}

static int note_if_stale(struct stale_items *stale, const struct kernel_list_item *wanted,
                         size_t wanted_count, const struct kernel_list_item *found)
{
    if (wanted_count > 0 && bsearch(found, wanted, wanted_count, sizeof *wanted, compare_items))
        return 0;
    if (stale->size == stale->capacity) {
        size_t capacity = stale->capacity ? 2 * stale->capacity : 64;
        void *grown = realloc(stale->items, capacity * sizeof *stale->items);
        if (!grown)
            return -ENOMEM;
        stale->items = grown;
        stale->capacity = capacity;
    }
    stale->items[stale->size++] = *found;
    return 0;
}

static int find_stale_hosts(kernel_source_t *source, struct stale_items *stale,
                            const struct kernel_list_item *wanted, size_t wanted_count)
{
    int fd = kernel_source_hosts_fd(source), rc = 0;
    struct kernel_list_item found = { .prefix = { .bits = 128 } };
    struct ntc_host_entry entry;
    struct ip_addr next;
    bool first = true;

    while (rc == 0 && bpf_map_get_next_key(fd, first ? NULL : &found.prefix.addr, &next) == 0) {
        first = false;
        found.prefix.addr = next;
        if (bpf_map_lookup_elem(fd, &next, &entry) != 0)
            continue;
        for (int list = 0; rc == 0 && list < NTC_LISTS; list++) {
            found.list = (enum ntc_list) list;
            if (entry.lists & 1u << list)
                rc = note_if_stale(stale, wanted, wanted_count, &found);
        }
    }
    return rc;
}

static int find_stale_prefixes(kernel_source_t *source, enum ntc_list list,
                               struct stale_items *stale, const struct kernel_list_item *wanted,
                               size_t wanted_count)
{
    int fd = kernel_source_prefixes_fd(source, list), rc = 0;
    struct kernel_list_item found = { .list = list };
    struct ntc_prefix_key key, next;
    bool first = true;

    while (rc == 0 && bpf_map_get_next_key(fd, first ? NULL : &key, &next) == 0) {
        first = false;
        key = next;
        found.prefix.bits = (uint8_t) key.bits;
        memcpy(found.prefix.addr.bytes, key.addr, sizeof key.addr);
        rc = note_if_stale(stale, wanted, wanted_count, &found);
    }
    return rc;
}

static int put_all(kernel_source_t *source, const struct kernel_list_item *items, size_t count)
{
    int first_error = 0;

    for (size_t i = 0; i < count; i++) {
        int rc = kernel_lists_put(source, &items[i]);
        if (rc != 0 && first_error == 0)
            first_error = rc;
    }
    return first_error;
}

static void remove_all(kernel_source_t *source, struct stale_items *stale)
{
    for (size_t i = 0; i < stale->size; i++)
        kernel_lists_remove(source, &stale->items[i]);
    stale->size = 0;
}

/* A crash between a map's change and its count may have left the count wrong. */
static void write_counts(kernel_source_t *source, const struct kernel_list_item *items,
                         size_t count)
{
    struct ntc_settings *settings = kernel_source_settings(source);
    __u32 hosts = 0, prefixes[NTC_LISTS] = { 0 };

    for (size_t i = 0; i < count; i++) {
        if (!ip_prefix_is_host(&items[i].prefix))
            prefixes[items[i].list]++;
        else if (i == 0 || ip_prefix_compare(&items[i - 1].prefix, &items[i].prefix) != 0)
            hosts++;
    }
    set_count(&settings->host_count, hosts);
    for (int list = 0; list < NTC_LISTS; list++)
        set_count(&settings->prefix_count[list], prefixes[list]);
}

static void look_everywhere(kernel_source_t *source)
{
    struct ntc_settings *settings = kernel_source_settings(source);

    if (settings->host_count == 0)
        set_count(&settings->host_count, 1);
    for (int list = 0; list < NTC_LISTS; list++)
        if (settings->prefix_count[list] == 0)
            set_count(&settings->prefix_count[list], 1);
}

int kernel_lists_replace(kernel_source_t *source, const struct kernel_list_item *items,
                         size_t count)
{
    assert(source && (items || count == 0));

    struct stale_items stale = { 0 };
    struct kernel_list_item *wanted = calloc(count ? count : 1, sizeof *wanted);
    int rc = wanted ? 0 : -ENOMEM;

    if (rc != 0)
        goto out;
    if (count > 0)
        memcpy(wanted, items, count * sizeof *wanted);
    qsort(wanted, count, sizeof *wanted, compare_items);
    look_everywhere(source);
    rc = find_stale_hosts(source, &stale, wanted, count);
    for (int list = 0; rc == 0 && list < NTC_LISTS; list++)
        rc = find_stale_prefixes(source, (enum ntc_list) list, &stale, wanted, count);
    if (rc != 0)
        goto out;
    rc = put_all(source, wanted, count);
    remove_all(source, &stale);
    if (rc == -ENOSPC)          /* what left has made room */
        rc = put_all(source, wanted, count);
    if (rc == 0)
        write_counts(source, wanted, count);
    host_filter_rebuild(kernel_source_host_filter(source), kernel_source_hosts_fd(source));
    kernel_source_lists_changed(source);
out:
    free(wanted);
    free(stale.items);
    return rc;
}
