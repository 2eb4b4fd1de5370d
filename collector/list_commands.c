#include "list_commands.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "lockout_guard.h"
#include "log.h"
#include "zsock_setup.h"

#define REMEMBERED 1024
#define REQUESTS_AT_ONCE 64

struct remembered {
    uint64_t request_id;        /* 0 = empty */
    uint8_t *bytes;             /* the reply, from malloc */
    size_t size;
};

struct list_commands {
    list_keeper_t *keeper;
    struct bound_socket bound;
    const struct config_numbers *uids;
    char collector_id[COLLECTOR_ID_SIZE];
    remote_clients_t *remote;   /* NULL = there are none */
    struct remembered remembered[REMEMBERED];
    uint32_t next;              /* the oldest of them, written next */
    struct ip_addr peer;        /* who sent the request over the network; zeros = not known */
    surroundings_fn *read_surroundings;         /* NULL: nothing is cut off by a synthetic source */
    struct surroundings surroundings;
    uint64_t surroundings_ns;   /* when they were read, CLOCK_BOOTTIME; 0 = never */
};

int list_commands_open(list_commands_t **ret_self, list_keeper_t *keeper, const char *endpoint,
                       int queue, const struct config_numbers *uids, surroundings_fn *read)
{
    assert(ret_self && keeper && endpoint && uids);

    list_commands_t *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    self->keeper = keeper;
    self->uids = uids;
    self->read_surroundings = read;
    int rc = zsock_setup_bind(&self->bound, ZMQ_REP, endpoint, queue);
    if (rc != 0) {
        free(self);
        return rc;
    }
    *ret_self = self;
    return 0;
}

void list_commands_trust(list_commands_t *self, remote_clients_t *remote)
{
    self->remote = remote;
}

void list_commands_destroy(list_commands_t **self_p)
{
    assert(self_p);

    list_commands_t *self = *self_p;
    if (!self)
        return;
    zsock_setup_unbind(&self->bound);
    for (int i = 0; i < REMEMBERED; i++)
        free(self->remembered[i].bytes);
    free(self);
    *self_p = NULL;
}

void list_commands_answer_as(list_commands_t *self, const char *collector_id)
{
    assert(self && collector_id);
    snprintf(self->collector_id, sizeof self->collector_id, "%s", collector_id);
}

zsock_t *list_commands_socket(const list_commands_t *self)
{
    return self->bound.socket;
}

static bool may_change(const list_commands_t *self, long uid)
{
    if (uid < 0)
        return false;
    if (uid == 0 || uid == (long) geteuid())
        return true;
    for (uint32_t i = 0; i < self->uids->size; i++)
        if (uid == (long) self->uids->items[i])
            return true;
    return false;
}

static void refuse(struct list_reply *reply, enum list_code code, const char *error)
{
    reply->code = code;
    snprintf(reply->error, sizeof reply->error, "%s", error);
}

static uint64_t unix_of(uint64_t boot_ns, int64_t wall_offset_ns)
{
    return boot_ns == 0 ? 0 : boot_ns + (uint64_t) wall_offset_ns;
}

/* ---- reading ---- */

static void fill_row(const list_commands_t *self, enum ntc_list list,
                     const struct ip_list_entry *entry, int64_t wall_offset_ns,
                     struct list_entry_row *row)
{
    struct kernel_list_hits hits = list_keeper_hits(self->keeper, list, &entry->prefix);

    ip_prefix_format(&entry->prefix, row->prefix);
    const struct unconfirmed_change *change
        = unconfirmed_changes_find(list_keeper_unconfirmed(self->keeper), list, &entry->prefix);

    row->expires_unix_ns = unix_of(change ? change->expires_ns : entry->expires_ns,
                                   wall_offset_ns);
    if (change) {
        row->unconfirmed_until_unix_ns = unix_of(change->until_ns, wall_offset_ns);
        row->change_id = change->id;
    }
    snprintf(row->reason, sizeof row->reason, "%s", entry->reason);
    row->added_unix_ns = entry->added_unix_ns;
    row->hit_packets = hits.packets;
    row->hit_bytes = hits.bytes;
    row->last_hit_unix_ns = unix_of(hits.last_ns, wall_offset_ns);
}

static int list_entries(const list_commands_t *self, const struct list_request *request,
                        struct list_reply *reply)
{
    ip_list_t *lists = list_keeper_lists(self->keeper);
    enum ntc_list list = (enum ntc_list) request->list;
    int64_t wall_offset_ns = clock_wall_offset_ns();
    struct ip_prefix after;
    char why[200];
    uint32_t position = 0;

