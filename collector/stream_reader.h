/* stream_reader - reads a recorded stream batch by batch, and says where it is damaged.
 */
#ifndef STREAM_READER_H
#define STREAM_READER_H

#include "packet_batch.h"

typedef struct stream_reader stream_reader_t;

/* Open the file.  Returns 0 or -errno. */
int stream_reader_open(stream_reader_t **ret_self, const char *path);

void stream_reader_destroy(stream_reader_t **self_p);

/* Read and check the next batch.  The caller closes the view; *ret_bytes are ours until the next
 * call.  Returns 1, 0 at the end of the file, -ENODATA when it ends inside a batch, -EBADMSG when
 * what comes is no batch, or another -errno.  After 0 or an error: the same again. */
int stream_reader_next(stream_reader_t *self, struct packet_view *ret_view,
                       const uint8_t **ret_bytes, size_t *ret_size);

/* Bytes of whole batches read so far: where a batch that failed begins. */
uint64_t stream_reader_offset(const stream_reader_t *self);

/* Bytes of the file, 0 if that is not known (a pipe). */
uint64_t stream_reader_size(const stream_reader_t *self);

#endif
