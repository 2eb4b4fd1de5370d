#include "list_keeper.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct list_keeper {
    ip_list_t *lists;
    list_store_t *store;
    const struct list_kernel *kernel;
    uint64_t version;
};

list_keeper_t *list_keeper_new(ip_list_t *lists, list_store_t *store,
                               const struct list_kernel *kernel)
{
    assert(lists && store);

    list_keeper_t *self = calloc(1, sizeof *self);
    if (!self)
        return NULL;
    self->lists = lists;
    self->store = store;
    self->kernel = kernel;
    self->version = 1;
    return self;
}

void list_keeper_destroy(list_keeper_t **self_p)
{
    assert(self_p);

    free(*self_p);
    *self_p = NULL;
}

/* Paths may hold any bytes; an answer goes over the bus and holds ASCII. */
__attribute__((format(printf, 3, 4)))
static void answer(struct list_answer *ret_answer, enum list_code code, const char *format, ...)
{
    va_list args;

    ret_answer->code = code;
    ret_answer->changed = false;
    va_start(args, format);
    vsnprintf(ret_answer->error, sizeof ret_answer->error, format, args);
    va_end(args);
    for (char *c = ret_answer->error; *c != '\0'; c++)
        if (*c < ' ' || *c > '~')
            *c = '?';
}

/* Do to the kernel what the last change of the lists means.  Returns 0 or the first -errno. */
static int enforce(const list_keeper_t *self)
{
    size_t count;
    const struct ip_list_change *change = ip_list_changes(self->lists, &count);
    int first_error = 0;

    if (!self->kernel)
        return 0;
    for (size_t i = 0; i < count; i++) {
        const struct kernel_list_item *item = &change[i].item;
        int rc = change[i].removed ? self->kernel->remove(self->kernel->arg, item)
                                   : self->kernel->put(self->kernel->arg, item);
        if (rc == -ENOENT && change[i].removed)
            rc = 0;             /* that is what we want */
        if (rc != 0 && first_error == 0)
            first_error = rc;
    }
    return first_error;
}

/* Save and enforce what has just been changed in memory.  When that fails the file is as before and
 * the answer written; memory and kernel are the caller's to undo. */
static void make_it_so(list_keeper_t *self, int64_t wall_offset_ns, struct list_answer *ret_answer)
{
    char why[512];

    if (list_store_prepare(self->store, self->lists, wall_offset_ns, why, sizeof why) != 0) {
        answer(ret_answer, LIST_NOT_SAVED, "%s", why);
        return;
    }
    int rc = enforce(self);
    if (rc != 0) {
        list_store_abandon(self->store);
        if (rc == -ENOSPC)
            answer(ret_answer, LIST_FULL, "the kernel's list is full: raise network.hosts or "
                   "network.prefixes");
        else
            answer(ret_answer, LIST_NOT_ENFORCED, "the kernel refused the change: %s",
                   strerror(-rc));
        return;
    }
    if (list_store_commit(self->store, why, sizeof why) != 0) {
        answer(ret_answer, LIST_NOT_SAVED, "%s", why);
        return;
    }
    self->version++;
    answer(ret_answer, LIST_OK, "%s", "");
    ret_answer->changed = true;
}

/* Put an entry back.  If there is no memory even for its reason, it goes back without one. */
static void put_back(list_keeper_t *self, enum ntc_list list, struct ip_list_entry *before)
{
    if (ip_list_put(self->lists, list, before) == 0)
        return;
    before->reason = "";
    ip_list_put(self->lists, list, before);
}

static void answer_full(const list_keeper_t *self, enum ntc_list list,
                        const struct ip_prefix *prefix, struct list_answer *ret_answer)
{
    if (ip_prefix_is_host(prefix))
        answer(ret_answer, LIST_FULL, "the lists are full: they hold %u addresses; remove some or "
               "raise network.hosts", ip_list_hosts(self->lists, NTC_BLACK)
               + ip_list_hosts(self->lists, NTC_WHITE));
    else
        answer(ret_answer, LIST_FULL, "the list is full: it holds %u prefixes; remove some or "
               "raise network.prefixes", ip_list_prefixes(self->lists, list));
}

