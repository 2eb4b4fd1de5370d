#include "doctor.h"

#include <arpa/inet.h>
#include <assert.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <linux/magic.h>
#include <net/if.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "client_keys.h"
#include "kernel_contract.h"
#include "ntc.skel.h"
#include "tc_attachment.h"
#include "tc_hook.h"
#include "tc_source.h"

#define LEAST_FREE_MIB 16       /* the lists file is written beside the old one */

enum finding { GOOD, NOTE, BAD };

struct doctor {
    const struct config *config;
    FILE *file;
    unsigned bad;
};

/* Write one line: how it is, what was looked at, what was found and what to do. */
__attribute__((format(printf, 4, 5)))
static void tell(struct doctor *self, enum finding finding, const char *what, const char *format,
                 ...)
{
    static const char *const WORDS[] = { "ok  ", "note", "BAD " };
    va_list args;

    fprintf(self->file, "%s  %-13s ", WORDS[finding], what);
    va_start(args, format);
    vfprintf(self->file, format, args);
    va_end(args);
    fputc('\n', self->file);
    self->bad += finding == BAD;
}

/* ---- the kernel ---- */

static void examine_kernel(struct doctor *self)
{
    struct utsname name;
    int major = 0, minor = 0;

    uname(&name);
    sscanf(name.release, "%d.%d", &major, &minor);
    if (major > 5 || (major == 5 && minor >= 17))
        tell(self, GOOD, "kernel", "Linux %s", name.release);
    else
        tell(self, BAD, "kernel", "Linux %s lacks what the TC programs call (bpf_loop): upgrade to "
             "5.17 or newer, best 6.1 or newer", name.release);
    if (sizeof(void *) == 4 && strstr(name.machine, "64"))
        tell(self, BAD, "userland", "32 bit on a 64 bit kernel (%s): install the 64 bit system",
             name.machine);
    else
        tell(self, GOOD, "userland", "%zu bit on %s", 8 * sizeof(void *), name.machine);
    long page = sysconf(_SC_PAGESIZE);
    if (page > (long) self->config->events.ring_mib << 20)
        tell(self, BAD, "page size", "%ld KiB: make events.ring_mib larger", page / 1024);
    else
        tell(self, GOOD, "page size", "%ld KiB", page / 1024);
}

static void examine_privileges(struct doctor *self)
{
    char why[256];

    if (tc_source_check(why, sizeof why) != 0)
        tell(self, BAD, "privileges", "CAP_BPF and CAP_NET_ADMIN are missing: run as root (sudo), "
             "or see what the service says: systemctl status ntc-collector");
    else
        tell(self, GOOD, "privileges", "CAP_BPF and CAP_NET_ADMIN");
}

static void examine_ring(struct doctor *self)
{
    int fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "doctor", 0, 0, (uint32_t) sysconf(_SC_PAGESIZE),
                            NULL);

    if (fd >= 0)
        tell(self, GOOD, "ring buffer", "the kernel makes BPF ring buffers");
    else if (fd == -ENOSYS)
        tell(self, BAD, "BPF", "the kernel is built without it: use one with CONFIG_BPF_SYSCALL=y, "
             "such as Debian's or Raspberry Pi OS's");
    else if (fd == -EPERM)
        tell(self, BAD, "BPF", "not permitted: run as root; in a container, allow CAP_BPF and the "
             "system call bpf");
    else
        tell(self, BAD, "ring buffer", "the kernel refuses it (%s): use 5.17 or newer",
             strerror(-fd));
    if (fd >= 0)
        close(fd);
}

static void examine_jit(struct doctor *self)
{
    FILE *file = fopen("/proc/sys/net/core/bpf_jit_enable", "re");
    int on = -1;

    if (file && fscanf(file, "%d", &on) != 1)
        on = -1;
    if (file)
        fclose(file);
    if (on == 0)
        tell(self, NOTE, "JIT", "off, every packet costs more: sysctl net.core.bpf_jit_enable=1");
    else if (on < 0)
        tell(self, NOTE, "JIT", "unknown: /proc/sys/net/core/bpf_jit_enable cannot be read");
    else
        tell(self, GOOD, "JIT", "on");
}

