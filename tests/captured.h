/* captured - what a function writes to stdout or stderr, as text. */
#ifndef CAPTURED_H
#define CAPTURED_H

#include <check.h>
#include <stdio.h>
#include <unistd.h>

struct captured {
    int fd;                     /* STDOUT_FILENO or STDERR_FILENO */
    int kept;                   /* where it led before */
    FILE *file;
};

static inline struct captured captured_begin(int fd)
{
    struct captured self = { .fd = fd, .kept = dup(fd), .file = tmpfile() };

    ck_assert(self.kept >= 0 && self.file);
    fflush(NULL);
    dup2(fileno(self.file), fd);
    return self;
}

/* Lead the descriptor back and copy what was written into `text`, cut to size - 1 bytes. */
static inline void captured_end(struct captured *self, char *text, size_t size)
{
    fflush(NULL);
    dup2(self->kept, self->fd);
    close(self->kept);
    rewind(self->file);
    text[fread(text, 1, size - 1, self->file)] = '\0';
    fclose(self->file);
}

#endif