void list_keeper_add(list_keeper_t *self, enum ntc_list list, const struct ip_list_entry *entry,
                     int64_t wall_offset_ns, struct list_answer *ret_answer)
{
    assert(self && entry && ret_answer);

    struct ip_list_entry added = *entry, before = { .reason = "" };
    const struct ip_list_entry *present = ip_list_find(self->lists, list, &entry->prefix);
    char *reason_before = NULL;

    if (present) {
        before = *present;
        added.added_unix_ns = before.added_unix_ns;     /* it has been listed since then */
        if (before.expires_ns == added.expires_ns && strcmp(before.reason, added.reason) == 0) {
            answer(ret_answer, LIST_OK, "%s", "");
            return;
        }
        reason_before = strdup(before.reason);
        before.reason = reason_before;
    }
    int rc = present && !reason_before ? -ENOMEM : ip_list_put(self->lists, list, &added);
    if (rc == -ENOSPC) {
        answer_full(self, list, &entry->prefix, ret_answer);
    } else if (rc != 0) {
        answer(ret_answer, LIST_NOT_ENFORCED, "%s", strerror(-rc));
    } else {
        make_it_so(self, wall_offset_ns, ret_answer);
        if (ret_answer->code != LIST_OK) {
            if (present)
                put_back(self, list, &before);
            else
                ip_list_remove(self->lists, list, &entry->prefix);
            enforce(self);
        }
    }
    free(reason_before);
}

void list_keeper_remove(list_keeper_t *self, enum ntc_list list, const struct ip_prefix *prefix,
                        int64_t wall_offset_ns, struct list_answer *ret_answer)
{
    assert(self && prefix && ret_answer);

    const struct ip_list_entry *present = ip_list_find(self->lists, list, prefix);
    char text[IP_PREFIX_TEXT_SIZE];

    if (!present) {
        ip_prefix_format(prefix, text);
        answer(ret_answer, LIST_NOT_FOUND, "%s is not in the %s", text,
               list == NTC_BLACK ? "blacklist" : "whitelist");
        return;
    }
    struct ip_list_entry before = *present;
    char *reason = strdup(before.reason);

    before.reason = reason ? reason : "";
    ip_list_remove(self->lists, list, prefix);
    make_it_so(self, wall_offset_ns, ret_answer);
    if (ret_answer->code != LIST_OK) {
        put_back(self, list, &before);
        enforce(self);
    }
    free(reason);
}

uint32_t list_keeper_expire(list_keeper_t *self, uint64_t boot_ns, int64_t wall_offset_ns,
                            struct list_answer *ret_answer)
{
    assert(self && ret_answer);

    uint32_t expired = ip_list_expire(self->lists, boot_ns);
    char why[512];

    answer(ret_answer, LIST_OK, "%s", "");
    if (expired == 0)
        return 0;
    enforce(self);              /* the programs check expiry themselves: this only makes room */
    self->version++;
    if (list_store_prepare(self->store, self->lists, wall_offset_ns, why, sizeof why) != 0
        || list_store_commit(self->store, why, sizeof why) != 0)
        answer(ret_answer, LIST_NOT_SAVED, "%s", why);
    ret_answer->changed = true;
    return expired;
}

struct kernel_list_hits list_keeper_hits(const list_keeper_t *self, enum ntc_list list,
                                         const struct ip_prefix *prefix)
{
    struct kernel_list_item item = { .prefix = *prefix, .list = list };
    struct kernel_list_hits hits;

    if (!self->kernel)
        return ip_list_hits(self->lists, list, prefix);
    if (self->kernel->hits(self->kernel->arg, &item, &hits) != 0)
        return (struct kernel_list_hits) { 0 };
    return hits;
}

uint64_t list_keeper_version(const list_keeper_t *self)
{
    return self->version;
}

ip_list_t *list_keeper_lists(const list_keeper_t *self)
{
    return self->lists;
}