    if (request->after[0] != '\0') {
        if (ip_prefix_parse(request->after, &after, why, sizeof why) != 0) {
            refuse(reply, LIST_BAD_REQUEST, why);
            return 0;
        }
        position = ip_list_position_after(lists, list, &after);
    }
    reply->total = ip_list_size(lists, list);
    reply->entry_count = reply->total - position;
    if (reply->entry_count > request->limit)
        reply->entry_count = request->limit;
    reply->more = position + reply->entry_count < reply->total;
    if (reply->entry_count == 0)
        return 0;
    reply->entries = calloc(reply->entry_count, sizeof *reply->entries);
    if (!reply->entries)
        return -ENOMEM;
    for (uint32_t i = 0; i < reply->entry_count; i++)
        fill_row(self, list, ip_list_at(lists, list, position + i), wall_offset_ns,
                 &reply->entries[i]);
    return 0;
}

static int unconfirmed(const list_commands_t *self, struct list_reply *reply)
{
    const unconfirmed_changes_t *table = list_keeper_unconfirmed(self->keeper);
    int64_t wall_offset_ns = clock_wall_offset_ns();

    reply->total = reply->entry_count = unconfirmed_changes_size(table);
    reply->entries = calloc(reply->entry_count + 1, sizeof *reply->entries);
    if (!reply->entries)
        return -ENOMEM;
    for (uint32_t i = 0; i < reply->entry_count; i++) {
        const struct unconfirmed_change *change = unconfirmed_changes_at(table, i);
        struct list_entry_row *row = &reply->entries[i];
        ip_prefix_format(&change->prefix, row->prefix);
        row->expires_unix_ns = unix_of(change->expires_ns, wall_offset_ns);
        row->unconfirmed_until_unix_ns = unix_of(change->until_ns, wall_offset_ns);
        row->change_id = change->id;
        row->list = (enum list_name) change->list;
        row->removed = change->is_removal;
    }
    return 0;
}

/* ---- changing ---- */

/* Lists may change a hundred times a second; the surroundings do not. */
static const struct surroundings *surroundings_at(list_commands_t *self, uint64_t boot_ns)
{
    if (self->read_surroundings
        && (self->surroundings_ns == 0 || boot_ns - self->surroundings_ns >= NS_PER_S)) {
        self->read_surroundings(&self->surroundings);
        self->surroundings_ns = boot_ns;
    }
    return &self->surroundings;
}

/* Would it cut off somebody who is needed?  Writes the reply then. */
static bool is_lockout(list_commands_t *self, const struct list_request *request,
                       const struct ip_list_entry *entry, struct list_reply *reply)
{
    const struct list_edit edit = { .list = (enum ntc_list) request->list, .prefix = entry->prefix,
                                    .is_removal = request->op == LIST_OP_REMOVE,
                                    .expires_ns = entry->expires_ns };
    const struct ip_addr askers[LOCKOUT_ASKERS] = { request->client, self->peer };
    uint64_t boot_ns = clock_boot_ns();

    if (request->force
        || !lockout_guard_refuses(list_keeper_lists(self->keeper), &edit,
                                  surroundings_at(self, boot_ns), askers, boot_ns, reply->error,
                                  sizeof reply->error))
        return false;
    reply->code = LIST_LOCK_OUT;
    return true;
}

/* Confirm or undo a change that waits. */
static void settle(list_commands_t *self, const struct list_request *request,
                   struct list_reply *reply)
{
    int64_t wall_offset_ns = clock_wall_offset_ns();
    struct list_answer answer;

    list_keeper_undo_due(self->keeper, clock_boot_ns(), wall_offset_ns, &answer); /* not too late */
    const struct unconfirmed_change *change
        = unconfirmed_changes_of(list_keeper_unconfirmed(self->keeper), request->change_id);
    if (change)
        ip_prefix_format(&change->prefix, reply->prefix);
    if (request->op == LIST_OP_CONFIRM)
        list_keeper_confirm(self->keeper, request->change_id, wall_offset_ns, &answer);
    else
        list_keeper_undo(self->keeper, request->change_id, wall_offset_ns, &answer);
    refuse(reply, answer.code, answer.error);
    reply->changed = answer.changed;
    log_debug("%s change %016" PRIx64 ": %s", request->op == LIST_OP_CONFIRM ? "confirm" : "undo",
              request->change_id, answer.code == LIST_OK ? "done" : answer.error);
}

