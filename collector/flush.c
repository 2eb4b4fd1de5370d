#include "flush.h"

#include <assert.h>
#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "list_command.h"
#include "list_store.h"
#include "tc_hook.h"
#include "zsock_setup.h"

enum {
    SEND_MS = 1000,             /* a collector that runs is connected much sooner */
    ANSWER_MS = 3000,           /* it may be busy with 50,000 entries */
    MAX_KEY = 64,
};

struct flush {
    const struct config *config;
    FILE *file;
    bool failed;
};

__attribute__((format(printf, 4, 5)))
static void tell(struct flush *self, bool is_fine, const char *what, const char *format, ...)
{
    va_list args;

    fprintf(self->file, "%s  %-10s ", is_fine ? "ok  " : "BAD ", what);
    va_start(args, format);
    vfprintf(self->file, format, args);
    va_end(args);
    fputc('\n', self->file);
    self->failed |= !is_fine;
}

/* ---- the kernel ---- */

/* Delete every key, whatever the values are: it may be the map of another version.
 * Returns how many were deleted, or -errno. */
static long empty_map(const char *path)
{
    uint8_t key[MAX_KEY];
    long count = 0;
    int rc = 0, fd = bpf_obj_get(path);

    if (fd < 0)
        return fd;
    while (rc == 0 && bpf_map_get_next_key(fd, NULL, key) == 0) {
        rc = bpf_map_delete_elem(fd, key);
        if (rc == -ENOENT)
            rc = 0;             /* it has gone meanwhile */
        else
            count++;
    }
    close(fd);
    return rc == 0 ? count : rc;
}

/* The three maps of one layout.  Returns whether there are any. */
static bool empty_folder(struct flush *self, const char *folder)
{
    static const char *const MAPS[] = { "hosts", "black_prefixes", "white_prefixes" };
    char path[PATH_MAX + NAME_MAX + 32];
    long sum = 0;
    int found = 0;

    for (size_t i = 0; i < sizeof MAPS / sizeof MAPS[0]; i++) {
        snprintf(path, sizeof path, "%s/%s/%s", self->config->network.pin_path, folder, MAPS[i]);
        long count = empty_map(path);
        if (count == -ENOENT)
            continue;
        found++;
        if (count < 0)
            tell(self, false, "kernel", "cannot empty %s: %s", path, strerror((int) -count));
        else
            sum += count;
    }
    if (found > 0)
        tell(self, true, "kernel", "%ld entries removed from the maps in %s/%s", sum,
             self->config->network.pin_path, folder);
    return found > 0;
}

/* Without pins the maps cannot be reached: then the programs go. */
static void detach_all(struct flush *self)
{
    struct if_nameindex *links = if_nameindex();
    int rc = 0;

    for (struct if_nameindex *link = links; link && link->if_index != 0; link++)
        for (int direction = 0; direction < 2; direction++) {
            struct tc_hook hook = { .pin_path = self->config->network.pin_path,
                                    .ifindex = link->if_index,
                                    .direction = (enum packet_direction) direction };
            int one = tc_hook_detach(&hook);
            if (one != 0)
                rc = one;
        }
    if_freenameindex(links);
    if (rc == 0)
        tell(self, true, "kernel", "no maps are pinned in %s; no program of NTC is attached",
             self->config->network.pin_path);
    else
        tell(self, false, "kernel", "no maps are pinned in %s, and programs that may be attached "
             "cannot be taken off: %s", self->config->network.pin_path, strerror(-rc));
}

static void flush_kernel(struct flush *self)
{
    DIR *dir = opendir(self->config->network.pin_path);
    const struct dirent *entry;
    bool found = false;

    while (dir && (entry = readdir(dir)) != NULL)
        if (entry->d_name[0] == 'v')
            found |= empty_folder(self, entry->d_name);
    int error = dir ? 0 : errno;
    if (dir)
        closedir(dir);
    if (error == EACCES || error == EPERM)
        tell(self, false, "kernel", "no access to %s: do it as root",
             self->config->network.pin_path);
    else if (!found)
        detach_all(self);
}

/* ---- the collector ---- */

