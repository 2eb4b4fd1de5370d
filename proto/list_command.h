/* list_command - codecs of ListRequest and ListReply: the blacklist and whitelist over the bus.
 */
#ifndef LIST_COMMAND_H
#define LIST_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ip_addr.h"
#include "packet_batch.h"

#define LIST_REASON_SIZE 201    /* longest reason in bytes and its NUL */
#define LIST_ERROR_SIZE 400     /* longest sentence and its NUL */
#define LIST_PAGE_MAX 2000      /* entries of one reply */

#define LIST_CONFIRM_MAX_S 3600 /* longest time to confirm a change */

enum list_op {
    LIST_OP_LIST = 0,
    LIST_OP_ADD = 1,
    LIST_OP_REMOVE = 2,
    LIST_OP_CONFIRM = 3,
    LIST_OP_UNDO = 4,
    LIST_OP_UNCONFIRMED = 5,
    LIST_OP_FLUSH = 6,          /* forget both lists and set their file aside */
};
enum list_name { LIST_BLACK = 0, LIST_WHITE = 1, LIST_NAMES = 2 };

enum list_code {
    LIST_OK = 0,
    LIST_BAD_REQUEST = 1,
    LIST_NOT_FOUND = 2,
    LIST_FULL = 3,
    LIST_NOT_SAVED = 4,         /* the disk refused; nothing has changed */
    LIST_NOT_ALLOWED = 5,       /* the peer may not change lists */
    LIST_REFUSED_VERSION = 6,   /* the lists have changed since expected_version */
    LIST_NOT_ENFORCED = 7,      /* the kernel refused; nothing has changed */
    LIST_LOCK_OUT = 8,          /* it would cut off who is needed, without `force` */
};

/* Fields: ntc.proto, messages ListRequest, ListReply, ListEntry. */
struct list_request {
    uint64_t request_id;
    enum list_op op;
    enum list_name list;
    char prefix[IP_PREFIX_TEXT_SIZE + 30];  /* as the client wrote it, not yet checked */
    uint64_t ttl_s;
    char reason[LIST_REASON_SIZE];
    char after[IP_PREFIX_TEXT_SIZE];
    uint32_t limit;
    uint64_t expected_version;
    char collector_id[COLLECTOR_ID_SIZE];   /* "" = whoever hears it */
    struct ip_addr client;      /* all zeros = not known */
    bool force;
    uint32_t confirm_s;
    uint64_t change_id;
};

struct list_entry_row {
    char prefix[IP_PREFIX_TEXT_SIZE];
    uint64_t expires_unix_ns;   /* 0 = never */
    char reason[LIST_REASON_SIZE];
    uint64_t added_unix_ns;     /* 0 = not known */
    uint64_t hit_packets;
    uint64_t hit_bytes;
    uint64_t last_hit_unix_ns;  /* 0 = never */
    uint64_t unconfirmed_until_unix_ns;     /* 0 = final */
    uint64_t change_id;
    enum list_name list;        /* with LIST_OP_UNCONFIRMED, as is the next */
    bool removed;
};

struct list_reply {
    uint64_t request_id;
    enum list_code code;
    char error[LIST_ERROR_SIZE];
    uint64_t list_version;
    char prefix[IP_PREFIX_TEXT_SIZE];
    uint32_t entry_count;
    struct list_entry_row *entries;     /* from malloc, list_reply_clear() frees it */
    bool more;
    uint32_t total;
    bool changed;
    uint64_t unconfirmed_until_unix_ns;     /* 0 = final */
    char collector_id[COLLECTOR_ID_SIZE];   /* who answers */
};

/* Encode; the caller frees *ret_bytes.  Return 0 or -ENOMEM. */
int list_request_encode(const struct list_request *request, uint8_t **ret_bytes, size_t *ret_size);
int list_reply_encode(const struct list_reply *reply, uint8_t **ret_bytes, size_t *ret_size);

/* Decode and check a message that may come from anybody.
 * Return 0, -EBADMSG or -ENOMEM.  On success the caller clears the reply. */
int list_request_decode(struct list_request *ret_request, const uint8_t *bytes, size_t size);
int list_reply_decode(struct list_reply *ret_reply, const uint8_t *bytes, size_t size);

void list_reply_clear(struct list_reply *reply);

#endif
