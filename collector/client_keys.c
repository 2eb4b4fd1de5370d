#include "client_keys.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FNV_BASIS UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME UINT64_C(0x100000001b3)

struct client_keys {
    char folder[PATH_MAX];
    DIR *dir;                   /* of the folder, NULL = it could not be opened; stays open */
    uint64_t fingerprint;       /* of names, inodes and times as they were read */
    unsigned size;
    struct client_key clients[CLIENT_KEYS_MAX];     /* in order of name */
};

struct reading {
    client_keys_t *self;
    const client_keys_t *old;   /* as it was before */
    client_keys_report_fn *report;
    void *arg;
    bool is_incomplete;         /* a file could not be read just now */
};

client_keys_t *client_keys_new(const char *keys)
{
    assert(keys);

    client_keys_t *self = calloc(1, sizeof *self);
    if (self)
        snprintf(self->folder, sizeof self->folder, "%s/clients", keys);
    return self;
}

void client_keys_destroy(client_keys_t **self_p)
{
    assert(self_p);

    if (*self_p && (*self_p)->dir)
        closedir((*self_p)->dir);
    free(*self_p);
    *self_p = NULL;
}

unsigned client_keys_size(const client_keys_t *self) { return self->size; }

struct client_key *client_keys_find(client_keys_t *self, const struct peer_key *key)
{
    for (unsigned i = 0; i < self->size; i++)
        if (memcmp(&self->clients[i].key, key, sizeof *key) == 0)
            return &self->clients[i];
    return NULL;
}

/* ---- has anything changed? ---- */

static uint64_t mix(uint64_t hash, const void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ ((const uint8_t *) bytes)[i]) * FNV_PRIME;
    return hash;
}

static uint64_t mix_status(uint64_t hash, const struct stat *status)
{
    hash = mix(hash, &status->st_ino, sizeof status->st_ino);
    hash = mix(hash, &status->st_size, sizeof status->st_size);
    hash = mix(hash, &status->st_mode, sizeof status->st_mode);
    return mix(hash, &status->st_ctim, sizeof status->st_ctim);
}

/* Whether there are no descriptors just now, because of a flood of connections: that is no reason
 * to let go of anybody, nor of what is known. */
static bool is_exhausted(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOMEM;
}

/* Have the folder open that is there now.  Returns 0 or -errno. */
static int open_folder(client_keys_t *self)
{
    struct stat present, held;

    if (self->dir && stat(self->folder, &present) == 0 && fstat(dirfd(self->dir), &held) == 0
        && present.st_dev == held.st_dev && present.st_ino == held.st_ino) {
        rewinddir(self->dir);
        return 0;
    }
    DIR *dir = opendir(self->folder);
    int error = errno;
    if (!dir && is_exhausted(error))
        return -error;
    if (self->dir)
        closedir(self->dir);
    self->dir = dir;
    return dir ? 0 : -error;
}

/* The order in which the folder hands out its files must not count: sum up. */
static uint64_t fingerprint_of(DIR *dir)
{
    uint64_t sum = 0;
    struct stat status;

    for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
        if (entry->d_name[0] == '.')
            continue;
        uint64_t hash = mix(FNV_BASIS, entry->d_name, strlen(entry->d_name));
        if (fstatat(dirfd(dir), entry->d_name, &status, 0) == 0)
            hash = mix_status(hash, &status);
        sum += hash;
    }
    return sum ^ FNV_BASIS;
}

/* ---- reading ---- */

__attribute__((format(printf, 2, 3)))
static void report(const struct reading *reading, const char *format, ...)
{
    char sentence[PATH_MAX + 256];
    va_list args;

    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    reading->report(sentence, reading->arg);
}

/* The client of the file as it was read before, or NULL. */
static const struct client_key *find_old(const client_keys_t *old, const char *name)
{
    for (unsigned i = 0; i < old->size; i++)
        if (strcmp(old->clients[i].name, name) == 0)
            return &old->clients[i];
    return NULL;
}