/* Put a program on the loopback device of an empty network namespace: that needs both modules. */
static int try_clsact(int program_fd)
{
    struct tc_hook hook = { .pin_path = "", .ifindex = 1, .clsact_only = true };
    bool made_clsact;

    return tc_hook_attach(&hook, program_fd, &made_clsact);
}

static void examine_attaching(struct doctor *self, int program_fd)
{
    if (tc_hook_has_tcx() && !self->config->network.clsact_only) {
        tell(self, GOOD, "attaching", "by tcx");
        return;
    }
    int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (own < 0 || unshare(CLONE_NEWNET) != 0) {
        tell(self, NOTE, "attaching",
             "by clsact, not tried: only root can do that without touching an interface");
    } else {
        int rc = try_clsact(program_fd);
        if (rc == 0)
            tell(self, GOOD, "attaching", "by clsact (sch_ingress, cls_bpf)");
        else
            tell(self, BAD, "attaching", "by clsact: %s: modprobe sch_ingress cls_bpf; if that "
                 "fails, use a kernel that has both, or Linux 6.6 and newer", strerror(-rc));
        if (setns(own, CLONE_NEWNET) != 0)
            tell(self, BAD, "namespace", "cannot return: %s", strerror(errno));
    }
    if (own >= 0)
        close(own);
}

static int no_lines(enum libbpf_print_level level, const char *format, va_list args)
{
    (void) level, (void) format, (void) args;
    return 0;
}

static void examine_programs(struct doctor *self)
{
    libbpf_set_print(no_lines);
    struct ntc_bpf *skeleton = ntc_bpf__open_and_load();

    if (!skeleton) {
        tell(self, BAD, "TC programs", "the kernel does not take them: %s", strerror(errno));
        return;
    }
    tell(self, GOOD, "TC programs", "the kernel takes them");
    examine_attaching(self, bpf_program__fd(skeleton->progs.ntc_ingress));
    ntc_bpf__destroy(skeleton);
}

/* ---- folders ---- */

/* Write the folder that `path` is in, "." for a bare name. */
static void folder_of(const char *path, char folder[PATH_MAX])
{
    const char *slash = strrchr(path, '/');

    if (!slash)
        strcpy(folder, ".");
    else
        snprintf(folder, PATH_MAX, "%.*s", slash == path ? 1 : (int) (slash - path), path);
}

static void examine_bpffs(struct doctor *self)
{
    char parent[PATH_MAX];
    struct statfs info;

    folder_of(self->config->network.pin_path, parent);
    bool is_bpffs = statfs(parent, &info) == 0 && (unsigned long) info.f_type == BPF_FS_MAGIC;
    if (!is_bpffs && strcmp(parent, "/sys/fs/bpf") == 0 && access(parent, F_OK) == 0)
        tell(self, NOTE, "bpffs", "not mounted on %s: the collector does that as root", parent);
    else if (!is_bpffs)
        tell(self, BAD, "bpffs", "none on %s (network.pin_path): mkdir -p %s; mount -t bpf bpf %s",
             parent, parent, parent);
    else
        tell(self, GOOD, "bpffs", "%s", parent);
}

/* The folder, or if it is missing the nearest above that is there. */
static void nearest_folder(char folder[PATH_MAX])
{
    while (access(folder, F_OK) != 0 && strchr(folder, '/') && strcmp(folder, "/") != 0) {
        char *slash = strrchr(folder, '/');
        slash[slash == folder] = '\0';
    }
}

