#include "tc_hook.h"

#include <assert.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kernel_contract.h"

/* Debian 12's headers are older than tcx (linux/bpf.h of Linux 6.6). */
enum { TCX_INGRESS = 46, TCX_EGRESS = 47, TCX_FIRST = 1 << 3 /* BPF_F_BEFORE nobody */ };

#define TCX_PROGRAMS 64         /* on one direction of an interface (BPF_MPROG_MAX) */
#define LINK_PREFIX "link-"

static enum bpf_attach_type tcx_type(enum packet_direction direction)
{
    return (enum bpf_attach_type) (direction == PACKET_INGRESS ? TCX_INGRESS : TCX_EGRESS);
}

bool tc_hook_has_tcx(void)
{
    __u32 ids[TCX_PROGRAMS], count = TCX_PROGRAMS;
    int loopback = 1;

    return bpf_prog_query(loopback, tcx_type(PACKET_INGRESS), 0, NULL, ids, &count) == 0;
}

static int link_path(const struct tc_hook *self, char path[PATH_MAX])
{
    int length = snprintf(path, PATH_MAX, "%s/" LINK_PREFIX "%u-%s", self->pin_path, self->ifindex,
                          self->direction == PACKET_INGRESS ? "ingress" : "egress");

    return length < PATH_MAX ? 0 : -ENAMETOOLONG;
}

static uint32_t program_id(int program_fd)
{
    struct bpf_prog_info info = { 0 };
    __u32 size = sizeof info;

    return bpf_obj_get_info_by_fd(program_fd, &info, &size) == 0 ? info.id : 0;
}

static bool tcx_runs(const struct tc_hook *self, uint32_t id)
{
    __u32 ids[TCX_PROGRAMS] = { 0 }, count = TCX_PROGRAMS;

    if (id == 0 || bpf_prog_query((int) self->ifindex, tcx_type(self->direction), 0, NULL, ids,
                                  &count) != 0)
        return false;
    for (uint32_t i = 0; i < count && i < TCX_PROGRAMS; i++)
        if (ids[i] == id)
            return true;
    return false;
}

/* The link an earlier collector left here.  What is pinned may belong to an interface that is gone,
 * or, under the same number, to one of another network namespace: then it is none of ours.
 * Returns a descriptor the caller closes, or -ENOENT. */
static int open_link(const struct tc_hook *self, const char *path)
{
    struct bpf_link_info info = { 0 };
    __u32 size = sizeof info;
    int fd = bpf_obj_get(path);

    if (fd < 0)
        return -ENOENT;
    if (bpf_obj_get_info_by_fd(fd, &info, &size) == 0 && tcx_runs(self, info.prog_id))
        return fd;
    close(fd);
    return -ENOENT;
}

static int attach_tcx(const struct tc_hook *self, int program_fd)
{
    DECLARE_LIBBPF_OPTS(bpf_link_create_opts, first, .flags = TCX_FIRST);
    char path[PATH_MAX];
    int rc = link_path(self, path), fd;

    if (rc != 0)
        return rc;
    fd = open_link(self, path);
    if (fd >= 0) {
        rc = bpf_link_update(fd, program_fd, NULL);
        close(fd);
        return rc;
    }
    unlink(path);
    fd = bpf_link_create(program_fd, (int) self->ifindex, tcx_type(self->direction), &first);
    if (fd < 0)
        return fd;
    rc = bpf_obj_pin(fd, path);
    close(fd);                  /* the pin holds it */
    return rc;
}

/* Returns 0, also when there is none. */
static int detach_tcx(const struct tc_hook *self)
{
    char path[PATH_MAX];
    int rc = link_path(self, path);
    int fd = rc == 0 ? open_link(self, path) : -1;

    if (fd < 0)
        return rc;
    rc = bpf_link_detach(fd);   /* now; what the last reference leaves behind goes later */
    close(fd);
    if (unlink(path) != 0 && rc == 0)
        rc = -errno;
    return rc;
}

