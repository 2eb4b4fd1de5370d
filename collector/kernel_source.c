#include "kernel_source.h"

#include <assert.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "ntc.skel.h"

#define STANDARD_BPFFS "/sys/fs/bpf"

/* Positions of one ring, in the pages that the kernel shares (kernel/bpf/ringbuf.c). */
struct ring_positions {
    const unsigned long *consumer;
    const unsigned long *producer;
};

enum { RING_NEW, RING_OLD, RINGS };

struct kernel_source {
    struct ntc_bpf *skeleton;
    struct ring_buffer *ring;
    struct ring_positions positions[RINGS];
    int old_ring_fd;            /* of an earlier collector with another ring size, or -1 */
    struct ntc_settings *settings;
    struct ntc_ledger *ledger;
    struct ntc_cpu *cpus;       /* cpu_count of them */
    int cpu_count;
    bool taken_over;
    cpu_set_t own_cpus;         /* where this process may run */
    bool sleep_asked;           /* `asleep` was set at the previous call of _sleep() */
    char pin_path[PATH_MAX];
    char folder[PATH_MAX];      /* pin_path and the layout version */

    /* The drain that is running. */
    kernel_record_fn *on_record;
    void *arg;
    uint32_t left;
};

__attribute__((format(printf, 4, 5)))
static int fail(int error, char *why, size_t why_size, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(why, why_size, format, args);
    va_end(args);
    return error;
}

__attribute__((format(printf, 2, 0)))
static int on_libbpf_line(enum libbpf_print_level level, const char *format, va_list args)
{
    char line[512];

    if (level == LIBBPF_DEBUG)
        return 0;
    int length = vsnprintf(line, sizeof line, format, args);
    while (length > 0 && (size_t) length < sizeof line && line[length - 1] == '\n')
        line[--length] = '\0';
    log_debug("libbpf: %s", line);
    return length;
}

static bool is_bpffs(const char *path)
{
    struct statfs info;

    return statfs(path, &info) == 0 && (unsigned long) info.f_type == BPF_FS_MAGIC;
}

/* Make the folder for our pins.  Systems without systemd often have no bpffs mounted yet. */
static int make_folder(kernel_source_t *self, char *why, size_t why_size)
{
    char parent[PATH_MAX];

    snprintf(parent, sizeof parent, "%s", self->pin_path);
    char *slash = strrchr(parent, '/');
    if (!slash || slash == parent)
        return fail(-EINVAL, why, why_size, "network.pin_path \"%s\" is no folder on a bpffs",
                    self->pin_path);
    *slash = '\0';
    if (!is_bpffs(parent) && strcmp(parent, STANDARD_BPFFS) == 0
        && mount("bpf", parent, "bpf", 0, "mode=0700") != 0)
        return fail(-errno, why, why_size, "cannot mount a bpffs on %s: %s; as root: "
                    "mount -t bpf bpf %s", parent, strerror(errno), parent);
    if (!is_bpffs(parent))
        return fail(-EINVAL, why, why_size, "network.pin_path: %s is not on a bpffs; "
                    "as root: mount -t bpf bpf %s", parent, parent);
    if ((mkdir(self->pin_path, 0700) != 0 && errno != EEXIST)
        || (mkdir(self->folder, 0700) != 0 && errno != EEXIST))
        return fail(-errno, why, why_size, "cannot make %s: %s", self->folder, strerror(errno));
    return 0;
}

static int pin_name(const kernel_source_t *self, const char *name, const char *suffix,
                    char path[PATH_MAX])
{
    int length = snprintf(path, PATH_MAX, "%s/%s%s", self->folder, name, suffix);

    return length < PATH_MAX ? 0 : -ENAMETOOLONG;
}

/* Open the pinned map of this name.  *ret_same says if it is what we would make ourselves.
 * Returns a descriptor the caller closes, or -errno. */
static int open_pinned(const kernel_source_t *self, const struct bpf_map *map, bool *ret_same)
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
static bool is_sized_by_config(const kernel_source_t *self, const struct bpf_map *map)
{
    const struct ntc_bpf *skeleton = self->skeleton;

    return map == skeleton->maps.hosts || map == skeleton->maps.black_prefixes
        || map == skeleton->maps.white_prefixes;
}