/* Is the time to confirm one that makes sense?  Writes the reply if not. */
static bool has_good_condition(const struct list_request *request, struct list_reply *reply)
{
    if (request->confirm_s == 0)
        return true;
    if (request->confirm_s > LIST_CONFIRM_MAX_S || request->change_id == 0)
        refuse(reply, LIST_BAD_REQUEST, "confirm_s is more than an hour, or the change has no id");
    else if (request->ttl_s != 0 && request->ttl_s <= request->confirm_s)
        refuse(reply, LIST_BAD_REQUEST, "confirm_s must be less than ttl: the entry would end "
               "before it is confirmed");
    else
        return true;
    return false;
}

static void change(list_commands_t *self, const struct list_request *request,
                   struct list_reply *reply)
{
    enum ntc_list list = (enum ntc_list) request->list;
    int64_t wall_offset_ns = clock_wall_offset_ns();
    struct ip_list_entry entry = { .reason = request->reason };
    struct list_answer answer;
    char why[200];

    if (ip_prefix_parse(request->prefix, &entry.prefix, why, sizeof why) != 0) {
        refuse(reply, LIST_BAD_REQUEST, why);
        return;
    }
    ip_prefix_format(&entry.prefix, reply->prefix);
    if (request->ttl_s > LIST_MAX_TTL_S) {
        refuse(reply, LIST_BAD_REQUEST, "ttl is more than 100 years: leave it out for ever");
        return;
    }
    if (request->op == LIST_OP_ADD && request->ttl_s > 0)
        entry.expires_ns = clock_boot_ns() + request->ttl_s * NS_PER_S;
    if (!has_good_condition(request, reply) || is_lockout(self, request, &entry, reply))
        return;
    const struct list_condition condition = {
        .id = request->change_id, .until_ns = clock_boot_ns() + request->confirm_s * NS_PER_S };
    const struct list_condition *if_any = request->confirm_s > 0 ? &condition : NULL;
    if (request->op == LIST_OP_ADD) {
        entry.added_unix_ns = clock_wall_ns();
        list_keeper_add(self->keeper, list, &entry, if_any, wall_offset_ns, &answer);
    } else {
        list_keeper_remove(self->keeper, list, &entry.prefix, if_any, wall_offset_ns, &answer);
    }
    refuse(reply, answer.code, answer.error);
    reply->changed = answer.changed;
    if (if_any && unconfirmed_changes_of(list_keeper_unconfirmed(self->keeper), condition.id))
        reply->unconfirmed_until_unix_ns = unix_of(condition.until_ns, wall_offset_ns);
    log_debug("%s %s, %s: %s", request->op == LIST_OP_ADD ? "add" : "remove", reply->prefix,
              list == NTC_BLACK ? "blacklist" : "whitelist",
              answer.code == LIST_OK ? "done" : answer.error);
}

static void flush(list_commands_t *self, struct list_reply *reply)
{
    struct list_answer answer;

    list_keeper_clear(self->keeper, &answer);
    refuse(reply, answer.code, answer.error);
    reply->changed = true;
    log_warning("ntc-collector --flush: both lists are empty now%s%s",
                answer.code == LIST_OK ? answer.error[0] != '\0' ? ", the file is " : ""
                                       : ", but: ", answer.error);
}

static const struct remembered *find_remembered(const list_commands_t *self, uint64_t request_id)
{
    for (int i = 0; request_id != 0 && i < REMEMBERED; i++)
        if (self->remembered[i].request_id == request_id)
            return &self->remembered[i];
    return NULL;
}

/* Without memory for it the client is only answered anew should it ask again. */
static void remember(list_commands_t *self, uint64_t request_id, const uint8_t *bytes, size_t size)
{
    struct remembered *place = &self->remembered[self->next];
    uint8_t *copy = request_id != 0 ? malloc(size) : NULL;

    if (!copy)
        return;
    memcpy(copy, bytes, size);
    free(place->bytes);
    *place = (struct remembered) { request_id, copy, size };
    self->next = (self->next + 1) % REMEMBERED;
}

static int answer_again(const struct remembered *remembered, uint8_t **ret_bytes, size_t *ret_size)
{
    *ret_bytes = malloc(remembered->size);
    if (!*ret_bytes)
        return -ENOMEM;
    memcpy(*ret_bytes, remembered->bytes, remembered->size);
    *ret_size = remembered->size;
    return 0;
}

/* ---- answering ---- */

static int finish(list_commands_t *self, struct list_reply *reply, uint8_t **ret_bytes,
                  size_t *ret_size)
{
    reply->list_version = list_keeper_version(self->keeper);
    snprintf(reply->collector_id, sizeof reply->collector_id, "%s", self->collector_id);
    int rc = list_reply_encode(reply, ret_bytes, ret_size);
    list_reply_clear(reply);
    return rc;
}

