#include "peer_keys.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include "bus_endpoint.h"
#include "explain.h"

#define SECRET "secret" PEER_KEY_SUFFIX
#define PUBLIC "public" PEER_KEY_SUFFIX
#define READ_ONLY "read-only"
#define BLANKS " \t\r"

enum {
    MAX_FILE = 4096,            /* a key and some comments */
    Z85_SIZE = 41,              /* ZeroMQ's own notation of a key */
    KEY_DIGITS = PEER_KEY_TEXT_SIZE - 1,
};

/* ---- text ---- */

void peer_key_format(const struct peer_key *key, char text[PEER_KEY_TEXT_SIZE])
{
    for (size_t i = 0; i < sizeof key->bytes; i++)
        snprintf(text + 2 * i, 3, "%02x", key->bytes[i]);
}

static int digit_of(char c)
{
    const char *digits = "0123456789abcdef", *upper = "ABCDEF";
    const char *found = c != '\0' ? strchr(digits, c) : NULL;

    if (found)
        return (int) (found - digits);
    found = c != '\0' ? strchr(upper, c) : NULL;
    return found ? 10 + (int) (found - upper) : -1;
}

bool peer_key_parse(const char *text, struct peer_key *ret_key)
{
    for (int i = 0; i < KEY_DIGITS; i++) {
        int digit = digit_of(text[i]);
        if (digit < 0)
            return false;
        uint8_t *byte = &ret_key->bytes[i / 2];
        *byte = (uint8_t) (i % 2 == 0 ? digit << 4 : *byte | digit);
    }
    return text[KEY_DIGITS] == '\0' || strchr(BLANKS, text[KEY_DIGITS]) != NULL;
}

/* Read the lines of a key file.  Returns NULL, or what is wrong with it. */
static const char *parse_file(char *text, struct peer_key *ret_key, bool *ret_is_read_only)
{
    bool has_key = false, is_read_only = false;
    char *rest = NULL;

    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        line += strspn(line, BLANKS);
        if (line[0] == '\0' || line[0] == '#')
            continue;
        if (has_key)
            return "holds more than one line: one file is for one key";
        if (!peer_key_parse(line, ret_key))
            return "holds no key: a key is one line of 64 hexadecimal digits";
        has_key = true;
        char *word = line + KEY_DIGITS + strspn(line + KEY_DIGITS, BLANKS);
        word[strcspn(word, BLANKS)] = '\0';
        is_read_only = strcmp(word, READ_ONLY) == 0;
        if (word[0] != '\0' && (!is_read_only || !ret_is_read_only))
            return ret_is_read_only ? "says something else than \"" READ_ONLY "\" behind the key"
                                    : "holds something behind the key";
    }
    if (ret_is_read_only)
        *ret_is_read_only = is_read_only;
    return has_key ? NULL : "holds no key: it is empty";
}

/* ---- files ---- */

/* Read the file into `text`.  A fifo is no reason to wait.  Returns 0 or -errno. */
static int read_text(const char *path, char text[MAX_FILE + 1], struct stat *ret_stat)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0)
        return -errno;
    int rc = fstat(fd, ret_stat) != 0 ? -errno : S_ISREG(ret_stat->st_mode) ? 0 : -EINVAL;
    ssize_t length = rc == 0 ? read(fd, text, MAX_FILE) : 0;
    if (length < 0)
        rc = -errno;
    close(fd);
    text[length > 0 ? length : 0] = '\0';
    return rc;
}

static int read_key(const char *path, struct peer_key *ret_key, bool *ret_is_read_only,
                    struct stat *ret_stat, char *why, size_t why_size)
{
    char text[MAX_FILE + 1];
    int rc = read_text(path, text, ret_stat);

    if (rc != 0)
        return explain(rc, why, why_size, "%s cannot be read: %s", path, strerror(-rc));
    const char *mistake = parse_file(text, ret_key, ret_is_read_only);
    explicit_bzero(text, sizeof text);
    if (mistake)
        return explain(-EINVAL, why, why_size, "%s %s", path, mistake);
    return 0;
}

int peer_keys_read(const char *path, struct peer_key *ret_key, bool *ret_is_read_only, char *why,
                   size_t why_size)
{
    struct stat status;

    return read_key(path, ret_key, ret_is_read_only, &status, why, why_size);
}

static void to_z85(const struct peer_key *key, char text[Z85_SIZE])
{
    zmq_z85_encode(text, key->bytes, sizeof key->bytes);
}

int peer_keys_read_own(const char *folder, struct peer_key_pair *ret_pair, char *why,
                       size_t why_size)
{
    char path[PATH_MAX], public[Z85_SIZE], secret[Z85_SIZE];
    struct stat status;

    snprintf(path, sizeof path, "%s/" SECRET, folder);
    int rc = read_key(path, &ret_pair->secret, NULL, &status, why, why_size);
    if (rc == -ENOENT)
        return explain(rc, why, why_size, "tcp:// needs keys, and there is no %s: make a pair with "
                       "ntc-collector --make-keys %s, or see bus.keys", path, folder);
    if (rc != 0)
        return rc;
    if (status.st_mode & 0007)
        return explain(-EPERM, why, why_size, "%s can be read by everybody: chmod o= it; if others "
                       "have seen it, remove it and make a new pair", path);
    to_z85(&ret_pair->secret, secret);
    if (zmq_curve_public(public, secret) != 0)
        return explain(-errno, why, why_size, "%s is of no use: this libzmq has no CURVE", path);
    zmq_z85_decode(ret_pair->public.bytes, public);
    explicit_bzero(secret, sizeof secret);
    return 0;
}

