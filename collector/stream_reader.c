#include "stream_reader.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "stream_recorder.h"

#define READ_BUFFER (256 * 1024)

struct stream_reader {
    FILE *file;
    uint64_t offset;
    uint64_t size;
    int state;                  /* 1 = go on, else what every call returns */
    uint8_t bytes[RECORDED_MAX_BATCH];
};

int stream_reader_open(stream_reader_t **ret_self, const char *path)
{
    assert(ret_self && path);

    struct stat info;
    stream_reader_t *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    self->state = 1;
    self->file = fopen(path, "re");
    int rc = !self->file || fstat(fileno(self->file), &info) != 0 ? -errno : 0;
    if (rc == 0 && S_ISDIR(info.st_mode))
        rc = -EISDIR;
    if (rc != 0) {
        stream_reader_destroy(&self);
        return rc;
    }
    setvbuf(self->file, NULL, _IOFBF, READ_BUFFER);
    self->size = S_ISREG(info.st_mode) ? (uint64_t) info.st_size : 0;
    *ret_self = self;
    return 0;
}

void stream_reader_destroy(stream_reader_t **self_p)
{
    assert(self_p);

    if (!*self_p)
        return;
    if ((*self_p)->file)
        fclose((*self_p)->file);
    free(*self_p);
    *self_p = NULL;
}

/* Read the length in front of a batch.  Returns how many bytes it took, 0 at the end of the file,
 * or -ENODATA or -EBADMSG. */
static int read_length(FILE *file, size_t *ret_length)
{
    size_t length = 0;

    for (int i = 0; i < 4; i++) {       /* 4 * 7 bits are more than RECORDED_MAX_BATCH */
        int c = getc_unlocked(file);
        if (c == EOF)
            return i == 0 ? 0 : -ENODATA;
        length |= (size_t) (c & 0x7f) << 7 * i;
        if (c < 0x80) {
            *ret_length = length;
            return length > 0 && length <= RECORDED_MAX_BATCH ? i + 1 : -EBADMSG;
        }
    }
    return -EBADMSG;
}

static int read_batch(stream_reader_t *self, struct packet_view *ret_view, size_t *ret_size)
{
    int prefix = read_length(self->file, ret_size);

    if (prefix > 0 && fread(self->bytes, 1, *ret_size, self->file) != *ret_size)
        prefix = -ENODATA;
    if (ferror(self->file))
        return -EIO;
    if (prefix <= 0)
        return prefix;
    int rc = packet_view_open(ret_view, self->bytes, *ret_size);
    if (rc != 0)
        return rc;
    self->offset += (uint64_t) prefix + *ret_size;
    return 1;
}

int stream_reader_next(stream_reader_t *self, struct packet_view *ret_view,
                       const uint8_t **ret_bytes, size_t *ret_size)
{
    assert(self && ret_view && ret_bytes && ret_size);

    if (self->state == 1)
        self->state = read_batch(self, ret_view, ret_size);
    *ret_bytes = self->bytes;
    return self->state;
}

uint64_t stream_reader_offset(const stream_reader_t *self)
{
    return self->offset;
}

uint64_t stream_reader_size(const stream_reader_t *self)
{
    return self->size;
}