static enum bpf_tc_attach_point clsact_point(const struct tc_hook *self)
{
    return self->direction == PACKET_INGRESS ? BPF_TC_INGRESS : BPF_TC_EGRESS;
}

static int attach_clsact(const struct tc_hook *self, int program_fd, bool *ret_made_clsact)
{
    DECLARE_LIBBPF_OPTS(bpf_tc_hook, both, .ifindex = (int) self->ifindex,
                        .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
    DECLARE_LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int) self->ifindex,
                        .attach_point = clsact_point(self));
    DECLARE_LIBBPF_OPTS(bpf_tc_opts, opts, .handle = NTC_TC_HANDLE, .priority = NTC_TC_PRIORITY,
                        .prog_fd = program_fd, .flags = BPF_TC_F_REPLACE);
    int rc = bpf_tc_hook_create(&both);

    if (rc == 0)
        *ret_made_clsact = true;
    else if (rc != -EEXIST)
        return rc;
    return bpf_tc_attach(&hook, &opts);
}

/* The id of the program in our filter, 0 = none. */
static uint32_t clsact_program(const struct tc_hook *self)
{
    DECLARE_LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int) self->ifindex,
                        .attach_point = clsact_point(self));
    DECLARE_LIBBPF_OPTS(bpf_tc_opts, opts, .handle = NTC_TC_HANDLE, .priority = NTC_TC_PRIORITY);

    return bpf_tc_query(&hook, &opts) == 0 ? opts.prog_id : 0;
}

static int detach_clsact(const struct tc_hook *self)
{
    DECLARE_LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int) self->ifindex,
                        .attach_point = clsact_point(self));
    DECLARE_LIBBPF_OPTS(bpf_tc_opts, opts, .handle = NTC_TC_HANDLE, .priority = NTC_TC_PRIORITY);

    return clsact_program(self) ? bpf_tc_detach(&hook, &opts) : 0;
}

int tc_hook_attach(const struct tc_hook *self, int program_fd, bool *ret_made_clsact)
{
    assert(self && program_fd >= 0 && ret_made_clsact);

    int rc = self->clsact_only ? -EOPNOTSUPP : attach_tcx(self, program_fd);

    /* The other way's program goes last: a packet in between is counted twice, none gets by. */
    if (rc == 0) {
        detach_clsact(self);
        return 0;
    }
    if (rc != -EOPNOTSUPP && rc != -EINVAL)     /* -EINVAL: a kernel that does not know tcx */
        return rc;
    rc = attach_clsact(self, program_fd, ret_made_clsact);
    if (rc == 0)
        detach_tcx(self);
    return rc;
}

bool tc_hook_is_attached(const struct tc_hook *self, int program_fd)
{
    uint32_t id = program_id(program_fd);

    return id != 0 && (clsact_program(self) == id || tcx_runs(self, id));
}

int tc_hook_detach(const struct tc_hook *self)
{
    int tcx = detach_tcx(self), clsact = detach_clsact(self);

    return tcx != 0 ? tcx : clsact;
}

void tc_hook_remove_stale(const char *pin_path)
{
    DIR *dir = opendir(pin_path);
    struct dirent *entry;
    char path[PATH_MAX], direction[16];
    struct tc_hook hook = { .pin_path = pin_path };

    if (!dir)
        return;
    while ((entry = readdir(dir))) {
        if (sscanf(entry->d_name, LINK_PREFIX "%u-%15s", &hook.ifindex, direction) != 2)
            continue;
        hook.direction = strcmp(direction, "ingress") == 0 ? PACKET_INGRESS : PACKET_EGRESS;
        int fd = link_path(&hook, path) == 0 ? open_link(&hook, path) : -1;
        if (fd >= 0)
            close(fd);
        else
            unlinkat(dirfd(dir), entry->d_name, 0);
    }
    closedir(dir);
}
