/* replay_source - a recorded stream as a packet source: the very same batches again.
 *
 * Waits for the first listener, then sends every batch as it was recorded: same bytes, same
 * collector_id, boot_id, numbers and times.  Between them it reports at each second of the recorded
 * clock, so that two replays of a file are the same messages in the same order at any speed.
 * The stream is lossless: a slow subscriber slows it down.
 */
#ifndef REPLAY_SOURCE_H
#define REPLAY_SOURCE_H

#include "packet_source.h"

#define REPLAY_UNPACED 0.0      /* speed: as fast as the bus takes it */

typedef struct replay_source replay_source_t;

/* Open `path` and read its first batch.  `speed`: 1 = the recorded pace.
 * Returns 0, or -errno with a sentence in `why` (at least 512 bytes): no such file, nothing in it,
 * or its very beginning is no batch. */
int replay_source_open(replay_source_t **ret_self, const char *path, double speed,
                       char *why, size_t why_size);

void replay_source_destroy(replay_source_t **self_p);

/* Ours, valid until the source is destroyed. */
struct packet_source *replay_source_packets(replay_source_t *self);

/* Write what was replayed and how fast: "1,234 records, ...".  For people. */
void replay_source_summary(const replay_source_t *self, char *text, size_t size);

#endif
