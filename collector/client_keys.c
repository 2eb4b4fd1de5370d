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
    uint64_t fingerprint;       /* of names, inodes and times as they were read */
    unsigned size;
    struct client_key clients[CLIENT_KEYS_MAX];     /* in order of name */
};

struct reading {
    client_keys_t *self;
    client_keys_report_fn *report;
    void *arg;
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

/* The order in which the folder hands out its files must not count: sum up. */
static uint64_t fingerprint_of(const char *folder)
{
    DIR *dir = opendir(folder);
    uint64_t sum = 0;
    struct stat status;

    if (!dir)
        return (uint64_t) errno;
    for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
        if (entry->d_name[0] == '.')
            continue;
        uint64_t hash = mix(FNV_BASIS, entry->d_name, strlen(entry->d_name));
        if (fstatat(dirfd(dir), entry->d_name, &status, 0) == 0)
            hash = mix_status(hash, &status);
        sum += hash;
    }
    closedir(dir);
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

static int is_visible(const struct dirent *entry) { return entry->d_name[0] != '.'; }

static void read_client(const struct reading *reading, const char *file)
{
    client_keys_t *self = reading->self;
    const char *suffix = strrchr(file, '.');
    char path[PATH_MAX + 256], why[PATH_MAX + 512];
    struct client_key client = { 0 };

    snprintf(path, sizeof path, "%s/%s", self->folder, file);
    if (!suffix || suffix == file || strcmp(suffix, PEER_KEY_SUFFIX) != 0) {
        report(reading, "%s lets nobody in: the name of a key file ends in " PEER_KEY_SUFFIX, path);
        return;
    }
    if (peer_keys_read(path, &client.key, &client.is_read_only, why, sizeof why) != 0) {
        report(reading, "%s; it lets nobody in", why);
        return;
    }
    snprintf(client.name, sizeof client.name, "%.*s", (int) (suffix - file), file);
    const struct client_key *twin = client_keys_find(self, &client.key);
    if (twin)
        report(reading, "%s is left out: %s" PEER_KEY_SUFFIX " has the same key", path, twin->name);
    else if (self->size == CLIENT_KEYS_MAX)
        report(reading, "%s is left out: there are more than %d", path, CLIENT_KEYS_MAX);
    else
        self->clients[self->size++] = client;
}

static void read_folder(const struct reading *reading)
{
    struct dirent **files = NULL;
    int count = scandir(reading->self->folder, &files, is_visible, alphasort);

    if (count < 0)
        report(reading, "%s cannot be read: %s; nobody may connect", reading->self->folder,
               strerror(errno));
    for (int i = 0; i < count; i++) {
        read_client(reading, files[i]->d_name);
        free(files[i]);
    }
    free(files);
}

unsigned client_keys_refresh(client_keys_t *self, client_keys_report_fn *report_fn, void *arg)
{
    assert(self && report_fn);

    /* First the fingerprint: what changes while we read is seen the next time. */
    uint64_t fingerprint = fingerprint_of(self->folder);
    if (fingerprint == self->fingerprint)
        return 0;
    client_keys_t *old = malloc(sizeof *old);
    if (!old)
        return 0;               /* tried again the next time */
    *old = *self;
    self->fingerprint = fingerprint;
    self->size = 0;
    read_folder(&(struct reading) { self, report_fn, arg });

    unsigned gone = 0;
    for (unsigned i = 0; i < old->size; i++) {
        struct client_key *same = client_keys_find(self, &old->clients[i].key);
        if (same)
            same->is_greeted = old->clients[i].is_greeted;
        gone += !same;
    }
    free(old);
    return gone;
}