/* Use the maps that are pinned already.  `ret_old` gets the descriptors of those we cannot go on
 * with because their capacity is another, -1 else. */
static void adopt_maps(kernel_source_t *self, int ret_old[], size_t old_count)
{
    struct bpf_map *map;
    size_t i = 0;

    bpf_object__for_each_map(map, self->skeleton->obj) {
        bool same = false;
        assert(i < old_count);
        int *old = &ret_old[i++];
        int fd = open_pinned(self, map, &same);

        *old = -1;
        if (fd < 0)
            continue;
        if (same) {
            if (bpf_map__reuse_fd(map, fd) == 0 && map == self->skeleton->maps.cpus)
                self->taken_over = true;
            close(fd);
        } else if (is_sized_by_config(self, map)) {
            *old = fd;
        } else if (map == self->skeleton->maps.ring) {
            self->old_ring_fd = fd;
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

static void carry_over(kernel_source_t *self, int old[], size_t count)
{
    struct bpf_map *map;
    size_t i = 0;

    bpf_object__for_each_map(map, self->skeleton->obj) {
        assert(i < count);
        if (old[i] >= 0) {
            copy_entries(old[i], bpf_map__fd(map), bpf_map__key_size(map),
                         bpf_map__value_size(map));
            close(old[i]);
        }
        i++;
    }
}

static int map_positions(struct ring_positions *positions, int fd)
{
    size_t page = (size_t) sysconf(_SC_PAGESIZE);
    void *consumer = mmap(NULL, page, PROT_READ, MAP_SHARED, fd, 0);
    void *producer = mmap(NULL, page, PROT_READ, MAP_SHARED, fd, (off_t) page);

    if (consumer == MAP_FAILED || producer == MAP_FAILED)
        return -errno;          /* the process ends on this failure: nothing to undo */
    positions->consumer = consumer;
    positions->producer = producer;
    return 0;
}

static int on_sample(void *arg, void *data, size_t size)
{
    kernel_source_t *self = arg;

    if (size >= sizeof(struct packet_record))
        self->on_record(data, self->arg);
    return --self->left == 0 ? -ECANCELED : 0;  /* libbpf stops there, the record is taken */
}

static int open_rings(kernel_source_t *self)
{
    int fd = bpf_map__fd(self->skeleton->maps.ring);

    self->ring = ring_buffer__new(fd, on_sample, self, NULL);
    if (!self->ring)
        return -errno;
    int rc = map_positions(&self->positions[RING_NEW], fd);
    if (rc == 0 && self->old_ring_fd >= 0) {
        rc = ring_buffer__add(self->ring, self->old_ring_fd, on_sample, self);
        if (rc == 0)
            rc = map_positions(&self->positions[RING_OLD], self->old_ring_fd);
    }
    return rc;
}

static void *map_value(const struct bpf_map *map, size_t size)
{
    void *value = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);

    return value == MAP_FAILED ? NULL : value;
}

static int open_shared(kernel_source_t *self)
{
    self->cpus = map_value(self->skeleton->maps.cpus,
                           (size_t) self->cpu_count * sizeof *self->cpus);
    self->settings = map_value(self->skeleton->maps.settings, sizeof *self->settings);
    self->ledger = map_value(self->skeleton->maps.ledger, sizeof *self->ledger);
    return self->settings && self->ledger && self->cpus ? 0 : -errno;
}

/* What a CPU may send as single records, as the time that one of them costs. */
static uint64_t interval_ns(uint32_t per_second)
{
    return per_second ? NS_PER_S / per_second : 2 * NTC_BURST_NS;
}

/* The two clocks differ by the time spent suspended.  Keep the difference unless that grew: what
 * one reading is off by would make times of a flow jump. */
static void update_boot_offset(struct ntc_settings *settings)
{
    int64_t offset = (int64_t) (clock_boot_ns() - clock_monotonic_ns());

    if (llabs(offset - settings->boot_offset_ns) > (int64_t) NS_PER_MS)
        settings->boot_offset_ns = offset;
}

static void write_bypass(struct ntc_settings *settings, const struct config_numbers *ports)
{
    uint64_t bits[1024] = { 0 };

    for (uint32_t i = 0; i < ports->size; i++)
        bits[ports->items[i] >> 6] |= 1ull << (ports->items[i] & 63);
    for (size_t i = 0; i < 1024; i++)   /* word by word: running programs read them */
        if (settings->bypass[i] != bits[i])
            ((volatile __u64 *) settings->bypass)[i] = bits[i];
}

static int write_settings(kernel_source_t *self, const struct config *config)
{
    struct ntc_settings *settings = self->settings;

    write_bypass(settings, &config->network.bypass_ports);
    settings->interval_ns = interval_ns(config->events.per_second);
    update_boot_offset(settings);
    if (settings->hash_seed == 0    /* another seed would only scatter what is cached */
        && getrandom(&settings->hash_seed, sizeof settings->hash_seed, 0) < 0)
        return -errno;
    kernel_source_lists_changed(self);
    return 0;
}

static void size_maps(struct ntc_bpf *skeleton, const struct config *config, uint32_t cpu_count)
{
    bpf_map__set_max_entries(skeleton->maps.cpus, cpu_count);
    bpf_map__set_max_entries(skeleton->maps.cache, cpu_count * NTC_CACHE_SLOTS);
    bpf_map__set_max_entries(skeleton->maps.hosts, config->network.hosts);
    bpf_map__set_max_entries(skeleton->maps.black_prefixes, config->network.prefixes);
    bpf_map__set_max_entries(skeleton->maps.white_prefixes, config->network.prefixes);
    bpf_map__set_max_entries(skeleton->maps.ring, config->events.ring_mib << 20);
}

static int load(kernel_source_t *self, const struct config *config, char *why, size_t why_size)
{
    enum { MAPS = 16 };
    int old[MAPS];

    for (size_t i = 0; i < MAPS; i++)
        old[i] = -1;
    self->skeleton = ntc_bpf__open();
    if (!self->skeleton)
        return fail(-errno, why, why_size, "cannot open the TC programs: %s", strerror(errno));
    self->cpu_count = libbpf_num_possible_cpus();
    if (self->cpu_count < 1)
        return fail(-EINVAL, why, why_size, "cannot read the number of CPUs");
    if (sched_getaffinity(0, sizeof self->own_cpus, &self->own_cpus) != 0)
        return fail(-errno, why, why_size, "cannot read our CPUs: %s", strerror(errno));
    size_maps(self->skeleton, config, (uint32_t) self->cpu_count);
    adopt_maps(self, old, MAPS);
    int rc = ntc_bpf__load(self->skeleton);
    if (rc != 0)
        return fail(rc, why, why_size, "cannot load the TC programs: %s%s", strerror(-rc),
                    rc == -EPERM ? "; this needs root, or CAP_BPF and CAP_NET_ADMIN" : "");
    carry_over(self, old, MAPS);
    rc = open_shared(self);
    if (rc == 0)
        rc = open_rings(self);
    if (rc != 0)
        return fail(rc, why, why_size, "cannot map the ring buffer: %s", strerror(-rc));
    rc = write_settings(self, config);
    if (rc != 0)
        return fail(rc, why, why_size, "cannot draw a random number: %s", strerror(-rc));
    return 0;
}

int kernel_source_open(kernel_source_t **ret_self, const struct config *config,
                       char *why, size_t why_size)
{
    assert(ret_self && config && why && why_size > 0);

    kernel_source_t *self = calloc(1, sizeof *self);
    if (!self)
        return fail(-ENOMEM, why, why_size, "out of memory");
    self->old_ring_fd = -1;
    snprintf(self->pin_path, sizeof self->pin_path, "%s", config->network.pin_path);
    int length = snprintf(self->folder, sizeof self->folder, "%s/v%d", self->pin_path, NTC_LAYOUT);

    libbpf_set_print(on_libbpf_line);
    int rc = 0;
    if (length >= PATH_MAX)
        rc = fail(-ENAMETOOLONG, why, why_size, "network.pin_path is too long");
    if (rc == 0 && geteuid() != 0 && access(self->pin_path, W_OK) != 0 && errno == EACCES)
        rc = fail(-EACCES, why, why_size, "no access to %s: watching a real interface needs root, "
                  "or CAP_BPF and CAP_NET_ADMIN and a bpffs folder of one's own; --mock needs "
                  "neither", self->pin_path);
    if (rc == 0)
        rc = make_folder(self, why, why_size);
    if (rc == 0)
        rc = load(self, config, why, why_size);
    if (rc != 0) {
        kernel_source_destroy(&self);
        return rc;
    }
    *ret_self = self;
    return 0;
}

/* Pin under a second name, then rename: the pin always names a whole object. */
static int pin_object(const kernel_source_t *self, const char *name, int fd)
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
static void remove_other_layouts(const kernel_source_t *self)
{
    DIR *dir = opendir(self->pin_path);
    struct dirent *entry;
    const char *own = strrchr(self->folder, '/') + 1;
    char path[PATH_MAX + 256];

    if (!dir)
        return;
    while ((entry = readdir(dir))) {
        if (entry->d_name[0] != 'v' || strcmp(entry->d_name, own) == 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", self->pin_path, entry->d_name);
        remove_folder(path);
        log_info("removed the maps of layout %s", entry->d_name);
    }
    closedir(dir);
}

int kernel_source_pin(kernel_source_t *self)
{
    struct bpf_map *map;
    struct bpf_program *program;
    int rc = 0;

    bpf_object__for_each_map(map, self->skeleton->obj)
        if (rc == 0)
            rc = pin_object(self, bpf_map__name(map), bpf_map__fd(map));
    bpf_object__for_each_program(program, self->skeleton->obj)
        if (rc == 0)
            rc = pin_object(self, bpf_program__name(program), bpf_program__fd(program));
    if (rc == 0)
        remove_other_layouts(self);
    return rc;
}

void kernel_source_unpin(kernel_source_t *self)
{
    remove_folder(self->folder);
    rmdir(self->pin_path);
}

void kernel_source_destroy(kernel_source_t **self_p)
{
    assert(self_p);

    kernel_source_t *self = *self_p;
    if (!self)
        return;
    size_t page = (size_t) sysconf(_SC_PAGESIZE);
    for (int i = 0; i < RINGS; i++) {
        if (self->positions[i].consumer)
            munmap((void *) self->positions[i].consumer, page);
        if (self->positions[i].producer)
            munmap((void *) self->positions[i].producer, page);
    }
    if (self->settings)
        munmap(self->settings, sizeof *self->settings);
    if (self->cpus)
        munmap(self->cpus, (size_t) self->cpu_count * sizeof *self->cpus);
    if (self->ledger)
        munmap(self->ledger, sizeof *self->ledger);
    ring_buffer__free(self->ring);
    if (self->old_ring_fd >= 0)
        close(self->old_ring_fd);
    ntc_bpf__destroy(self->skeleton);
    free(self);
    *self_p = NULL;
}

uint32_t kernel_source_drain(kernel_source_t *self, uint32_t max, kernel_record_fn *on_record,
                             void *arg)
{
    assert(self && max > 0 && on_record);

    self->on_record = on_record;
    self->arg = arg;
    self->left = max;
    ring_buffer__consume(self->ring);
    return max - self->left;
}

uint64_t kernel_source_waiting(const kernel_source_t *self)
{
    uint64_t waiting = 0;

    for (int i = 0; i < RINGS; i++) {
        if (!self->positions[i].consumer)
            continue;
        waiting += __atomic_load_n(self->positions[i].producer, __ATOMIC_ACQUIRE)
            - __atomic_load_n(self->positions[i].consumer, __ATOMIC_ACQUIRE);
    }
    return waiting;
}

/* In two calls, so that a program which read `asleep` just before we set it has surely submitted
 * its record by the second: no record is left behind without a wake-up. */
bool kernel_source_sleep(kernel_source_t *self)
{
    volatile __u32 *asleep = &self->settings->asleep;
    bool asked = self->sleep_asked && *asleep;

    self->sleep_asked = true;
    *asleep = 1;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (kernel_source_waiting(self) > 0) {
        self->sleep_asked = false;
        *asleep = 0;
        return false;
    }
    if (asked)
        self->sleep_asked = false;
    return asked;
}

uint32_t kernel_source_cached(const kernel_source_t *self)
{
    uint32_t entries = 0;

    for (int cpu = 0; cpu < self->cpu_count; cpu++)
        entries += __atomic_load_n(&self->cpus[cpu].occupied_count, __ATOMIC_RELAXED);
    return entries;
}

/* Move to the CPU whose cache it is: only there nothing else runs on it at the same time. */
static int flush_cpu(kernel_source_t *self, int cpu)
{
    static const uint8_t FRAME[64] = { 0 };     /* test_run wants a packet; nobody reads it */
    DECLARE_LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = FRAME, .data_size_in = sizeof FRAME,
                        .repeat = 1);
    cpu_set_t one;

    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    if (sched_setaffinity(0, sizeof one, &one) != 0)
        return -errno;          /* offline: it gets no packets either */
    return bpf_prog_test_run_opts(bpf_program__fd(self->skeleton->progs.ntc_flush), &opts);
}

int kernel_source_flush(kernel_source_t *self, uint64_t before_ns)
{
    int first_error = 0;
    bool moved = false;

    update_boot_offset(self->settings);
    self->settings->flush_before_ns = before_ns;
    for (int cpu = 0; cpu < self->cpu_count && cpu < CPU_SETSIZE; cpu++) {
        if (__atomic_load_n(&self->cpus[cpu].occupied_count, __ATOMIC_RELAXED) == 0)
            continue;
        int rc = flush_cpu(self, cpu);
        moved = true;
        if (rc != 0 && first_error == 0)
            first_error = rc;
    }
    if (moved)
        sched_setaffinity(0, sizeof self->own_cpus, &self->own_cpus);
    return first_error;
}

void kernel_source_lists_changed(kernel_source_t *self)
{
    __atomic_add_fetch(&self->settings->list_version, 1, __ATOMIC_RELEASE);
}

int kernel_source_fd(const kernel_source_t *self)
{
    return ring_buffer__epoll_fd(self->ring);
}

void kernel_source_counters(const kernel_source_t *self, struct ntc_counters *ret_sum)
{
    uint64_t *sum = (uint64_t *) ret_sum;
    const size_t fields = sizeof *ret_sum / sizeof *sum;

    memset(ret_sum, 0, sizeof *ret_sum);
    for (int cpu = 0; cpu < self->cpu_count; cpu++) {
        const uint64_t *one = (const uint64_t *) &self->cpus[cpu].counters;
        for (size_t i = 0; i < fields; i++)
            sum[i] += __atomic_load_n(&one[i], __ATOMIC_RELAXED);
    }
}

struct ntc_ledger *kernel_source_ledger(kernel_source_t *self)
{
    return self->ledger;
}

bool kernel_source_taken_over(const kernel_source_t *self)
{
    return self->taken_over;
}

int kernel_source_program_fd(const kernel_source_t *self, enum packet_direction direction,
                             enum link_kind link)
{
    const struct ntc_bpf *skeleton = self->skeleton;

    if (link == LINK_ETHERNET)
        return bpf_program__fd(direction == PACKET_INGRESS ? skeleton->progs.ntc_ingress
                                                           : skeleton->progs.ntc_egress);
    return bpf_program__fd(direction == PACKET_INGRESS ? skeleton->progs.ntc_ingress_ip
                                                       : skeleton->progs.ntc_egress_ip);
}

int kernel_source_hosts_fd(const kernel_source_t *self)
{
    return bpf_map__fd(self->skeleton->maps.hosts);
}

int kernel_source_prefixes_fd(const kernel_source_t *self, enum ntc_list list)
{
    return bpf_map__fd(list == NTC_BLACK ? self->skeleton->maps.black_prefixes
                                         : self->skeleton->maps.white_prefixes);
}

struct ntc_settings *kernel_source_settings(kernel_source_t *self)
{
    return self->settings;
}
