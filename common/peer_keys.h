/* peer_keys - the folder with the CURVE keys of encrypted connections (bus.keys).
 *
 *   secret.key           our own; whoever has it can pass for us
 *   public.key           what others need to know us
 *   clients/NAME.key     public keys of the machines that may connect to our collector
 *   collectors/HOST.key  public keys of the collectors that we connect to; HOST is the word that
 *                        stands in bus.collectors
 *
 * A key is 32 bytes, written as one line of 64 hexadecimal digits, which no shell and no editor
 * changes; behind a client's key may stand "read-only".  Lines that begin with "#" are comments.
 */
#ifndef PEER_KEYS_H
#define PEER_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"

#define PEER_KEY_SUFFIX ".key"
#define PEER_KEY_TEXT_SIZE 65   /* a key in hexadecimal and its NUL */

struct peer_key {
    uint8_t bytes[32];
};

struct peer_key_pair {
    struct peer_key public, secret;
};

/* Write the key in hexadecimal. */
void peer_key_format(const struct peer_key *key, char text[PEER_KEY_TEXT_SIZE]);

/* Read what peer_key_format() wrote; capital letters will do, and blanks may follow, with anything
 * behind them.  Returns false when it is no key. */
bool peer_key_parse(const char *text, struct peer_key *ret_key);

/* Read a public key from the file `path`.  `*ret_is_read_only`: the word stands behind it; NULL:
 * it may not stand there.
 * Returns 0, -EINVAL when the file holds no key, or -errno when it cannot be read, with a sentence
 * in `why` that begins with the path. */
int peer_keys_read(const char *path, struct peer_key *ret_key, bool *ret_is_read_only, char *why,
                   size_t why_size);

/* Read our own pair from `folder`.  A secret that everybody may read is refused.
 * Returns 0, -EINVAL, -EPERM or -errno, with a sentence in `why` that says what to do. */
int peer_keys_read_own(const char *folder, struct peer_key_pair *ret_pair, char *why,
                       size_t why_size);

/* Read the public key of the collector at `endpoint`, which is a tcp one, from `folder`.
 * Returns 0 or as peer_keys_read() does, with a sentence in `why` that says what to do. */
int peer_keys_read_collector(const char *folder, const char *endpoint, struct peer_key *ret_key,
                             char *why, size_t why_size);

/* Make a new pair in `folder`, and its subfolders; what is missing of the path but the last part is
 * an error.  The secret is 0600, or 0640 when the folder hands its group on (set-group-ID bit).
 * Returns 0, -EEXIST when there is a secret already (it stays), or -errno, with a sentence in
 * `why`. */
int peer_keys_make(const char *folder, struct peer_key *ret_public, char *why, size_t why_size);

/* Check that our own pair is there when the aggregator or the gateway needs it: a collector of
 * bus.collectors is on another host.  Returns 0, or -errno with a sentence in `why`. */
int peer_keys_check(const struct config *config, char *why, size_t why_size);

#endif
