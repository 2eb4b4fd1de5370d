/* latest - the last snapshot, shared by the reactor and all HTTP threads under the one lock.
 *
 * A snapshot never changes once it is here.  Readers take a reference, format without the lock, and
 * release it.
 */
#ifndef LATEST_H
#define LATEST_H

#include "snapshot.h"

#define LATEST_STALE_S 3.0      /* older than this: the aggregator has stopped talking */

typedef struct latest latest_t;

enum peer_state { PEER_AWAY, PEER_STALE, PEER_LIVE };

/* "away", "stale", "live". */
extern const char *const PEER_STATE_WORDS[3];

/* Returns an object the caller destroys, or NULL when memory is short. */
latest_t *latest_new(void);
void latest_destroy(latest_t **self_p);

/* Make `snapshot` (from malloc; now the object's) the last one, received at `now_ns` (monotonic).
 * Returns 0, or -ENOMEM (the snapshot is freed then). */
int latest_put(latest_t *self, struct snapshot *snapshot, uint64_t now_ns);

/* Count a message that was dropped because it was none of ours. */
void latest_count_bad_message(latest_t *self);

/* A reader's hold on the last snapshot. */
struct latest_view {
    uint64_t bad_messages;              /* counted by latest_count_bad_message() since the start */
    const struct snapshot *snapshot;    /* an empty one when none has ever arrived; never NULL */
    uint64_t number;                    /* of this snapshot, counted from 1; 0 = none has arrived */
    enum peer_state state;              /* of the aggregator; PEER_AWAY = none has ever arrived */
    double age_s;                       /* since it was received; infinite when none has */
    void *hold;                         /* latest_release() */
};

/* Take the last snapshot as of `now_ns`.  Any thread.  Give it back with latest_release(). */
struct latest_view latest_take(latest_t *self, uint64_t now_ns);
void latest_release(struct latest_view *view);

#endif
