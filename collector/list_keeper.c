#include "list_keeper.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define MAX_CLOCK_SLIP_NS 1000000000

struct list_keeper {
    ip_list_t *lists;
    list_store_t *store;
    const struct list_kernel *kernel;
    uint64_t version;
    bool is_unsaved;            /* the file still has what has expired or was undone */
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
    self->is_unsaved = false;
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

/* ---- changes that wait to be confirmed ---- */

/* What the table says of a prefix, to put it back when a change fails. */
struct waiting {
    bool is_there;
    struct unconfirmed_change change;
};

static struct waiting waiting_of(const list_keeper_t *self, enum ntc_list list,
                                 const struct ip_prefix *prefix)
{
    const struct unconfirmed_change *change
        = unconfirmed_changes_find(list_store_unconfirmed(self->store), list, prefix);

    return change ? (struct waiting) { true, *change } : (struct waiting) { 0 };
}

static void wait_again(list_keeper_t *self, enum ntc_list list, const struct ip_prefix *prefix,
                       const struct waiting *waiting)
{
    unconfirmed_changes_t *table = list_store_unconfirmed(self->store);

    unconfirmed_changes_drop(table, list, prefix);
    if (waiting->is_there)
        unconfirmed_changes_put(table, &waiting->change);
}

/* Write into `change` what stands there now, or stood there before the change that waits. */
static void take_before(struct unconfirmed_change *change, const struct waiting *waiting,
                        const struct ip_list_entry *present)
{
    if (waiting->is_there) {
        change->was_listed = waiting->change.was_listed;
        change->before_expires_ns = waiting->change.before_expires_ns;
        change->before_added_unix_ns = waiting->change.before_added_unix_ns;
        memcpy(change->before_reason, waiting->change.before_reason, sizeof change->before_reason);
    } else if (present) {
        change->was_listed = true;
        change->before_expires_ns = present->expires_ns;
        change->before_added_unix_ns = present->added_unix_ns;
        snprintf(change->before_reason, sizeof change->before_reason, "%s", present->reason);
    }
}

/* Note a conditional change, or settle what waits when it is final.  Returns 0 or -ENOSPC. */
static int note(list_keeper_t *self, struct unconfirmed_change *change,
                const struct list_condition *condition, const struct waiting *waiting,
                const struct ip_list_entry *present)
{
    unconfirmed_changes_t *table = list_store_unconfirmed(self->store);

    if (!condition) {
        unconfirmed_changes_drop(table, change->list, &change->prefix);
        return 0;
    }
    change->id = condition->id;
    change->until_ns = condition->until_ns;
    take_before(change, waiting, present);
    if (change->is_removal && !change->was_listed) {
        unconfirmed_changes_drop(table, change->list, &change->prefix);
        return 0;               /* what waited was the entry's addition: that has not been */
    }
    return unconfirmed_changes_put(table, change);
}

static bool lasts(uint64_t expires_ns, uint64_t until_ns)
{
    return expires_ns == 0 || expires_ns > until_ns;
}

static void answer_waiting_full(struct list_answer *ret_answer)
{
    answer(ret_answer, LIST_FULL, "%d changes wait to be confirmed already: confirm some first",
           UNCONFIRMED_MAX);
}

/* ---- changes ---- */

/* Put `added` in the place of `present`; when that fails both it and what waited are put back. */
static void replace(list_keeper_t *self, enum ntc_list list, const struct ip_list_entry *added,
                    const struct ip_list_entry *present, const struct waiting *waiting,
                    int64_t wall_offset_ns, struct list_answer *ret_answer)
{
    struct ip_list_entry before = { .reason = "" };
    char *reason_before = NULL;

    if (present) {
        before = *present;
        reason_before = strdup(before.reason);
        before.reason = reason_before;
    }
    int rc = present && !reason_before ? -ENOMEM : ip_list_put(self->lists, list, added);
    if (rc == -ENOSPC) {
        answer_full(self, list, &added->prefix, ret_answer);
    } else if (rc != 0) {
        answer(ret_answer, LIST_NOT_ENFORCED, "%s", strerror(-rc));
    } else {
        make_it_so(self, wall_offset_ns, ret_answer);
        if (ret_answer->code != LIST_OK) {
            if (present)
                put_back(self, list, &before);
            else
                ip_list_remove(self->lists, list, &added->prefix);
            enforce(self);
        }
    }
    if (ret_answer->code != LIST_OK)
        wait_again(self, list, &added->prefix, waiting);
    free(reason_before);
}

void list_keeper_add(list_keeper_t *self, enum ntc_list list, const struct ip_list_entry *entry,
                     const struct list_condition *condition, int64_t wall_offset_ns,
                     struct list_answer *ret_answer)
{
    assert(self && entry && ret_answer);

