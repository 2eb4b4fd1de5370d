#include "list_store.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "explain.h"

#define WRITE_BUFFER (256 * 1024)
#define MAX_SAME_NAMES 100      /* different files to keep that have the same time */

struct list_store {
    char path[PATH_MAX];
    char temporary[PATH_MAX + 8];
    char backup[PATH_MAX + 8];
    char folder[PATH_MAX];
    const char *keep_as;        /* "broken", "refused": the file must get this name before it may be
                                 * replaced; NULL = it may */
    unconfirmed_changes_t *unconfirmed;
    char boot_id[40];           /* "" = not known */
    int64_t wall_offset_ns;     /* of the file */
    int64_t prepared_offset_ns; /* of the temporary file */
    bool is_broken;             /* the file there is not worth a backup */
};

static void read_boot_id(char boot_id[40])
{
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");

    if (!file || fscanf(file, "%39[0-9a-f-]", boot_id) != 1)
        boot_id[0] = '\0';
    if (file)
        fclose(file);
}

int list_store_open(list_store_t **ret_self, const char *path)
{
    assert(ret_self && path);

    list_store_t *self = calloc(1, sizeof *self);
    char *real = realpath(path, NULL);      /* replace the file, not a link to it */
    if (self)
        self->unconfirmed = unconfirmed_changes_new();
    int rc = self && self->unconfirmed ? 0 : -ENOMEM;

    if (rc == 0 && snprintf(self->path, sizeof self->path, "%s", real ? real : path)
        >= (int) sizeof self->path - 64)
        rc = -ENAMETOOLONG;
    if (rc != 0)
        goto out;
    read_boot_id(self->boot_id);
    snprintf(self->temporary, sizeof self->temporary, "%s.tmp", self->path);
    snprintf(self->backup, sizeof self->backup, "%s.bak", self->path);
    snprintf(self->folder, sizeof self->folder, "%s", self->path);
    char *slash = strrchr(self->folder, '/');
    if (!slash)
        snprintf(self->folder, sizeof self->folder, ".");
    else
        slash[slash == self->folder ? 1 : 0] = '\0';
    if (mkdir(self->folder, 0750) != 0 && errno != EEXIST)
        rc = -errno;
    if (rc == -EROFS || rc == -EACCES)      /* saving will say so when there is something to save */
        rc = 0;
out:
    free(real);
    if (rc != 0)
        list_store_destroy(&self);
    else
        *ret_self = self;
    return rc;
}

void list_store_destroy(list_store_t **self_p)
{
    assert(self_p);

    if (*self_p)
        unconfirmed_changes_destroy(&(*self_p)->unconfirmed);
    free(*self_p);
    *self_p = NULL;
}

unconfirmed_changes_t *list_store_unconfirmed(const list_store_t *self)
{
    return self->unconfirmed;
}

/* ---- keeping files ---- */

/* Read the whole file.  Returns 0 with *ret_bytes from malloc, -EFBIG, or another -errno. */
static int read_file(const char *path, char **ret_bytes, size_t *ret_size)
{
    struct stat info;
    char *bytes = NULL;
    size_t size = 0;
    ssize_t got = 1;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int rc = fd < 0 || fstat(fd, &info) != 0 ? -errno : 0;

    if (rc == 0 && !S_ISREG(info.st_mode))
        rc = S_ISDIR(info.st_mode) ? -EISDIR : -EINVAL;
    if (rc == 0 && info.st_size > LIST_JSON_MAX_BYTES)
        rc = -EFBIG;
    if (rc == 0 && !(bytes = malloc((size_t) info.st_size + 1)))
        rc = -ENOMEM;
    while (rc == 0 && got > 0 && size < (size_t) info.st_size) {
        got = read(fd, bytes + size, (size_t) info.st_size - size);
        if (got < 0)
            rc = -errno;
        else
            size += (size_t) got;
    }
    if (fd >= 0)
        close(fd);
    if (rc != 0) {
        free(bytes);
        return rc;
    }
    *ret_bytes = bytes;
    *ret_size = size;
    return 0;
}

/* For file systems without hard links. */
static int copy_file(const char *from, const char *to)
{
    char buffer[65536];
    int in = open(from, O_RDONLY | O_CLOEXEC);
    int out = in < 0 ? -1 : open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    ssize_t size = in < 0 || out < 0 ? -1 : 0;
    int rc;

    if (size == 0)
        while ((size = read(in, buffer, sizeof buffer)) > 0)
            if (write(out, buffer, (size_t) size) != size) {
                size = -1;
                break;
            }
    rc = size < 0 || fsync(out) != 0 ? -(errno ? errno : EIO) : 0;
    if (in >= 0)
        close(in);
    if (out >= 0)
        close(out);
    if (out >= 0 && rc != 0)
        unlink(to);
    return rc;
}

/* Returns 0, -EEXIST when `to` is there already, or another -errno. */
static int link_or_copy(const char *from, const char *to)
{
    if (link(from, to) == 0)
        return 0;
    return errno == EPERM || errno == EOPNOTSUPP ? copy_file(from, to) : -errno;
}

