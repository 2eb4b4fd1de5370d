#include "ui_files.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "http_exchange.h"
#include "plain_page.h"

#define INSTALLED "/usr/share/ntc/webui"

enum {
    MAX_FILES = 1024,
    MAX_BYTES = 64 * 1024 * 1024,
    MAX_DEPTH = 8,
    PATH_SIZE = 512,
    MIN_HASH = 8,               /* characters of a hash in a file name */
};

struct ui_file {
    char path[PATH_SIZE];       /* as in the request: "/assets/index-BdQ3kX1a.js" */
    char etag[24];              /* with its quotes */
    uint8_t *bytes;
    size_t size;
};

struct ui_files {
    struct ui_file *files;      /* MAX_FILES of them */
    uint32_t count;
    size_t bytes;
};

/* ---- reading ---- */

static void set_etag(struct ui_file *file)
{
    uint64_t hash = 0xcbf29ce484222325u;    /* FNV-1a: it only has to change with the content */

    for (size_t i = 0; i < file->size; i++)
        hash = (hash ^ file->bytes[i]) * 0x100000001b3u;
    snprintf(file->etag, sizeof file->etag, "\"%016" PRIx64 "\"", hash);
}

/* Take `bytes` (from malloc) as a file.  Returns 0, or -E2BIG (the bytes are freed then). */
static int add_file(ui_files_t *self, const char *path, uint8_t *bytes, size_t size)
{
    if (self->count == MAX_FILES || strlen(path) >= PATH_SIZE || size > MAX_BYTES - self->bytes) {
        free(bytes);
        return -E2BIG;
    }
    struct ui_file *file = &self->files[self->count++];
    strcpy(file->path, path);
    file->bytes = bytes;
    file->size = size;
    self->bytes += size;
    set_etag(file);
    return 0;
}

static int read_file(ui_files_t *self, const char *name, const char *path)
{
    struct stat info;
    size_t done = 0;
    ssize_t got = 1;
    int fd = open(name, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || fstat(fd, &info) < 0) {
        int error = errno;
        if (fd >= 0)
            close(fd);
        return -error;
    }
    size_t size = info.st_size > MAX_BYTES ? MAX_BYTES + 1 : (size_t) info.st_size;
    uint8_t *bytes = malloc(size > 0 ? size : 1);
    while (bytes && done < size && (got = read(fd, bytes + done, size - done)) > 0)
        done += (size_t) got;
    int rc = !bytes ? -ENOMEM : got < 0 ? -errno : 0;
    close(fd);
    if (rc == 0)
        return add_file(self, path, bytes, done);
    free(bytes);
    return rc;
}

static int read_folder(ui_files_t *self, const char *root, const char *below, int depth)
{
    char name[PATH_MAX], path[PATH_SIZE];
    struct dirent *entry;
    int rc = 0;

    snprintf(name, sizeof name, "%s%s", root, below);
    DIR *dir = opendir(name);
    if (!dir)
        return -errno;
    while (rc == 0 && (entry = readdir(dir)) != NULL) {
        struct stat info;
        if (entry->d_name[0] == '.')
            continue;
        int length = snprintf(path, sizeof path, "%s/%s", below, entry->d_name);
        int full = snprintf(name, sizeof name, "%s%s", root, path);
        if (length >= (int) sizeof path || full >= (int) sizeof name)
            rc = -ENAMETOOLONG;
        else if (stat(name, &info) < 0)
            rc = -errno;
        else if (S_ISREG(info.st_mode))
            rc = read_file(self, name, path);
        else if (S_ISDIR(info.st_mode))
            rc = depth < MAX_DEPTH ? read_folder(self, root, path, depth + 1) : -ELOOP;
    }
    closedir(dir);
    return rc;
}

static int read_plain_page(ui_files_t *self)
{
    int rc = 0;

    for (const struct plain_file *file = PLAIN_PAGE; rc == 0 && file->path; file++) {
        size_t size = (size_t) (file->end - file->begin);
        uint8_t *bytes = malloc(size);
        if (!bytes)
            return -ENOMEM;
        memcpy(bytes, file->begin, size);
        rc = add_file(self, file->path, bytes, size);
    }
    return rc;
}

static const struct ui_file *find(const ui_files_t *self, const char *path)
{
    if (strcmp(path, "/") == 0)
        path = "/index.html";
    for (uint32_t i = 0; i < self->count; i++)
        if (strcmp(self->files[i].path, path) == 0)
            return &self->files[i];
    return NULL;
}

int ui_files_open(const char *path, ui_files_t **ret_files)
{
    assert(ret_files);

    ui_files_t *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    self->files = calloc(MAX_FILES, sizeof *self->files);
    int rc = !self->files ? -ENOMEM : path ? read_folder(self, path, "", 0) : read_plain_page(self);
    if (rc == 0 && !find(self, "/"))
        rc = -ENOENT;
    if (rc == 0)
        *ret_files = self;
    else
        ui_files_destroy(&self);
    return rc;
}

