/* client_keys - which machines may connect to us: the key files in bus.keys/clients.
 *
 * The folder is looked at again and again: a file that is added lets its machine in, one that is
 * removed shuts it out.
 */
#ifndef CLIENT_KEYS_H
#define CLIENT_KEYS_H

#include "peer_keys.h"

#define CLIENT_KEYS_MAX 256     /* files; more are not read */
#define CLIENT_NAME_SIZE 64     /* a name and its NUL; longer ones are cut */

struct client_key {
    char name[CLIENT_NAME_SIZE];    /* of the file, without its suffix */
    struct peer_key key;
    bool is_read_only;              /* may not change the lists */
    bool is_greeted;                /* for the caller: it was logged */
};

typedef struct client_keys client_keys_t;

/* Called with a sentence about a file that is of no use. */
typedef void client_keys_report_fn(const char *sentence, void *arg);

/* Make an empty table for the folder `keys`, which is bus.keys.  Returns a table the caller
 * destroys, or NULL when memory is short. */
client_keys_t *client_keys_new(const char *keys);

void client_keys_destroy(client_keys_t **self_p);

/* Read the folder if a file in it has changed since the last call.  A folder or file that cannot be
 * read is reported, once per change, and lets nobody in.
 * Returns how many keys have gone.  Cost: one stat() per file. */
unsigned client_keys_refresh(client_keys_t *self, client_keys_report_fn *report, void *arg);

/* The client with this key, or NULL.  Valid until the next refresh. */
struct client_key *client_keys_find(client_keys_t *self, const struct peer_key *key);

unsigned client_keys_size(const client_keys_t *self);

#endif