/* Does anybody hold the socket?  The kernel takes connections also for a process that hangs. */
static bool is_there(const char *endpoint)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(addr.sun_path, sizeof addr.sun_path, "%.107s", endpoint + strlen("ipc://"));
    bool there = fd >= 0 && connect(fd, (struct sockaddr *) &addr, sizeof addr) == 0;
    if (fd >= 0)
        close(fd);
    return there;
}

/* Ask it to forget its lists.  Returns 0 with its reply, which the caller clears; -ENOTCONN when it
 * does not run, -ETIMEDOUT when it does not answer, or another -errno. */
static int ask(const struct flush *self, struct list_reply *ret_reply)
{
    struct list_request request = { .op = LIST_OP_FLUSH, .request_id = clock_monotonic_ns() };
    char endpoint[128];
    uint8_t *bytes = NULL;
    size_t size;
    zmq_msg_t message;
    zsock_t *socket = NULL;
    int rc = zsock_setup_endpoint(endpoint, self->config->bus.directory, BUS_COMMANDS);

    zmq_msg_init(&message);
    if (rc == 0)
        rc = list_request_encode(&request, &bytes, &size);
    if (rc == 0 && !(socket = zsock_setup_connect(ZMQ_REQ, endpoint, 1)))
        rc = -errno;
    if (rc == 0) {
        zsock_set_sndtimeo(socket, SEND_MS);
        zsock_set_rcvtimeo(socket, ANSWER_MS);
        if (zmq_send(zsock_resolve(socket), bytes, size, 0) < 0)
            rc = is_there(endpoint) ? -ETIMEDOUT : -ENOTCONN;
        else if (zmq_msg_recv(&message, zsock_resolve(socket), 0) < 0)
            rc = -ETIMEDOUT;
        else
            rc = list_reply_decode(ret_reply, zmq_msg_data(&message), zmq_msg_size(&message));
    }
    zmq_msg_close(&message);
    zsock_destroy(&socket);
    free(bytes);
    return rc;
}

static void tell_file(struct flush *self, const char *kept)
{
    const char *path = self->config->persistence.path;

    if (kept[0] == '\0')
        tell(self, true, "lists file", "there is none at %s", path);
    else
        tell(self, true, "lists file", "is now %s: a start begins with empty lists; to have them "
             "back, stop ntc-collector, rename it to %s and start", kept, path);
}

/* Returns whether the collector has seen to the file. */
static bool flush_collector(struct flush *self)
{
    struct list_reply reply;
    int rc = ask(self, &reply);

    if (rc == -ENOTCONN)
        tell(self, true, "collector", "none runs in %s", self->config->bus.directory);
    else if (rc != 0)
        tell(self, false, "collector", "it does not answer (%s): restart it, else it may enforce "
             "its lists again", strerror(-rc));
    if (rc != 0)
        return false;
    bool is_fine = reply.code == LIST_OK;
    if (is_fine) {
        tell(self, true, "collector", "it runs, and its lists are empty");
        tell_file(self, reply.error);
    } else if (reply.code == LIST_NOT_SAVED) {
        tell(self, true, "collector", "it runs, and its lists are empty");
    } else {
        tell(self, false, "collector", "%s", reply.error);
    }
    list_reply_clear(&reply);
    return is_fine;
}

/* ---- the file ---- */

static void flush_file(struct flush *self)
{
    const char *path = self->config->persistence.path;
    char kept[LIST_STORE_NAME_SIZE] = "";
    list_store_t *store = NULL;
    int rc = list_store_open(&store, path);

    if (rc == 0)
        rc = list_store_set_aside(store, kept);
    if (rc == 0 || rc == -ENOENT)
        tell_file(self, kept);
    else
        tell(self, false, "lists file", "cannot rename %s: %s; a start of ntc-collector brings its "
             "entries back", path, strerror(-rc));
    list_store_destroy(&store);
}

int flush_lists(const struct config *config, FILE *file)
{
    assert(config && file);

    struct flush self = { .config = config, .file = file };

    flush_kernel(&self);        /* first: this is what blocks */
    if (!flush_collector(&self))
        flush_file(&self);
    return self.failed ? -EIO : 0;
}