static void add_client(const struct reading *reading, const struct client_key *client)
{
    client_keys_t *self = reading->self;
    const struct client_key *twin = client_keys_find(self, &client->key);

    if (twin)
        report(reading, "%s/%s" PEER_KEY_SUFFIX " is left out: %s" PEER_KEY_SUFFIX " has the same "
               "key", self->folder, client->name, twin->name);
    else if (self->size == CLIENT_KEYS_MAX)
        report(reading, "%s/%s" PEER_KEY_SUFFIX " is left out: there are more than %d",
               self->folder, client->name, CLIENT_KEYS_MAX);
    else
        self->clients[self->size++] = *client;
}

static void read_client(struct reading *reading, const char *file)
{
    const char *suffix = strrchr(file, '.');
    char path[PATH_MAX + 256], why[PATH_MAX + 512];
    struct client_key client = { 0 };

    snprintf(path, sizeof path, "%s/%s", reading->self->folder, file);
    if (!suffix || suffix == file || strcmp(suffix, PEER_KEY_SUFFIX) != 0) {
        report(reading, "%s lets nobody in: the name of a key file ends in " PEER_KEY_SUFFIX, path);
        return;
    }
    snprintf(client.name, sizeof client.name, "%.*s", (int) (suffix - file), file);
    int rc = peer_keys_read(path, &client.key, &client.is_read_only, why, sizeof why);
    if (is_exhausted(-rc)) {
        const struct client_key *old = find_old(reading->old, client.name);
        reading->is_incomplete = true;
        if (old)
            add_client(reading, old);
    } else if (rc != 0) {
        report(reading, "%s; it lets nobody in", why);
    } else {
        add_client(reading, &client);
    }
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *) a, *(char *const *) b);
}

/* In order of name. */
static void read_folder(struct reading *reading)
{
    char *names[2 * CLIENT_KEYS_MAX] = { NULL };
    size_t count = 0;
    DIR *dir = reading->self->dir;

    rewinddir(dir);
    for (struct dirent *entry = readdir(dir); entry && count < sizeof names / sizeof names[0];
         entry = readdir(dir))
        if (entry->d_name[0] != '.' && (names[count] = strdup(entry->d_name)))
            count++;
    qsort(names, count, sizeof names[0], compare_names);
    for (size_t i = 0; i < count; i++) {
        read_client(reading, names[i]);
        free(names[i]);
    }
}

/* Returns how many clients of `old` are gone; the others keep what was noted of them. */
static unsigned count_gone(client_keys_t *self, const client_keys_t *old)
{
    unsigned gone = 0;

    for (unsigned i = 0; i < old->size; i++) {
        struct client_key *same = client_keys_find(self, &old->clients[i].key);
        if (same)
            same->is_greeted = old->clients[i].is_greeted;
        gone += !same;
    }
    return gone;
}

unsigned client_keys_refresh(client_keys_t *self, client_keys_report_fn *report_fn, void *arg)
{
    assert(self && report_fn);

    int rc = open_folder(self);
    if (is_exhausted(-rc))
        return 0;
    /* First the fingerprint: what changes while we read is seen the next time. */
    uint64_t fingerprint = rc == 0 ? fingerprint_of(self->dir) : (uint64_t) -rc;
    client_keys_t *old = fingerprint != self->fingerprint ? malloc(sizeof *old) : NULL;
    if (!old)
        return 0;               /* without memory: tried again the next time */
    *old = *self;
    struct reading reading = { .self = self, .old = old, .report = report_fn, .arg = arg };
    self->size = 0;
    if (rc == 0)
        read_folder(&reading);
    else
        report(&reading, "%s cannot be read: %s; nobody may connect", self->folder, strerror(-rc));
    self->fingerprint = reading.is_incomplete ? 0 : fingerprint;
    unsigned gone = count_gone(self, old);
    free(old);
    return gone;
}