static bool is_same_file(const char *a, const char *b)
{
    struct stat x, y;
    char *bytes_x = NULL, *bytes_y = NULL;
    size_t size_x, size_y;

    if (stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino)
        return true;
    bool same = read_file(a, &bytes_x, &size_x) == 0 && read_file(b, &bytes_y, &size_y) == 0
        && size_x == size_y && memcmp(bytes_x, bytes_y, size_x) == 0;
    free(bytes_x);
    free(bytes_y);
    return same;
}

/* Give a file a second name, PATH.AS-TIME, if it has none yet.  Returns 0 or -errno; `kept` gets
 * the name. */
static int keep_file(const char *path, const char *as, char kept[PATH_MAX + 64])
{
    struct stat info;
    struct tm utc;
    char when[32];
    int rc = -EEXIST;

    if (stat(path, &info) != 0)
        return -errno;
    gmtime_r(&info.st_mtime, &utc);
    strftime(when, sizeof when, "%Y%m%dT%H%M%SZ", &utc);
    for (int i = 1; rc == -EEXIST && i <= MAX_SAME_NAMES; i++) {
        int length = snprintf(kept, PATH_MAX + 64, "%s.%s-%s", path, as, when);
        if (i > 1)
            snprintf(kept + length, (size_t) (PATH_MAX + 64 - length), "-%d", i);
        rc = link_or_copy(path, kept);
        if (rc == -EEXIST && is_same_file(path, kept))
            rc = 0;
    }
    return rc;
}

static void keep_and_tell(list_store_t *self, const char *as, list_report_fn *report, void *arg)
{
    char kept[PATH_MAX + 64], sentence[PATH_MAX + 160];

    int rc = keep_file(self->path, as, kept);
    self->keep_as = rc == 0 ? NULL : as;
    if (rc == 0)
        snprintf(sentence, sizeof sentence, "the lists file as it was is kept as %s", kept);
    else
        snprintf(sentence, sizeof sentence, "cannot keep a copy of %s: %s: changes will be refused",
                 self->path, strerror(-rc));
    report(sentence, arg);
}

/* ---- loading ---- */

/* Returns 0, -EBADMSG when it is no lists file, or -errno; `why` is about the content only. */
static int load_file(const char *path, ip_list_t *lists, struct list_json_reading *reading,
                     char *why, size_t why_size)
{
    char *bytes = NULL;
    size_t size;
    int rc = read_file(path, &bytes, &size);

    if (rc == -EFBIG) {
        snprintf(why, why_size, "it is larger than %u MiB", LIST_JSON_MAX_BYTES >> 20);
        return -EBADMSG;
    }
    if (rc == 0)
        rc = list_json_read(lists, bytes, size, reading, why, why_size);
    free(bytes);
    return rc;
}

/* The file is broken: keep it, use the version before, and write that where the file was. */
static int load_backup(list_store_t *self, ip_list_t *lists, struct list_json_reading *reading)
{
    char why[512] = "", sentence[PATH_MAX + 640], kept[PATH_MAX + 64];

    self->is_broken = true;
    keep_and_tell(self, "broken", reading->report, reading->arg);
    int rc = load_file(self->backup, lists, reading, why, sizeof why);
    if (rc == -ENOMEM)
        return rc;
    if (rc == 0)
        snprintf(sentence, sizeof sentence, "the version before it is used: %s, %u blacklisted, "
                 "%u whitelisted", self->backup, ip_list_size(lists, NTC_BLACK),
                 ip_list_size(lists, NTC_WHITE));
    else
        snprintf(sentence, sizeof sentence, "there is no version before it to use (%s: %s): "
                 "the lists start empty", self->backup, rc == -EBADMSG ? why : strerror(-rc));
    reading->report(sentence, reading->arg);
    if (rc == -EBADMSG && keep_file(self->backup, "broken", kept) == 0) {
        /* It may be the only copy of somebody's lists, and the next change but one replaces it. */
        snprintf(sentence, sizeof sentence, "that version is kept as %s", kept);
        reading->report(sentence, reading->arg);
    }
    if (self->keep_as)
        return 0;
    rc = list_store_prepare(self, lists, reading->wall_offset_ns, why, sizeof why);
    if (rc == 0)
        rc = list_store_commit(self, why, sizeof why);
    if (rc != 0)
        reading->report(why, reading->arg);
    return 0;
}