static void examine_disk(struct doctor *self)
{
    char folder[PATH_MAX];
    struct statvfs info;

    folder_of(self->config->persistence.path, folder);
    nearest_folder(folder);
    if (statvfs(folder, &info) != 0) {
        tell(self, BAD, "disk", "%s: %s; see persistence.path", folder, strerror(errno));
        return;
    }
    unsigned long long mib = (unsigned long long) info.f_bavail * info.f_frsize >> 20;
    if (info.f_flag & ST_RDONLY)
        tell(self, BAD, "disk", "%s is read-only: lists cannot be changed; see persistence.path",
             folder);
    else if (mib < LEAST_FREE_MIB)
        tell(self, BAD, "disk", "only %llu MiB free in %s: lists cannot be saved; make room", mib,
             folder);
    else if (access(folder, W_OK) != 0)
        tell(self, BAD, "disk", "%s cannot be written: %s; see persistence.path", folder,
             strerror(errno));
    else
        tell(self, GOOD, "disk", "%llu MiB free in %s", mib, folder);
}

/* ---- the network ---- */

static unsigned link_type(const char *name)
{
    char path[64 + IF_NAMESIZE];
    unsigned type = 0;

    snprintf(path, sizeof path, "/sys/class/net/%s/type", name);
    FILE *file = fopen(path, "re");
    if (file && fscanf(file, "%u", &type) != 1)
        type = 0;
    if (file)
        fclose(file);
    return type;
}

static void examine_interface(struct doctor *self, const char *name)
{
    unsigned type = link_type(name);

    if (tc_attachment_can_watch(type))
        tell(self, GOOD, "interface", "%s (link type %u)", name, type);
    else
        tell(self, BAD, "interface", "%s has link type %u, neither Ethernet nor bare IP: name "
             "another in network.interfaces", name, type);
}

/* Write the device of the IPv4 default route with the lowest metric, "" when there is none. */
static void default_device(char name[IF_NAMESIZE])
{
    FILE *file = fopen("/proc/net/route", "re");
    char line[256], device[IF_NAMESIZE];
    unsigned destination, mask, metric, best = UINT_MAX;

    name[0] = '\0';
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "%15s %x %*x %*x %*d %*d %u %x", device, &destination, &metric, &mask) == 4
            && destination == 0 && mask == 0 && metric < best) {
            best = metric;
            strcpy(name, device);
        }
    if (file)
        fclose(file);
}

static void examine_pattern(struct doctor *self, const char *pattern,
                            const struct if_nameindex *all)
{
    bool found = false;

    for (const struct if_nameindex *one = all; one && one->if_index != 0; one++)
        if (fnmatch(pattern, one->if_name, 0) == 0
            && (strcmp(one->if_name, "lo") != 0 || strcmp(pattern, "lo") == 0)) {
            examine_interface(self, one->if_name);
            found = true;
        }
    if (!found)
        tell(self, NOTE, "interface", "nothing is called \"%s\" now; it will be watched when it "
             "appears", pattern);
}

static void examine_interfaces(struct doctor *self)
{
    const struct config_list *patterns = &self->config->network.interfaces;
    struct if_nameindex *all = if_nameindex();
    char name[IF_NAMESIZE];

    for (uint32_t i = 0; i < patterns->size; i++)
        examine_pattern(self, patterns->items[i], all);
    if (all)
        if_freenameindex(all);
    if (patterns->size > 0)
        return;
    default_device(name);
    if (name[0] != '\0')
        examine_interface(self, name);
    else
        tell(self, NOTE, "interface", "no IPv4 default route now; its device will be watched when "
             "there is one, or name one in network.interfaces");
}

static void examine_port(struct doctor *self)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((uint16_t) self->config->server.port) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;
    unsigned port = self->config->server.port;

    inet_pton(AF_INET, self->config->server.listen, &address.sin_addr);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(fd, (struct sockaddr *) &address, sizeof address) == 0)
        tell(self, GOOD, "port", "%u is free", port);
    else if (errno == EADDRINUSE)
        tell(self, NOTE, "port", "%u is in use: by NTC itself, if it runs; if not, choose another "
             "server.port (ss -tlnp shows by whom)", port);
    else
        tell(self, BAD, "port", "cannot listen on %s port %u: %s; see server.listen and "
             "server.port", self->config->server.listen, port, strerror(errno));
    if (fd >= 0)
        close(fd);
}