    struct ip_list_entry added = *entry;
    const struct ip_list_entry *present = ip_list_find(self->lists, list, &entry->prefix);
    struct waiting waiting = waiting_of(self, list, &entry->prefix);
    struct unconfirmed_change change = { .list = list, .prefix = entry->prefix,
                                         .expires_ns = entry->expires_ns };

    if (present) {
        added.added_unix_ns = present->added_unix_ns;       /* it has been listed since then */
        if (!waiting.is_there && present->expires_ns == added.expires_ns
            && strcmp(present->reason, added.reason) == 0) {
            answer(ret_answer, LIST_OK, "%s", "");
            return;
        }
    }
    if (note(self, &change, condition, &waiting, present) != 0) {
        answer_waiting_full(ret_answer);
        return;
    }
    /* In the kernel it must end by itself should we be gone, but not before what it replaces. */
    if (condition)
        added.expires_ns = change.was_listed && lasts(change.before_expires_ns, condition->until_ns)
                               ? change.before_expires_ns : condition->until_ns;
    replace(self, list, &added, present, &waiting, wall_offset_ns, ret_answer);
}

void list_keeper_remove(list_keeper_t *self, enum ntc_list list, const struct ip_prefix *prefix,
                        const struct list_condition *condition, int64_t wall_offset_ns,
                        struct list_answer *ret_answer)
{
    assert(self && prefix && ret_answer);

    const struct ip_list_entry *present = ip_list_find(self->lists, list, prefix);
    struct waiting waiting = waiting_of(self, list, prefix);
    struct unconfirmed_change change = { .list = list, .prefix = *prefix, .is_removal = true };
    char text[IP_PREFIX_TEXT_SIZE];

    if (!present && (condition || !waiting.is_there)) {
        ip_prefix_format(prefix, text);
        answer(ret_answer, LIST_NOT_FOUND, "%s is not in the %s", text,
               list == NTC_BLACK ? "blacklist" : "whitelist");
        return;
    }
    if (note(self, &change, condition, &waiting, present) != 0) {
        answer_waiting_full(ret_answer);
        return;
    }
    struct ip_list_entry before = present ? *present : (struct ip_list_entry) { 0 };
    char *reason = present ? strdup(before.reason) : NULL;

    before.reason = reason ? reason : "";
    ip_list_remove(self->lists, list, prefix);  /* -ENOENT when it waits to be removed for good */
    make_it_so(self, wall_offset_ns, ret_answer);
    if (ret_answer->code != LIST_OK) {
        if (present)
            put_back(self, list, &before);
        wait_again(self, list, prefix, &waiting);
        enforce(self);
    }
    free(reason);
}

/* Write the file as memory is, whatever the kernel holds. */
static void save(list_keeper_t *self, int64_t wall_offset_ns, struct list_answer *ret_answer)
{
    char why[512];

    if (list_store_prepare(self->store, self->lists, wall_offset_ns, why, sizeof why) != 0
        || list_store_commit(self->store, why, sizeof why) != 0)
        answer(ret_answer, LIST_NOT_SAVED, "%s", why);
    else
        self->is_unsaved = false;
}

/* The change of this id, or NULL after answering that there is none. */
static const struct unconfirmed_change *find_waiting(const list_keeper_t *self, uint64_t id,
                                                     struct list_answer *ret_answer)
{
    const struct unconfirmed_change *change
        = unconfirmed_changes_of(list_store_unconfirmed(self->store), id);

    if (!change || id == 0) {
        answer(ret_answer, LIST_NOT_FOUND, "no such change waits to be confirmed: it was "
               "confirmed, replaced or undone, or its time is over");
        return NULL;
    }
    return change;
}

/* The entry that stood there before. */
static struct ip_list_entry entry_before(const struct unconfirmed_change *change)
{
    return (struct ip_list_entry) {
        .prefix = change->prefix, .expires_ns = change->before_expires_ns,
        .added_unix_ns = change->before_added_unix_ns, .reason = change->before_reason,
    };
}

void list_keeper_confirm(list_keeper_t *self, uint64_t id, int64_t wall_offset_ns,
                         struct list_answer *ret_answer)
{
    assert(self && ret_answer);

    const struct unconfirmed_change *found = find_waiting(self, id, ret_answer);

    if (!found)
        return;
    struct unconfirmed_change change = *found;  /* the table changes below */
    const struct ip_list_entry *present = ip_list_find(self->lists, change.list, &change.prefix);

    if (change.is_removal || !present) {
        list_keeper_remove(self, change.list, &change.prefix, NULL, wall_offset_ns, ret_answer);
        return;
    }
    struct ip_list_entry entry = *present;
    char reason[LIST_REASON_SIZE];

    snprintf(reason, sizeof reason, "%s", entry.reason);
    entry.reason = reason;
    entry.expires_ns = change.expires_ns;
    list_keeper_add(self, change.list, &entry, NULL, wall_offset_ns, ret_answer);
}

void list_keeper_undo(list_keeper_t *self, uint64_t id, int64_t wall_offset_ns,
                      struct list_answer *ret_answer)
{
    assert(self && ret_answer);

