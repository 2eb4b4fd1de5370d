#include "list_command.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ntc.pb-c.h"
#include "wire_message.h"

/* ---- requests ---- */

int list_request_encode(const struct list_request *request, uint8_t **ret_bytes, size_t *ret_size)
{
    assert(request);

    Ntc__ListRequest message = NTC__LIST_REQUEST__INIT;

    message.request_id = request->request_id;
    message.op = (Ntc__ListRequest__Op) request->op;
    message.list = (Ntc__ListRequest__List) request->list;
    message.prefix = (char *) request->prefix;
    message.ttl_s = request->ttl_s;
    message.reason = (char *) request->reason;
    message.after = (char *) request->after;
    message.limit = request->limit;
    message.expected_version = request->expected_version;
    message.collector_id = (char *) request->collector_id;
    message.force = request->force;
    message.confirm_s = request->confirm_s;
    message.change_id = request->change_id;
    message.client = (ProtobufCBinaryData) { sizeof request->client.bytes,
                                             (uint8_t *) request->client.bytes };
    return wire_message_pack(&message.base, ret_bytes, ret_size);
}

static bool read_request(const Ntc__ListRequest *message, struct list_request *request)
{
    if ((unsigned) message->op > LIST_OP_FLUSH || (unsigned) message->list >= LIST_NAMES
        || message->limit > LIST_PAGE_MAX
        || (message->client.len != 0 && message->client.len != sizeof request->client.bytes))
        return false;
    if (message->client.len > 0)
        memcpy(request->client.bytes, message->client.data, sizeof request->client.bytes);
    request->request_id = message->request_id;
    request->op = (enum list_op) message->op;
    request->list = (enum list_name) message->list;
    request->ttl_s = message->ttl_s;
    request->limit = message->limit > 0 ? message->limit : LIST_PAGE_MAX;
    request->expected_version = message->expected_version;
    request->force = message->force;
    request->confirm_s = message->confirm_s;
    request->change_id = message->change_id;
    return wire_message_utf8(request->prefix, sizeof request->prefix, message->prefix)
        && wire_message_utf8(request->reason, sizeof request->reason, message->reason)
        && wire_message_ascii(request->after, sizeof request->after, message->after)
        && wire_message_ascii(request->collector_id, sizeof request->collector_id,
                              message->collector_id);
}

int list_request_decode(struct list_request *ret_request, const uint8_t *bytes, size_t size)
{
    assert(ret_request);

    struct list_request request = { 0 };
    ProtobufCMessage *base;
    int rc = wire_message_unpack(&ntc__list_request__descriptor, bytes, size, &base);
    if (rc != 0)
        return rc;
    bool is_valid = read_request((const Ntc__ListRequest *) base, &request);
    wire_message_free(base);
    if (!is_valid)
        return -EBADMSG;
    *ret_request = request;
    return 0;
}

/* ---- replies ---- */

static void fill_entry(Ntc__ListEntry *message, const struct list_entry_row *row)
{
    *message = (Ntc__ListEntry) NTC__LIST_ENTRY__INIT;
    message->prefix = (char *) row->prefix;
    message->expires_unix_ns = row->expires_unix_ns;
    message->reason = (char *) row->reason;
    message->added_unix_ns = row->added_unix_ns;
    message->hit_packets = row->hit_packets;
    message->hit_bytes = row->hit_bytes;
    message->last_hit_unix_ns = row->last_hit_unix_ns;
    message->unconfirmed_until_unix_ns = row->unconfirmed_until_unix_ns;
    message->change_id = row->change_id;
    message->list = (Ntc__ListRequest__List) row->list;
    message->removed = row->removed;
}

