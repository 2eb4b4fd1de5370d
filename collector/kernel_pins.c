#include "kernel_pins.h"

#include <assert.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "kernel_contract.h"
#include "log.h"

#define STANDARD_BPFFS "/sys/fs/bpf"

static bool is_bpffs(const char *path)
{
    struct statfs info;

    return statfs(path, &info) == 0 && (unsigned long) info.f_type == BPF_FS_MAGIC;
}

/* Make the folder for our pins.  Systems without systemd often have no bpffs mounted yet. */
static int make_folder(const struct kernel_pins *self, char *why, size_t why_size)
{
    char parent[PATH_MAX];
    int rc = 0;

    snprintf(parent, sizeof parent, "%s", self->path);
    char *slash = strrchr(parent, '/');
    if (!slash || slash == parent) {
        snprintf(why, why_size, "network.pin_path \"%s\" is no folder on a bpffs", self->path);
        return -EINVAL;
    }
    *slash = '\0';
    if (!is_bpffs(parent) && strcmp(parent, STANDARD_BPFFS) == 0
        && mount("bpf", parent, "bpf", 0, "mode=0700") != 0) {
        rc = -errno;
        snprintf(why, why_size, "cannot mount a bpffs on %s: %s; as root: mount -t bpf bpf %s",
                 parent, strerror(-rc), parent);
    } else if (!is_bpffs(parent)) {
        rc = -EINVAL;
        snprintf(why, why_size, "network.pin_path: %s is not on a bpffs; as root: "
                 "mount -t bpf bpf %s", parent, parent);
    } else if ((mkdir(self->path, 0700) != 0 && errno != EEXIST)
               || (mkdir(self->folder, 0700) != 0 && errno != EEXIST)) {
        rc = -errno;
        snprintf(why, why_size, "cannot make %s: %s", self->folder, strerror(-rc));
    }
    return rc;
}

int kernel_pins_open(struct kernel_pins *ret_self, const char *pin_path, char *why,
                     size_t why_size)
{
    assert(ret_self && pin_path && why);

    int length = snprintf(ret_self->folder, sizeof ret_self->folder, "%s/v%d", pin_path,
                          NTC_LAYOUT);

    snprintf(ret_self->path, sizeof ret_self->path, "%s", pin_path);
    if ((size_t) length >= sizeof ret_self->folder) {
        snprintf(why, why_size, "network.pin_path is too long");
        return -ENAMETOOLONG;
    }
    if (geteuid() != 0 && access(pin_path, W_OK) != 0 && errno == EACCES) {
        snprintf(why, why_size, "no access to %s: watching a real interface needs root, or CAP_BPF "
                 "and CAP_NET_ADMIN and a bpffs folder of one's own; --mock needs neither",
                 pin_path);
        return -EACCES;
    }
    return make_folder(ret_self, why, why_size);
}

static int pin_name(const struct kernel_pins *self, const char *name, const char *suffix,
                    char path[PATH_MAX])
{
    int length = snprintf(path, PATH_MAX, "%s/%s%s", self->folder, name, suffix);

    return length < PATH_MAX ? 0 : -ENAMETOOLONG;
}

/* Open the pinned map of this name.  *ret_same says if it is what we would make ourselves.
 * Returns a descriptor the caller closes, or -errno. */
static int open_pinned(const struct kernel_pins *self, const struct bpf_map *map, bool *ret_same)
{
    char path[PATH_MAX];
    struct bpf_map_info info = { 0 };
    __u32 info_size = sizeof info;
    int fd = pin_name(self, bpf_map__name(map), "", path);

    if (fd == 0)
        fd = bpf_obj_get(path);
    if (fd < 0)
        return fd;
    int rc = bpf_obj_get_info_by_fd(fd, &info, &info_size);
    if (rc != 0) {
        close(fd);
        return rc;
    }
    *ret_same = info.type == bpf_map__type(map) && info.key_size == bpf_map__key_size(map)
        && info.value_size == bpf_map__value_size(map)
        && info.max_entries == bpf_map__max_entries(map)
        && info.map_flags == bpf_map__map_flags(map);
    return fd;
}

/* Maps whose capacity is configured: when it changes, what they hold is carried over. */
static bool is_sized_by_config(const struct ntc_bpf *skeleton, const struct bpf_map *map)
{
    return map == skeleton->maps.hosts || map == skeleton->maps.black_prefixes
        || map == skeleton->maps.white_prefixes;
}

