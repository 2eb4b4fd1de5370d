/* stream_recorder - writes the stream of packet batches to a file, as --replay reads it.
 *
 * Format: for each batch its length as a protobuf varint, then the PacketBatch.  The file ends with
 * a whole batch at any time, also when the disk is full.
 */
#ifndef STREAM_RECORDER_H
#define STREAM_RECORDER_H

#include <stddef.h>
#include <stdint.h>

#define RECORDED_MAX_BATCH (1024 * 1024)        /* bytes; the bus takes no more either */

typedef struct stream_recorder stream_recorder_t;

/* Make the file, or empty it if it is there.  Returns 0 or -errno. */
int stream_recorder_open(stream_recorder_t **ret_self, const char *path);

void stream_recorder_destroy(stream_recorder_t **self_p);

/* Append one batch.  Returns 0 or -errno; after an error nothing is written any more. */
int stream_recorder_write(stream_recorder_t *self, const uint8_t *bytes, size_t size);

/* 0, or the -errno at which recording has stopped. */
int stream_recorder_error(const stream_recorder_t *self);

#endif