int peer_keys_read_collector(const char *folder, const char *endpoint, struct peer_key *ret_key,
                             char *why, size_t why_size)
{
    struct bus_endpoint parsed;
    char path[PATH_MAX];
    int rc = bus_endpoint_parse(endpoint, &parsed, why, why_size);

    if (rc != 0)
        return rc;
    snprintf(path, sizeof path, "%s/collectors/%s" PEER_KEY_SUFFIX, folder, parsed.host);
    rc = peer_keys_read(path, ret_key, NULL, why, why_size);
    if (rc == -ENOENT)
        return explain(rc, why, why_size, "its key is not known: copy its public.key to %s", path);
    return rc;
}

/* ---- making ---- */

/* Write one new file of a folder.  Returns 0, or -errno: then the file is not there. */
static int write_key(const char *path, const struct peer_key *key, mode_t mode)
{
    char text[PEER_KEY_TEXT_SIZE + 1];
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0)
        return -errno;
    peer_key_format(key, text);
    strcat(text, "\n");
    int rc = write(fd, text, strlen(text)) == (ssize_t) strlen(text) && fchmod(fd, mode) == 0
        && fsync(fd) == 0 ? 0 : errno != 0 ? -errno : -EIO;
    explicit_bzero(text, sizeof text);
    close(fd);
    if (rc != 0)
        unlink(path);
    return rc;
}

static int make_folder(const char *path, char *why, size_t why_size)
{
    if (mkdir(path, 0750) == 0 || errno == EEXIST)
        return 0;
    return explain(-errno, why, why_size, "cannot make %s: %s", path, strerror(errno));
}

static int make_folders(const char *folder, char *why, size_t why_size)
{
    char path[PATH_MAX];
    int rc = make_folder(folder, why, why_size);

    snprintf(path, sizeof path, "%s/clients", folder);
    if (rc == 0)
        rc = make_folder(path, why, why_size);
    snprintf(path, sizeof path, "%s/collectors", folder);
    return rc == 0 ? make_folder(path, why, why_size) : rc;
}

static int draw_pair(struct peer_key_pair *ret_pair)
{
    char public[Z85_SIZE], secret[Z85_SIZE];

    if (zmq_curve_keypair(public, secret) != 0)
        return -errno;
    zmq_z85_decode(ret_pair->public.bytes, public);
    zmq_z85_decode(ret_pair->secret.bytes, secret);
    explicit_bzero(secret, sizeof secret);
    return 0;
}

int peer_keys_make(const char *folder, struct peer_key *ret_public, char *why, size_t why_size)
{
    struct peer_key_pair pair;
    struct stat status;
    char path[PATH_MAX];

    if (folder[0] == '\0' || strlen(folder) > PATH_MAX - 2 * CONFIG_ITEM_SIZE)
        return explain(-EINVAL, why, why_size, "\"%.60s\" is no folder", folder);
    int rc = make_folders(folder, why, why_size);
    if (rc != 0)
        return rc;
    if (stat(folder, &status) != 0)
        return explain(-errno, why, why_size, "cannot use %s: %s", folder, strerror(errno));
    if ((rc = draw_pair(&pair)) != 0)
        return explain(rc, why, why_size, "cannot make keys: this libzmq has no CURVE");
    *ret_public = pair.public;

    snprintf(path, sizeof path, "%s/" SECRET, folder);
    rc = write_key(path, &pair.secret, status.st_mode & S_ISGID ? 0640 : 0600);
    explicit_bzero(&pair.secret, sizeof pair.secret);
    if (rc == -EEXIST)
        return explain(rc, why, why_size, "%s is there already, and stays: with another key this "
                       "machine would be a stranger to all its peers; remove it if that is what "
                       "you want", path);
    if (rc != 0)
        return explain(rc, why, why_size, "cannot write %s: %s", path, strerror(-rc));
    snprintf(path, sizeof path, "%s/" PUBLIC, folder);
    unlink(path);               /* of a secret that is no more */
    rc = write_key(path, &pair.public, 0644);
    if (rc != 0)
        return explain(rc, why, why_size, "cannot write %s: %s", path, strerror(-rc));
    return 0;
}

int peer_keys_check(const struct config *config, char *why, size_t why_size)
{
    struct peer_key_pair pair;
    struct bus_endpoint endpoint;

    for (uint32_t i = 0; i < config->bus.collectors.size; i++) {
        if (bus_endpoint_parse(config->bus.collectors.items[i], &endpoint, why, why_size) != 0
            || !endpoint.is_tcp)
            continue;
        int rc = peer_keys_read_own(config->bus.keys, &pair, why, why_size);
        explicit_bzero(&pair, sizeof pair);
        return rc;
    }
    return 0;
}