void kernel_pins_adopt(const struct kernel_pins *self, struct ntc_bpf *skeleton,
                       struct kernel_heritage *ret_heritage)
{
    struct bpf_map *map;
    size_t i = 0;

    *ret_heritage = (struct kernel_heritage) { .ring_fd = -1 };
    bpf_object__for_each_map(map, skeleton->obj) {
        bool same = false;
        assert(i < KERNEL_PINS_MAPS);
        int *old = &ret_heritage->maps[i++];
        int fd = open_pinned(self, map, &same);

        *old = -1;
        if (fd < 0)
            continue;
        if (same) {
            if (bpf_map__reuse_fd(map, fd) == 0 && map == skeleton->maps.cpus)
                ret_heritage->taken_over = true;
            close(fd);
        } else if (is_sized_by_config(skeleton, map)) {
            *old = fd;
        } else if (map == skeleton->maps.ring) {
            ret_heritage->ring_fd = fd;
        } else {
            log_warning("the pinned map %s is of an unknown form: starting with a new one",
                        bpf_map__name(map));
            close(fd);
        }
    }
}

/* Copy the entries of `from` into `to`, as many as fit.  Lists are small next to memory, and the
 * lists file corrects what does not fit. */
static void copy_entries(int from, int to, size_t key_size, size_t value_size)
{
    uint8_t key[32] = { 0 }, next[32], value[256];
    bool first = true;

    assert(key_size <= sizeof key && value_size <= sizeof value);
    while (bpf_map_get_next_key(from, first ? NULL : key, next) == 0) {
        first = false;
        memcpy(key, next, key_size);
        if (bpf_map_lookup_elem(from, key, value) == 0
            && bpf_map_update_elem(to, key, value, BPF_ANY) != 0)
            return;
    }
}

void kernel_pins_carry_over(struct ntc_bpf *skeleton, struct kernel_heritage *heritage)
{
    struct bpf_map *map;
    size_t i = 0;

    bpf_object__for_each_map(map, skeleton->obj) {
        int *old = &heritage->maps[i++];
        if (*old < 0)
            continue;
        copy_entries(*old, bpf_map__fd(map), bpf_map__key_size(map), bpf_map__value_size(map));
        close(*old);
        *old = -1;
    }
}

/* Pin under a second name, then rename: the pin always names a whole object. */
static int pin_object(const struct kernel_pins *self, const char *name, int fd)
{
    char path[PATH_MAX], fresh[PATH_MAX];
    int rc = pin_name(self, name, "", path);

    if (rc == 0)
        rc = pin_name(self, name, "_new", fresh);
    if (rc != 0)
        return rc;
    unlink(fresh);
    rc = bpf_obj_pin(fd, fresh);
    if (rc == 0 && rename(fresh, path) != 0)
        rc = -errno;
    return rc;
}

static void remove_folder(const char *folder)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;

    if (!dir)
        return;
    while ((entry = readdir(dir)))
        if (entry->d_name[0] != '.')
            unlinkat(dirfd(dir), entry->d_name, 0);
    closedir(dir);
    rmdir(folder);
}

/* Pins of other layouts belong to programs that ours have replaced. */
static void remove_other_layouts(const struct kernel_pins *self)
{
    DIR *dir = opendir(self->path);
    struct dirent *entry;
    const char *own = strrchr(self->folder, '/') + 1;
    char path[PATH_MAX + 256];

    if (!dir)
        return;
    while ((entry = readdir(dir))) {
        if (entry->d_name[0] != 'v' || strcmp(entry->d_name, own) == 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", self->path, entry->d_name);
        remove_folder(path);
        log_info("removed the maps of layout %s", entry->d_name);
    }
    closedir(dir);
}

int kernel_pins_save(const struct kernel_pins *self, const struct ntc_bpf *skeleton)
{
    struct bpf_map *map;
    struct bpf_program *program;
    int rc = 0;

    bpf_object__for_each_map(map, skeleton->obj)
        if (rc == 0)
            rc = pin_object(self, bpf_map__name(map), bpf_map__fd(map));
    bpf_object__for_each_program(program, skeleton->obj)
        if (rc == 0)
            rc = pin_object(self, bpf_program__name(program), bpf_program__fd(program));
    if (rc == 0)
        remove_other_layouts(self);
    return rc;
}

void kernel_pins_remove(const struct kernel_pins *self)
{
    remove_folder(self->folder);
    rmdir(self->path);
}
