/* What a process can do that somebody has taken over: run in place of one of our programs, by its
 * unit, in its sandbox.  Writes one line per attempt: a name, a blank, "yes" or the error's name.
 * Nowhere else does it run, and what it tries would change nothing if it succeeded.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void tell(const char *what, const char *of, long result)
{
    printf("%s%s%s %s\n", what, of[0] != '\0' ? ":" : "", of,
           result >= 0 ? "yes" : strerrorname_np(errno));
    fflush(stdout);
}

static void make_file(const char *folder)
{
    char path[256];

    snprintf(path, sizeof path, "%s/ntc-probe", folder);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    tell("create", folder, fd);
    if (fd >= 0) {
        close(fd);
        unlink(path);
    }
}

static void open_file(const char *how, int flags, const char *path)
{
    int fd = open(path, flags | O_CLOEXEC);

    tell(how, path, fd);
    if (fd >= 0)
        close(fd);
}

static void open_socket(const char *name, int family, int type, int protocol)
{
    int fd = socket(family, type | SOCK_CLOEXEC, protocol);

    tell("socket", name, fd);
    if (fd >= 0)
        close(fd);
}

/* In a child: what it does might not return. */
static void run_program(const char *name, const char *path, int fd)
{
    int channel[2], error = 0;
    char *const words[] = { "true", NULL }, *const none[] = { NULL };

    if (pipe2(channel, O_CLOEXEC) != 0)
        exit(1);
    pid_t child = fork();
    if (child == 0) {
        if (fd >= 0)
            fexecve(fd, words, none);
        else
            execve(path, words, none);
        error = errno;
        if (write(channel[1], &error, sizeof error) < 0)
            _exit(2);
        _exit(1);
    }
    close(channel[1]);
    if (child < 0 || read(channel[0], &error, sizeof error) < 0)
        error = errno;
    close(channel[0]);
    if (child > 0)
        waitpid(child, NULL, 0);
    errno = error;
    tell("exec", name, error == 0 ? 0 : -1);
}

/* Copies of /bin/true, in memory and in every folder: what a download would be. */
static void run_copies(void)
{
    static const char *const FOLDERS[] = { "/tmp", "/var/tmp", "/run/ntc", "/var/lib/ntc",
                                           "/var/lib/ntc-gateway" };
    static char bytes[1 << 20];
    char path[256];
    int from = open("/bin/true", O_RDONLY | O_CLOEXEC), memory = memfd_create("probe", MFD_CLOEXEC);
    ssize_t size = from < 0 ? -1 : read(from, bytes, sizeof bytes);

    if (size <= 0)
        exit(1);
    if (memory >= 0 && write(memory, bytes, (size_t) size) == size)
        run_program("memory", NULL, memory);
    for (size_t i = 0; i < sizeof FOLDERS / sizeof *FOLDERS; i++) {
        snprintf(path, sizeof path, "%s/ntc-probe", FOLDERS[i]);
        int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
        if (file < 0)
            continue;
        bool whole = write(file, bytes, (size_t) size) == size;
        close(file);
        if (whole)
            run_program(FOLDERS[i], path, -1);
        unlink(path);
    }
}

static void try_kernel(void)
{
    struct perf_event_attr perf = { .type = PERF_TYPE_SOFTWARE, .size = sizeof perf };
    union bpf_attr map = { .map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4,
                           .max_entries = 1 };
    struct timespec now;
    char ring[128] = { 0 };             /* struct io_uring_params */
    char name[65] = "";

    clock_gettime(CLOCK_REALTIME, &now);
    gethostname(name, sizeof name - 1);

    tell("bpf", "", syscall(SYS_bpf, BPF_MAP_CREATE, &map, sizeof map));
    tell("perf", "", syscall(SYS_perf_event_open, &perf, 0, -1, -1, 0));
    tell("module", "", syscall(SYS_init_module, "", 0L, ""));
    tell("kexec", "", syscall(SYS_kexec_load, 0L, 0L, NULL, 0L));
    tell("clock", "", clock_settime(CLOCK_REALTIME, &now));
    tell("hostname", "", sethostname(name, strlen(name)));
    tell("mount", "", mount(NULL, "/tmp", NULL, MS_BIND | MS_REMOUNT, NULL));
    tell("chroot", "", chroot("/"));
    tell("keyring", "", syscall(SYS_add_key, "user", "probe", "x", 1L, -3L));
    tell("io_uring", "", syscall(SYS_io_uring_setup, 1, ring));
    tell("userfaultfd", "", syscall(SYS_userfaultfd, 0));
    tell("personality", "", personality(ADDR_NO_RANDOMIZE));
    tell("kernel-log", "", klogctl(3, ring, sizeof ring));
    tell("swap", "", syscall(SYS_swapoff, "/none"));
    tell("raw-io", "", mknod("/tmp/ntc-probe-device", S_IFCHR | 0600, 0x101));
}