int list_commands_answer(list_commands_t *self, const uint8_t *bytes, size_t size, long uid,
                         uint8_t **ret_bytes, size_t *ret_size)
{
    assert(self && ret_bytes && ret_size);

    struct list_request request;
    struct list_reply reply = { 0 };
    int rc = list_request_decode(&request, bytes, size);

    if (rc != 0) {
        refuse(&reply, LIST_BAD_REQUEST, rc == -ENOMEM ? "out of memory"
                                                       : "this is no ListRequest");
        return finish(self, &reply, ret_bytes, ret_size);
    }
    if (request.collector_id[0] != '\0' && strcmp(request.collector_id, self->collector_id) != 0) {
        reply.request_id = request.request_id;
        snprintf(reply.error, sizeof reply.error, "this is collector \"%s\", not \"%s\"",
                 self->collector_id, request.collector_id);
        reply.code = LIST_BAD_REQUEST;
        return finish(self, &reply, ret_bytes, ret_size);
    }
    bool is_change = request.op != LIST_OP_LIST && request.op != LIST_OP_UNCONFIRMED;
    reply.request_id = request.request_id;
    if (is_change && !may_change(self, uid)) {
        if (uid < 0)
            snprintf(reply.error, sizeof reply.error, "this host may not change the lists: its key "
                     "is read-only at the collector");
        else
            snprintf(reply.error, sizeof reply.error, "user %ld may not change the lists: see "
                     "bus.command_uids", uid);
        reply.code = LIST_NOT_ALLOWED;
        return finish(self, &reply, ret_bytes, ret_size);
    }
    const struct remembered *remembered = is_change ? find_remembered(self, request.request_id)
                                                    : NULL;
    if (remembered)
        return answer_again(remembered, ret_bytes, ret_size);
    if (request.expected_version != 0
        && request.expected_version != list_keeper_version(self->keeper)) {
        refuse(&reply, LIST_REFUSED_VERSION, "the lists have changed meanwhile: read them again");
        return finish(self, &reply, ret_bytes, ret_size);
    }
    if (request.op == LIST_OP_LIST)
        rc = list_entries(self, &request, &reply);
    else if (request.op == LIST_OP_UNCONFIRMED)
        rc = unconfirmed(self, &reply);
    else if (request.op == LIST_OP_FLUSH)
        flush(self, &reply);
    else if (request.op == LIST_OP_CONFIRM || request.op == LIST_OP_UNDO)
        settle(self, &request, &reply);
    else
        change(self, &request, &reply);
    if (rc == 0)
        rc = finish(self, &reply, ret_bytes, ret_size);
    if (rc == 0 && is_change)
        remember(self, request.request_id, *ret_bytes, *ret_size);
    return rc;
}

/* Who asks: over tcp, whoever may change the lists stands for ourselves. */
static long uid_of(const list_commands_t *self, zmq_msg_t *message)
{
    long uid = zsock_setup_peer_uid(message);

    return uid < 0 && remote_clients_may_change(self->remote, message) ? (long) geteuid() : uid;
}

/* Take one request off the socket and answer it.  A request of several frames is none, but REP must
 * answer it before it hears another.  Returns false when none waits. */
static bool serve_one(list_commands_t *self)
{
    void *handle = zsock_resolve(self->bound.socket);
    zmq_msg_t message;
    uint8_t *bytes = NULL;
    size_t size = 0;
    bool whole = true;

    zmq_msg_init(&message);
    if (zmq_msg_recv(&message, handle, ZMQ_DONTWAIT) < 0) {
        zmq_msg_close(&message);
        return false;
    }
    while (zmq_msg_more(&message)) {
        whole = false;
        if (zmq_msg_recv(&message, handle, ZMQ_DONTWAIT) < 0)
            break;
    }
    self->peer = zsock_setup_peer_addr(&message);
    int rc = list_commands_answer(self, zmq_msg_data(&message),
                                  whole ? zmq_msg_size(&message) : SIZE_MAX,
                                  uid_of(self, &message), &bytes, &size);
    zmq_msg_close(&message);
    zmq_send(handle, bytes, rc == 0 ? size : 0, ZMQ_DONTWAIT);
    free(bytes);
    return true;
}

bool list_commands_on_request(list_commands_t *self)
{
    for (int i = 0; i < REQUESTS_AT_ONCE; i++)
        if (!serve_one(self))
            return false;
    return true;
}
