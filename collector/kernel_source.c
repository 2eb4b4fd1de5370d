#include "kernel_source.h"

#include <assert.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "clock.h"
#include "explain.h"
#include "kernel_pins.h"
#include "log.h"

enum { RING_OLD, RING_NEW, RINGS };     /* in the order in which they are drained */

struct kernel_source {
    struct ntc_bpf *skeleton;
    struct kernel_ring rings[RINGS];
    int old_ring_fd;            /* of an earlier collector with another ring size, or -1 */
    int epoll_fd;               /* of the rings' descriptors */
    struct ntc_settings *settings;
    struct ntc_ledger *ledger;
    struct host_filter filter;
    struct ntc_cpu *cpus;       /* cpu_count of them */
    int cpu_count;
    bool taken_over;
    cpu_set_t own_cpus;         /* where this process may run */
    bool sleep_asked;           /* `asleep` was set at the previous call of _sleep() */
    struct kernel_pins pins;
};

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

static int open_ring(kernel_source_t *self, int ring, int fd)
{
    struct epoll_event event = { .events = EPOLLIN };
    int rc = kernel_ring_open(&self->rings[ring], fd);

    if (rc == 0 && epoll_ctl(self->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
        rc = -errno;
    return rc;
}

static int open_rings(kernel_source_t *self)
{
    self->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    int rc = self->epoll_fd < 0 ? -errno
        : open_ring(self, RING_NEW, bpf_map__fd(self->skeleton->maps.ring));

    if (rc == 0 && self->old_ring_fd >= 0)
        rc = open_ring(self, RING_OLD, self->old_ring_fd);
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
    self->filter.shared = map_value(self->skeleton->maps.host_filter,
                                    sizeof *self->filter.shared);
    return self->settings && self->ledger && self->cpus && self->filter.shared ? 0 : -errno;
}

/* What a CPU may send as single records, as the time that one of them costs. */
static uint64_t interval_ns(uint32_t per_second)
{
    return per_second ? NS_PER_S / per_second : 2 * NTC_BURST_NS;
}

/* How long a jiffy is: the coarse clock goes by them. */
static uint32_t tick_ns(void)
{
    struct timespec tick;

    clock_getres(CLOCK_MONOTONIC_COARSE, &tick);
    return (uint32_t) tick.tv_nsec;
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

/* Run a program of ours that is on no interface. */
static int run_program(const struct bpf_program *program)
{
    static const uint8_t FRAME[64] = { 0 };     /* test_run wants a packet; nobody reads it */
    DECLARE_LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = FRAME, .data_size_in = sizeof FRAME,
                        .repeat = 1);

    return bpf_prog_test_run_opts(bpf_program__fd(program), &opts);
}

static int write_settings(kernel_source_t *self, const struct config *config)
{
    struct ntc_settings *settings = self->settings;

    write_bypass(settings, &config->network.bypass_ports);
    settings->interval_ns = interval_ns(config->events.per_second);
    settings->tick_ns = tick_ns();
    if (settings->hash_seed == 0    /* another seed would only scatter what is cached */
        && getrandom(&settings->hash_seed, sizeof settings->hash_seed, 0) < 0)
        return -errno;
    self->filter.seed = settings->hash_seed;
    kernel_source_lists_changed(self);
    return run_program(self->skeleton->progs.ntc_clock);
}

static void size_maps(struct ntc_bpf *skeleton, const struct config *config, uint32_t cpu_count)
{
    bpf_map__set_max_entries(skeleton->maps.cpus, cpu_count);
    bpf_map__set_max_entries(skeleton->maps.cache, cpu_count * NTC_CACHE_BUCKETS);
    bpf_map__set_max_entries(skeleton->maps.hosts, config->network.hosts);
    bpf_map__set_max_entries(skeleton->maps.black_prefixes, config->network.prefixes);
    bpf_map__set_max_entries(skeleton->maps.white_prefixes, config->network.prefixes);
    bpf_map__set_max_entries(skeleton->maps.ring, config->events.ring_mib << 20);
}

static int load(kernel_source_t *self, const struct config *config, char *why, size_t why_size)
{
    struct kernel_heritage heritage;

    self->skeleton = ntc_bpf__open();
    if (!self->skeleton)
        return explain(-errno, why, why_size, "cannot open the TC programs: %s", strerror(errno));
    self->cpu_count = libbpf_num_possible_cpus();
    if (self->cpu_count < 1)
        return explain(-EINVAL, why, why_size, "cannot read the number of CPUs");
    if (sched_getaffinity(0, sizeof self->own_cpus, &self->own_cpus) != 0)
        return explain(-errno, why, why_size, "cannot read our CPUs: %s", strerror(errno));
    size_maps(self->skeleton, config, (uint32_t) self->cpu_count);
    kernel_pins_adopt(&self->pins, self->skeleton, &heritage);
    self->taken_over = heritage.taken_over;
    self->old_ring_fd = heritage.ring_fd;
    int rc = ntc_bpf__load(self->skeleton);
    if (rc != 0)
        return explain(rc, why, why_size, "cannot load the TC programs: %s%s", strerror(-rc),
                       rc == -EPERM ? "; this needs root, or CAP_BPF and CAP_NET_ADMIN" : "");
    kernel_pins_carry_over(self->skeleton, &heritage);
    rc = open_shared(self);
    if (rc == 0)
        rc = open_rings(self);
    if (rc != 0)
        return explain(rc, why, why_size, "cannot map the ring buffer: %s", strerror(-rc));
    rc = write_settings(self, config);
    if (rc != 0)
        return explain(rc, why, why_size, "cannot set up the TC programs: %s", strerror(-rc));
    return 0;
}

int kernel_source_open(kernel_source_t **ret_self, const struct config *config,
                       char *why, size_t why_size)
{
    assert(ret_self && config && why && why_size > 0);

    kernel_source_t *self = calloc(1, sizeof *self);
    if (!self)
        return explain(-ENOMEM, why, why_size, "out of memory");
    self->old_ring_fd = self->epoll_fd = -1;
    libbpf_set_print(on_libbpf_line);
    int rc = kernel_pins_open(&self->pins, config->network.pin_path, why, why_size);
    if (rc == 0)
        rc = load(self, config, why, why_size);
    if (rc != 0) {
        kernel_source_destroy(&self);
        return rc;
    }
    *ret_self = self;
    return 0;
}

int kernel_source_pin(kernel_source_t *self)
{
    return kernel_pins_save(&self->pins, self->skeleton);
}

void kernel_source_unpin(kernel_source_t *self)
{
    kernel_pins_remove(&self->pins);
}

void kernel_source_destroy(kernel_source_t **self_p)
{
    assert(self_p);

    kernel_source_t *self = *self_p;
    if (!self)
        return;
    for (int i = 0; i < RINGS; i++)
        kernel_ring_close(&self->rings[i]);
    if (self->epoll_fd >= 0)
        close(self->epoll_fd);
    if (self->settings)
        munmap(self->settings, sizeof *self->settings);
    if (self->cpus)
        munmap(self->cpus, (size_t) self->cpu_count * sizeof *self->cpus);
    if (self->filter.shared)
        munmap(self->filter.shared, sizeof *self->filter.shared);
    if (self->ledger)
        munmap(self->ledger, sizeof *self->ledger);
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

    uint32_t drained = 0;

    for (int i = 0; i < RINGS && drained < max; i++)
        drained += kernel_ring_drain(&self->rings[i], max - drained, on_record, arg);
    return drained;
}

uint64_t kernel_source_waiting(const kernel_source_t *self)
{
    uint64_t waiting = 0;

    for (int i = 0; i < RINGS; i++)
        waiting += kernel_ring_waiting(&self->rings[i]);
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
    cpu_set_t one;

    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    if (sched_setaffinity(0, sizeof one, &one) != 0)
        return -errno;          /* offline: it gets no packets either */
    return run_program(self->skeleton->progs.ntc_flush);
}

int kernel_source_flush(kernel_source_t *self, uint64_t before_ns)
{
    int first_error = 0;
    bool moved = false;

    run_program(self->skeleton->progs.ntc_clock);       /* we may have slept */
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
    return self->epoll_fd;
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

struct host_filter *kernel_source_host_filter(kernel_source_t *self)
{
    return &self->filter;
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