static void try_process(pid_t other)
{
    char bytes[8];
    struct iovec here = { bytes, sizeof bytes }, there = { bytes, sizeof bytes };
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    void *wild = mmap(NULL, 4096, PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct sched_param urgent = { .sched_priority = 1 };
    char path[64];

    tell("write-and-execute", "", wild == MAP_FAILED ? -1 : 0);
    tell("make-executable", "", mprotect(page, 4096, PROT_READ | PROT_EXEC));
    tell("become-root", "", setuid(0));
    tell("namespace", "user", unshare(CLONE_NEWUSER));
    tell("namespace", "mount", unshare(CLONE_NEWNS));
    tell("namespace", "net", unshare(CLONE_NEWNET));
    tell("realtime", "", sched_setscheduler(0, SCHED_FIFO, &urgent));
    tell("ptrace", "self", ptrace(PTRACE_TRACEME, 0, NULL, NULL));
    tell("ptrace", "other", ptrace(PTRACE_SEIZE, other, NULL, NULL));
    tell("memory", "other", process_vm_readv(other, &here, 1, &there, 1, 0));
    tell("kill", "other", kill(other, 0));
    snprintf(path, sizeof path, "/proc/%d/status", other);
    tell("see", "other", access(path, F_OK));
}

/* Returns whether a system call filter is in force. */
static bool show_status(void)
{
    FILE *file = fopen("/proc/self/status", "re");
    char line[256];
    int mode = 0;

    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, "Cap", 3) == 0 || strncmp(line, "NoNewPrivs", 10) == 0
            || strncmp(line, "Seccomp:", 8) == 0) {
            fputs(line, stdout);
            sscanf(line, "Seccomp: %d", &mode);
        }
    if (file)
        fclose(file);
    return mode == 2;
}

int main(void)
{
    static const char *const FOLDERS[] = {
        "/", "/etc", "/etc/ntc", "/usr", "/usr/sbin", "/usr/share/ntc", "/home", "/root", "/boot", "/opt",
        "/var", "/var/log", "/var/tmp", "/tmp", "/var/lib", "/var/lib/ntc", "/var/lib/ntc-gateway",
        "/run", "/run/ntc", "/run/ntc/bpf", "/run/systemd", "/dev", "/dev/shm", "/dev/mqueue",
        "/sys/fs/cgroup", "/proc/sys/net", "/run/lock",
    };

    if (geteuid() == 0 || !show_status()) {
        fputs("sandbox_probe: only in a sandbox\n", stderr);
        return 2;
    }
    for (size_t i = 0; i < sizeof FOLDERS / sizeof *FOLDERS; i++)
        make_file(FOLDERS[i]);
    open_file("write", O_WRONLY, "/proc/sys/net/ipv4/ip_forward");
    open_file("write", O_WRONLY, "/sys/class/net/lo/mtu");
    open_file("write", O_WRONLY, "/etc/ntc/ntc.yaml");
    open_file("read", O_RDONLY, "/etc/ntc/ntc.yaml");
    open_file("read", O_RDONLY, "/etc/shadow");
    open_file("read", O_RDONLY, "/var/lib/ntc/lists.json");
    open_file("read", O_RDONLY, "/var/lib/ntc-gateway/admin.token");
    open_file("read", O_RDONLY, "/root");
    open_file("read", O_RDONLY, "/home");
    open_file("read", O_RDONLY, "/proc/kallsyms");
    open_file("read", O_RDONLY, "/dev/mem");
    open_file("read", O_RDONLY, "/dev/kmsg");
    open_socket("unix", AF_UNIX, SOCK_STREAM, 0);
    open_socket("inet", AF_INET, SOCK_STREAM, 0);
    open_socket("inet6", AF_INET6, SOCK_STREAM, 0);
    open_socket("raw", AF_INET, SOCK_RAW, IPPROTO_ICMP);
    open_socket("netlink", AF_NETLINK, SOCK_RAW, 0);
    open_socket("packet", AF_PACKET, SOCK_RAW, 0);
    open_socket("alg", AF_ALG, SOCK_SEQPACKET, 0);
    open_socket("vsock", AF_VSOCK, SOCK_STREAM, 0);
    open_socket("bluetooth", AF_BLUETOOTH, SOCK_RAW, 0);
    run_program("/bin/sh", "/bin/sh", -1);
    run_program("/usr/sbin/tc", "/usr/sbin/tc", -1);
    run_copies();
    try_process(1);
    try_kernel();
    return 0;
}