    const struct unconfirmed_change *found = find_waiting(self, id, ret_answer);

    if (!found)
        return;
    struct unconfirmed_change change = *found;
    struct ip_list_entry before = entry_before(&change);

    if (change.was_listed)
        list_keeper_add(self, change.list, &before, NULL, wall_offset_ns, ret_answer);
    else
        list_keeper_remove(self, change.list, &change.prefix, NULL, wall_offset_ns, ret_answer);
}

/* Undo a change in memory and kernel.  Returns 0, or -errno when it cannot be put back. */
static int revert(list_keeper_t *self, const struct unconfirmed_change *change, uint64_t boot_ns)
{
    struct ip_list_entry before = entry_before(change);
    int rc = 0;

    if (change->was_listed && lasts(before.expires_ns, boot_ns))
        rc = ip_list_put(self->lists, change->list, &before);
    else
        ip_list_remove(self->lists, change->list, &change->prefix);
    return rc == 0 ? enforce(self) : rc;
}

uint32_t list_keeper_undo_due(list_keeper_t *self, uint64_t boot_ns, int64_t wall_offset_ns,
                              struct list_answer *ret_answer)
{
    assert(self && ret_answer);

    unconfirmed_changes_t *table = list_store_unconfirmed(self->store);
    uint32_t undone = 0, kept = 0;

    answer(ret_answer, LIST_OK, "%s", "");
    while (kept < unconfirmed_changes_size(table)) {
        struct unconfirmed_change change = *unconfirmed_changes_at(table, kept);
        int rc = change.until_ns > boot_ns ? -EAGAIN : revert(self, &change, boot_ns);
        if (rc == 0) {
            unconfirmed_changes_drop(table, change.list, &change.prefix);
            undone++;
            continue;
        }
        kept++;
        if (rc != -EAGAIN)
            answer(ret_answer, LIST_NOT_ENFORCED, "an unconfirmed change cannot be undone: %s",
                   strerror(-rc));
    }
    if (undone == 0)
        return 0;
    self->version++;
    self->is_unsaved = true;
    save(self, wall_offset_ns, ret_answer);
    ret_answer->changed = true;
    return undone;
}

void list_keeper_clear(list_keeper_t *self, struct list_answer *ret_answer)
{
    assert(self && ret_answer);

    char kept[LIST_STORE_NAME_SIZE] = "";

    ip_list_clear(self->lists);
    unconfirmed_changes_clear(list_store_unconfirmed(self->store));
    int kernel = enforce(self);
    int rc = list_store_set_aside(self->store, kept);
    if (kernel != 0)
        answer(ret_answer, LIST_NOT_ENFORCED, "the kernel's lists cannot be emptied: %s",
               strerror(-kernel));
    else if (rc != 0 && rc != -ENOENT)
        answer(ret_answer, LIST_NOT_SAVED, "%s", strerror(-rc));
    else
        answer(ret_answer, LIST_OK, "%s", rc == 0 ? kept : "");
    self->version++;
    ret_answer->changed = true;
}

uint32_t list_keeper_expire(list_keeper_t *self, uint64_t boot_ns, int64_t wall_offset_ns,
                            struct list_answer *ret_answer)
{
    assert(self && ret_answer);

    uint32_t expired = ip_list_expire(self->lists, boot_ns);

    answer(ret_answer, LIST_OK, "%s", "");
    if (expired == 0)
        return 0;
    enforce(self);              /* the programs check expiry themselves: this only makes room */
    self->version++;
    self->is_unsaved = true;
    save(self, wall_offset_ns, ret_answer);
    ret_answer->changed = true;
    return expired;
}

/* Only the ends of entries and of the time to confirm are told by the wall clock. */
static bool has_clock_jumped(list_keeper_t *self, int64_t wall_offset_ns)
{
    int64_t moved_ns = wall_offset_ns - list_store_wall_offset_ns(self->store);

    return (moved_ns > MAX_CLOCK_SLIP_NS || moved_ns < -MAX_CLOCK_SLIP_NS)
        && (ip_list_next_expiry(self->lists) != 0
            || unconfirmed_changes_size(list_store_unconfirmed(self->store)) > 0);
}

void list_keeper_refresh(list_keeper_t *self, int64_t wall_offset_ns,
                         struct list_answer *ret_answer)
{
    assert(self && ret_answer);

    answer(ret_answer, LIST_OK, "%s", "");
    if (self->is_unsaved || has_clock_jumped(self, wall_offset_ns))
        save(self, wall_offset_ns, ret_answer);
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

const unconfirmed_changes_t *list_keeper_unconfirmed(const list_keeper_t *self)
{
    return list_store_unconfirmed(self->store);
}
