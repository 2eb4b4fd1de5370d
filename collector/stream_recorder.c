#include "stream_recorder.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

struct stream_recorder {
    int fd;
    int error;
    off_t end;                  /* of the last whole batch */
};

int stream_recorder_open(stream_recorder_t **ret_self, const char *path)
{
    assert(ret_self && path);

    stream_recorder_t *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    self->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (self->fd < 0) {
        int rc = -errno;
        free(self);
        return rc;
    }
    *ret_self = self;
    return 0;
}

void stream_recorder_destroy(stream_recorder_t **self_p)
{
    assert(self_p);

    if (!*self_p)
        return;
    close((*self_p)->fd);
    free(*self_p);
    *self_p = NULL;
}

static size_t put_varint(uint8_t varint[10], size_t value)
{
    size_t length = 0;

    for (; value >= 0x80; value >>= 7)
        varint[length++] = (uint8_t) (value | 0x80);
    varint[length++] = (uint8_t) value;
    return length;
}

/* Returns 0, or -errno when not all could be written. */
static int write_all(int fd, struct iovec *parts, int count)
{
    while (count > 0) {
        ssize_t written = writev(fd, parts, count);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return -errno;
        while (count > 0 && (size_t) written >= parts->iov_len) {
            written -= (ssize_t) parts->iov_len;
            parts++;
            count--;
        }
        if (count > 0) {
            parts->iov_base = (uint8_t *) parts->iov_base + written;
            parts->iov_len -= (size_t) written;
        }
    }
    return 0;
}

int stream_recorder_write(stream_recorder_t *self, const uint8_t *bytes, size_t size)
{
    assert(self && bytes && size > 0 && size <= RECORDED_MAX_BATCH);

    uint8_t varint[10];
    size_t length = put_varint(varint, size);
    struct iovec parts[2] = { { varint, length }, { (void *) bytes, size } };

    if (self->error != 0)
        return self->error;
    self->error = write_all(self->fd, parts, 2);
    if (self->error == 0)
        self->end += (off_t) (length + size);
    else if (ftruncate(self->fd, self->end) != 0)
        return self->error;     /* no file but a pipe: nothing to cut */
    return self->error;
}

int stream_recorder_error(const stream_recorder_t *self)
{
    return self->error;
}