int list_store_load(list_store_t *self, ip_list_t *lists, uint64_t boot_ns,
                    int64_t wall_offset_ns, list_report_fn *report, void *arg,
                    char *why, size_t why_size)
{
    assert(self && lists && report && why);

    char reason[256] = "", sentence[PATH_MAX + 320];
    struct list_json_reading reading = { .boot_ns = boot_ns, .wall_offset_ns = wall_offset_ns,
                                         .boot_id = self->boot_id, .report = report, .arg = arg,
                                         .unconfirmed = self->unconfirmed };
    int rc = load_file(self->path, lists, &reading, reason, sizeof reason);

    self->wall_offset_ns = reading.wall_offset_ns;
    if (rc == -ENOENT)
        return 0;
    if (rc == -EBADMSG) {
        snprintf(sentence, sizeof sentence, "the lists file %s is broken: %s", self->path, reason);
        report(sentence, arg);
        rc = load_backup(self, lists, &reading);
        self->wall_offset_ns = reading.wall_offset_ns;
        return rc;
    }
    if (rc != 0)
        return explain(rc, why, why_size, "cannot read the lists file %s: %s", self->path,
                       strerror(-rc));
    if (reading.problems > 0)
        keep_and_tell(self, "refused", report, arg);
    return 0;
}

/* ---- saving ---- */

/* Keep the owner of the file that is replaced, for the day when root starts us once. */
static void keep_owner(const list_store_t *self, int fd)
{
    struct stat info;

    if (stat(self->path, &info) == 0 && fchown(fd, info.st_uid, info.st_gid) != 0)
        return;                 /* not root, then the owner is we */
}

int list_store_prepare(list_store_t *self, const ip_list_t *lists, int64_t wall_offset_ns,
                       char *why, size_t why_size)
{
    assert(self && lists && why);

    char kept[PATH_MAX + 64];
    int rc = self->keep_as ? keep_file(self->path, self->keep_as, kept) : 0;

    if (rc != 0)
        return explain(rc, why, why_size, "cannot keep a copy of the broken %s: %s", self->path,
                       strerror(-rc));
    self->keep_as = NULL;
    int fd = open(self->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0640);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
    if (!file) {
        rc = -errno;
        if (fd >= 0)
            close(fd);
        return explain(rc, why, why_size, "cannot write %s: %s", self->temporary, strerror(-rc));
    }
    setvbuf(file, NULL, _IOFBF, WRITE_BUFFER);
    keep_owner(self, fd);
    rc = list_json_write(lists, self->unconfirmed, self->boot_id, wall_offset_ns, file);
    self->prepared_offset_ns = wall_offset_ns;
    if (rc == 0 && fsync(fd) != 0)
        rc = -errno;
    if (fclose(file) != 0 && rc == 0)
        rc = -errno;
    if (rc == 0)
        return 0;
    unlink(self->temporary);
    return explain(rc, why, why_size, "cannot write %s: %s", self->temporary, strerror(-rc));
}

static int sync_folder(const list_store_t *self)
{
    int fd = open(self->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd < 0 || fsync(fd) != 0 ? -errno : 0;

    if (fd >= 0)
        close(fd);
    return rc == -EINVAL ? 0 : rc;      /* a file system that has nothing to sync */
}

/* Let FILE.bak be the file of now, without a moment in which FILE is missing. */
static int make_backup(const list_store_t *self, bool *ret_made)
{
    char fresh[sizeof self->backup + 4];

    snprintf(fresh, sizeof fresh, "%s.tmp", self->backup);
    unlink(fresh);
    int rc = link_or_copy(self->path, fresh);
    *ret_made = rc == 0;
    if (rc == -ENOENT)
        return 0;               /* the first save */
    if (rc == 0 && rename(fresh, self->backup) != 0)
        rc = -errno;
    return rc;
}

int list_store_commit(list_store_t *self, char *why, size_t why_size)
{
    assert(self && why);

    bool has_backup = false;
    int rc = self->is_broken ? 0 : make_backup(self, &has_backup);

    if (rc == 0 && rename(self->temporary, self->path) != 0)
        rc = -errno;
    if (rc != 0) {
        unlink(self->temporary);
        return explain(rc, why, why_size, "cannot replace %s: %s", self->path, strerror(-rc));
    }
    rc = sync_folder(self);
    if (rc != 0) {
        if (has_backup)
            rename(self->backup, self->path);
        else if (!self->is_broken)
            unlink(self->path);
        return explain(rc, why, why_size, "cannot sync %s: %s", self->folder, strerror(-rc));
    }
    self->is_broken = false;
    self->wall_offset_ns = self->prepared_offset_ns;
    return 0;
}

int64_t list_store_wall_offset_ns(const list_store_t *self) { return self->wall_offset_ns; }

int list_store_set_aside(list_store_t *self, char kept[LIST_STORE_NAME_SIZE])
{
    assert(self && kept);

    int rc = keep_file(self->path, "flushed", kept);

    if (rc == 0 && unlink(self->path) != 0)
        rc = -errno;
    if (rc == -ENOENT)
        return rc;
    if (rc != 0) {              /* a second name needs room on the disk, another one does not */
        snprintf(kept, LIST_STORE_NAME_SIZE, "%s.flushed", self->path);
        rc = rename(self->path, kept) == 0 ? 0 : -errno;
    }
    if (rc != 0)
        return rc;
    self->keep_as = NULL;
    self->is_broken = false;
    return sync_folder(self);
}

void list_store_abandon(list_store_t *self)
{
    unlink(self->temporary);
}
