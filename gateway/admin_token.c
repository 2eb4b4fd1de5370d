#include "admin_token.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "session_table.h"

enum { SHORTEST = 16 };

void admin_token_path(const struct config *config, char path[PATH_MAX])
{
    const char *lists = config->persistence.path, *slash = strrchr(lists, '/');
    int folder = slash ? (int) (slash - lists) + 1 : 0;

    if (config->server.token_file[0] != '\0')
        snprintf(path, PATH_MAX, "%s", config->server.token_file);
    else
        snprintf(path, PATH_MAX, "%.*sadmin.token", folder, lists);
}

static int read_token(int fd, char token[ADMIN_TOKEN_SIZE])
{
    struct stat info;
    char text[ADMIN_TOKEN_SIZE + 2];
    ssize_t length = fstat(fd, &info) == 0 ? read(fd, text, sizeof text) : -1;

    if (length < 0)
        return -errno;
    if (info.st_mode & (S_IRWXG | S_IRWXO))
        return -EPERM;
    while (length > 0 && (text[length - 1] == '\n' || text[length - 1] == '\r'))
        length--;
    if (length < SHORTEST || length >= ADMIN_TOKEN_SIZE)
        return -EINVAL;
    for (ssize_t i = 0; i < length; i++)
        if (text[i] <= ' ' || text[i] > '~')
            return -EINVAL;
    memcpy(token, text, (size_t) length);
    token[length] = '\0';
    return 0;
}

/* Write all of it to the disk.  Returns 0 or -errno. */
static int write_token(int fd, const char *token)
{
    char line[SESSION_ID_SIZE + 1];
    int length = snprintf(line, sizeof line, "%s\n", token);

    if (write(fd, line, (size_t) length) != length)
        return errno != 0 ? -errno : -ENOSPC;
    return fsync(fd) < 0 ? -errno : 0;
}

static int make_token(const char *path, char token[ADMIN_TOKEN_SIZE])
{
    char temporary[PATH_MAX + 8];

    snprintf(temporary, sizeof temporary, "%s.new", path);
    unlink(temporary);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -errno;
    errno = 0;
    int rc = secret_make(token);
    if (rc == 0)
        rc = write_token(fd, token);
    close(fd);
    if (rc == 0 && rename(temporary, path) < 0)
        rc = -errno;
    if (rc < 0)
        unlink(temporary);
    return rc;
}

int admin_token_open(const char *path, char token[ADMIN_TOKEN_SIZE], bool *ret_made)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    *ret_made = fd < 0 && errno == ENOENT;
    if (*ret_made)
        return make_token(path, token);
    if (fd < 0)
        return -errno;
    int rc = read_token(fd, token);
    close(fd);
    return rc;
}