int list_reply_encode(const struct list_reply *reply, uint8_t **ret_bytes, size_t *ret_size)
{
    assert(reply && reply->entry_count <= LIST_PAGE_MAX);

    Ntc__ListReply message = NTC__LIST_REPLY__INIT;
    size_t count = reply->entry_count;
    Ntc__ListEntry *entries = calloc(count + 1, sizeof *entries);
    Ntc__ListEntry **list = calloc(count + 1, sizeof *list);
    int rc = -ENOMEM;

    if (!entries || !list)
        goto out;
    for (size_t i = 0; i < count; i++) {
        fill_entry(&entries[i], &reply->entries[i]);
        list[i] = &entries[i];
    }
    message.request_id = reply->request_id;
    message.code = (Ntc__ListReply__Code) reply->code;
    message.error = (char *) reply->error;
    message.list_version = reply->list_version;
    message.prefix = (char *) reply->prefix;
    message.n_entries = count;
    message.entries = list;
    message.more = reply->more;
    message.total = reply->total;
    message.changed = reply->changed;
    message.unconfirmed_until_unix_ns = reply->unconfirmed_until_unix_ns;
    message.collector_id = (char *) reply->collector_id;
    rc = wire_message_pack(&message.base, ret_bytes, ret_size);
out:
    free(list);
    free(entries);
    return rc;
}

static bool read_entry(const Ntc__ListEntry *message, struct list_entry_row *row)
{
    row->expires_unix_ns = message->expires_unix_ns;
    row->added_unix_ns = message->added_unix_ns;
    row->hit_packets = message->hit_packets;
    row->hit_bytes = message->hit_bytes;
    row->last_hit_unix_ns = message->last_hit_unix_ns;
    row->unconfirmed_until_unix_ns = message->unconfirmed_until_unix_ns;
    row->change_id = message->change_id;
    row->list = (enum list_name) message->list;
    row->removed = message->removed;
    return (unsigned) message->list < LIST_NAMES
        && wire_message_ascii(row->prefix, sizeof row->prefix, message->prefix)
        && row->prefix[0] != '\0'
        && wire_message_utf8(row->reason, sizeof row->reason, message->reason);
}

static int read_entries(const Ntc__ListReply *message, struct list_reply *reply)
{
    if (message->n_entries == 0)
        return 0;
    if (message->n_entries > LIST_PAGE_MAX)
        return -EBADMSG;
    reply->entries = calloc(message->n_entries, sizeof *reply->entries);
    if (!reply->entries)
        return -ENOMEM;
    reply->entry_count = (uint32_t) message->n_entries;
    for (size_t i = 0; i < message->n_entries; i++)
        if (!read_entry(message->entries[i], &reply->entries[i]))
            return -EBADMSG;
    return 0;
}

static int read_reply(const Ntc__ListReply *message, struct list_reply *reply)
{
    reply->request_id = message->request_id;
    reply->code = (enum list_code) message->code;
    reply->list_version = message->list_version;
    reply->more = message->more;
    reply->total = message->total;
    reply->changed = message->changed;
    reply->unconfirmed_until_unix_ns = message->unconfirmed_until_unix_ns;
    if ((unsigned) message->code > LIST_LOCK_OUT
        || !wire_message_utf8(reply->error, sizeof reply->error, message->error)
        || !wire_message_ascii(reply->prefix, sizeof reply->prefix, message->prefix)
        || !wire_message_ascii(reply->collector_id, sizeof reply->collector_id,
                               message->collector_id))
        return -EBADMSG;
    return read_entries(message, reply);
}

int list_reply_decode(struct list_reply *ret_reply, const uint8_t *bytes, size_t size)
{
    assert(ret_reply);

    struct list_reply reply = { 0 };
    ProtobufCMessage *base;
    int rc = wire_message_unpack(&ntc__list_reply__descriptor, bytes, size, &base);
    if (rc != 0)
        return rc;
    rc = read_reply((const Ntc__ListReply *) base, &reply);
    wire_message_free(base);
    if (rc == 0)
        *ret_reply = reply;
    else
        list_reply_clear(&reply);
    return rc;
}

void list_reply_clear(struct list_reply *reply)
{
    assert(reply);
    free(reply->entries);
    memset(reply, 0, sizeof *reply);
}