static void on_bad_file(const char *sentence, void *arg)
{
    struct doctor *self = arg;

    tell(self, NOTE, "keys", "%s", sentence);
}

/* The keys of those who may connect to us. */
static void examine_clients(struct doctor *self)
{
    const struct config *config = self->config;
    client_keys_t *clients = client_keys_new(config->bus.keys);

    if (config->bus.listen[0] != '\0' && clients) {
        client_keys_refresh(clients, on_bad_file, self);
        unsigned count = client_keys_size(clients);
        tell(self, count > 0 ? GOOD : NOTE, "keys", "%u host%s may connect to %s%s%s", count,
             count == 1 ? "" : "s", config->bus.listen,
             count > 0 ? "" : ": put the public.key of each into NAME.key in ",
             count > 0 ? "" : config->bus.keys);
    }
    client_keys_destroy(&clients);
}

/* What encrypted connections to or from other hosts need. */
static void examine_keys(struct doctor *self)
{
    const struct config *config = self->config;
    struct peer_key_pair own;
    struct peer_key key;
    char why[512];

    if (config->bus.listen[0] != '\0' || peer_keys_check(config, why, sizeof why) != 0) {
        if (peer_keys_read_own(config->bus.keys, &own, why, sizeof why) == 0)
            tell(self, GOOD, "keys", "this host has a pair in %s", config->bus.keys);
        else
            tell(self, BAD, "keys", "%s", why);
        explicit_bzero(&own, sizeof own);
    }
    for (uint32_t i = 0; i < config->bus.collectors.size; i++) {
        const char *endpoint = config->bus.collectors.items[i];
        if (strncmp(endpoint, "tcp://", 6) != 0)
            continue;
        if (peer_keys_read_collector(config->bus.keys, endpoint, &key, why, sizeof why) == 0)
            tell(self, GOOD, "keys", "that of %s is known", endpoint);
        else
            tell(self, BAD, "keys", "%s: %s", endpoint, why);
    }
    examine_clients(self);
}

static void examine_timezone(struct doctor *self)
{
    const char *zone = self->config->server.timezone;
    char path[PATH_MAX];

    snprintf(path, sizeof path, "/usr/share/zoneinfo/%s", zone);
    if (zone[0] == '\0' && access("/etc/localtime", R_OK) != 0)
        tell(self, NOTE, "time zone", "UTC, /etc/localtime is missing: set server.timezone, such "
             "as Europe/Berlin");
    else if (access(path, R_OK) != 0)
        tell(self, BAD, "time zone", "\"%s\" is not in /usr/share/zoneinfo: apt install tzdata, or "
             "correct server.timezone", zone);
    else
        tell(self, GOOD, "time zone", "%s", zone[0] == '\0' ? "the system's" : zone);
}

unsigned doctor_examine(const struct config *config, FILE *file)
{
    assert(config && file);

    struct doctor self = { .config = config, .file = file };

    examine_kernel(&self);
    examine_privileges(&self);
    examine_ring(&self);
    examine_jit(&self);
    examine_programs(&self);
    examine_bpffs(&self);
    examine_interfaces(&self);
    examine_port(&self);
    examine_keys(&self);
    examine_timezone(&self);
    examine_disk(&self);
    if (self.bad == 0)
        fprintf(file, "Nothing keeps NTC from working here.\n");
    else
        fprintf(file, "NTC will not work here before %u finding%s marked BAD %s put right.\n",
                self.bad, self.bad == 1 ? "" : "s", self.bad == 1 ? "is" : "are");
    return self.bad;
}
