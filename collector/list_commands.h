/* list_commands - answers ListRequests on the bus: who may change the lists, and what they say.
 *
 * Anyone who can open the socket may read.  Changes are taken from our own uid, from root and from
 * the uids of the configuration, and from remote clients unless their key is read-only.  The last
 * 1024 answers to changes are remembered by request id: a client that heard nothing asks again
 * without doing it twice.  A change that would cut off somebody who is needed is refused unless the
 * request forces it (lockout_guard).
 */
#ifndef LIST_COMMANDS_H
#define LIST_COMMANDS_H

#include <czmq.h>

#include "config.h"
#include "list_keeper.h"
#include "remote_clients.h"
#include "surroundings.h"

#define LIST_MAX_TTL_S (100ull * 366 * 24 * 3600)

typedef struct list_commands list_commands_t;

/* Reads who else must not be cut off, beside who asks: surroundings_read(). */
typedef void surroundings_fn(struct surroundings *ret_surroundings);

/* Bind the REP socket.  `uids` and `keeper` must outlive the object.  `read` is NULL where nothing
 * can be cut off: synthetic and recorded traffic.
 * Returns 0, -EADDRINUSE when another collector has it, or another -errno. */
int list_commands_open(list_commands_t **ret_self, list_keeper_t *keeper, const char *endpoint,
                       int queue, const struct config_numbers *uids, surroundings_fn *read);

/* Take requests also over tcp, by what `remote` says of their senders; it must outlive the
 * object. */
void list_commands_trust(list_commands_t *self, remote_clients_t *remote);

void list_commands_destroy(list_commands_t **self_p);

/* Answer under this name, below COLLECTOR_ID_SIZE bytes, and refuse what is meant for another
 * collector. */
void list_commands_answer_as(list_commands_t *self, const char *collector_id);

/* Readable when a request has come; call list_commands_on_request() then. */
zsock_t *list_commands_socket(const list_commands_t *self);

/* Answer what waits, a bounded number of requests.  Returns true when there may be more. */
bool list_commands_on_request(list_commands_t *self);

/* Answer one request of the process of `uid` (negative: not known).  The caller frees *ret_bytes.
 * Returns 0 or -ENOMEM. */
int list_commands_answer(list_commands_t *self, const uint8_t *bytes, size_t size, long uid,
                         uint8_t **ret_bytes, size_t *ret_size);

#endif