void ui_files_destroy(ui_files_t **self_p)
{
    assert(self_p);
    if (!*self_p)
        return;
    for (uint32_t i = 0; i < (*self_p)->count; i++)
        free((*self_p)->files[i].bytes);
    free((*self_p)->files);
    free(*self_p);
    *self_p = NULL;
}

bool ui_files_has(const ui_files_t *self, const char *path) { return find(self, path) != NULL; }

static bool has_index(const char *folder)
{
    char name[PATH_MAX + 16];

    snprintf(name, sizeof name, "%s/index.html", folder);
    return access(name, R_OK) == 0;
}

bool ui_files_default(char *path, size_t size)
{
    char program[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    char *build = NULL;

    program[length > 0 ? length : 0] = '\0';
    for (char *at = strstr(program, "/build/"); at; at = strstr(at + 1, "/build/"))
        build = at;
    if (build) {
        snprintf(path, size, "%.*s/webui/dist", (int) (build - program), program);
        if (has_index(path))
            return true;
    }
    snprintf(path, size, "%s", INSTALLED);
    return has_index(path);
}

/* ---- serving ---- */

static const char *type_of(const char *path)
{
    static const struct { const char *ending, *type; } TYPES[] = {
        { ".html", "text/html; charset=utf-8" }, { ".css", "text/css; charset=utf-8" },
        { ".js", "text/javascript; charset=utf-8" }, { ".mjs", "text/javascript; charset=utf-8" },
        { ".json", "application/json" }, { ".map", "application/json" },
        { ".webmanifest", "application/manifest+json" }, { ".svg", "image/svg+xml" },
        { ".png", "image/png" }, { ".jpg", "image/jpeg" }, { ".webp", "image/webp" },
        { ".ico", "image/x-icon" }, { ".woff2", "font/woff2" }, { ".woff", "font/woff" },
        { ".txt", "text/plain; charset=utf-8" }, { ".wasm", "application/wasm" },
    };
    const char *dot = strrchr(path, '.');

    for (size_t i = 0; dot && i < sizeof TYPES / sizeof TYPES[0]; i++)
        if (strcmp(dot, TYPES[i].ending) == 0)
            return TYPES[i].type;
    return "application/octet-stream";
}

/* True for "/assets/NAME-HASH.EXTENSION": another content would have another name. */
static bool is_hashed(const char *path)
{
    const char *dot = strrchr(path, '.'), *dash = dot;

    if (!dot || !strstr(path, "/assets/"))
        return false;
    while (dash > path && *dash != '/' && !(*dash == '-' && dot - dash > MIN_HASH))
        dash--;
    return *dash == '-';
}

static bool takes_gzip(const struct http_exchange *exchange)
{
    const char *encodings = http_header(exchange, "Accept-Encoding");
    const char *gzip = encodings ? strcasestr(encodings, "gzip") : NULL;

    return gzip && strncmp(gzip + 4 + strspn(gzip + 4, " "), ";q=0", 4) != 0;
}

static int serve(struct http_exchange *exchange, const struct ui_file *file)
{
    char gz_path[PATH_SIZE + 4], headers[256];
    const char *known = http_header(exchange, "If-None-Match");

    snprintf(gz_path, sizeof gz_path, "%s.gz", file->path);
    const struct ui_file *gz = find(exchange->gateway->ui, gz_path);
    const struct ui_file *sent = gz && takes_gzip(exchange) ? gz : file;
    snprintf(headers, sizeof headers, "ETag: %s\r\nCache-Control: %s\r\n%s%s", sent->etag,
             is_hashed(file->path) ? "public, max-age=31536000, immutable" : "no-cache",
             gz ? "Vary: Accept-Encoding\r\n" : "", sent == gz ? "Content-Encoding: gzip\r\n" : "");
    if (known && strstr(known, sent->etag))
        return http_reply(exchange, 304, type_of(file->path), headers, NULL, 0);
    return http_reply(exchange, 200, type_of(file->path), headers, sent->bytes, sent->size);
}

/* A path that the page itself understands, opened in a browser. */
static bool is_view(const struct http_exchange *exchange)
{
    const char *accept = http_header(exchange, "Accept");

    return !strchr(strrchr(exchange->path, '/'), '.') && accept && strstr(accept, "text/html");
}

int ui_files_get(struct http_exchange *exchange, int unused)
{
    const ui_files_t *self = exchange->gateway->ui;
    const struct ui_file *file = find(self, exchange->path);

    (void) unused;
    if (!file && is_view(exchange))
        file = find(self, "/");
    return file ? serve(exchange, file)
                : http_reply_error(exchange, 404, NULL, "there is nothing here");
}
