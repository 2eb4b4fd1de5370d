/* generator - send UDP frames of many flows through one interface as fast as asked, and count them.
 *
 *   generator INTERFACE --flows N|random --bytes N --seconds S [--rate PACKETS_PER_S] [--seed N]
 *
 * Prints "SENT PACKETS SECONDS".  For the benchmarks' own namespaces: it always stops by itself.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BURST 64
#define MAX_SECONDS 120
#define HEADERS (14 + 20 + 8)

struct plan {
    uint32_t flows;             /* 0 = random sources */
    uint32_t frame_bytes;       /* Ethernet header included, without check sequence */
    double seconds;
    double rate;                /* packets/s, 0 = as fast as possible */
    uint64_t seed;
};

static uint64_t next_random(uint64_t *state)    /* xorshift64*, Vigna 2016 */
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545f4914f6cdd1dull;
}

static double now_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

static void put16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t) (value >> 8);
    at[1] = (uint8_t) value;
}

static void put32(uint8_t *at, uint32_t value)
{
    put16(at, value >> 16);
    put16(at + 2, value);
}

/* To a station that is not there, so that the receiving stack drops it at once. */
static void build(uint8_t *frame, uint32_t bytes)
{
    static const uint8_t ETHERNET[14] = { 2, 0, 0, 0, 0, 0x99, 2, 0, 0, 0, 0, 1, 8, 0 };

    memset(frame, 0, bytes);
    memcpy(frame, ETHERNET, sizeof ETHERNET);
    frame[14] = 0x45;
    put16(frame + 16, bytes - 14);
    frame[22] = 64;
    frame[23] = 17;
    put32(frame + 30, 0xc6120001);      /* 198.18.0.1, RFC 2544 */
    put16(frame + 36, 9);
    put16(frame + 38, bytes - 34);
}

static void address(uint8_t *frame, uint32_t flow)
{
    put32(frame + 26, 0xc6130000 + (flow & 0xffff));    /* 198.19.x.x */
    put16(frame + 34, 1024 + flow % 50000);
}

static void address_random(uint8_t *frame, uint64_t *state)
{
    uint64_t value = next_random(state);

    put32(frame + 26, (uint32_t) value | 0x01000000);
    put16(frame + 34, (uint32_t) (value >> 32));
}

static int open_interface(const char *name)
{
    int fd = socket(AF_PACKET, SOCK_RAW, 0), yes = 1;
    struct sockaddr_ll address_ll = { .sll_family = AF_PACKET,
                                      .sll_ifindex = (int) if_nametoindex(name) };

    if (fd < 0 || address_ll.sll_ifindex == 0
        || bind(fd, (struct sockaddr *) &address_ll, sizeof address_ll) != 0
        || setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &yes, sizeof yes) != 0) {
        fprintf(stderr, "generator: %s: %s\n", name, strerror(errno));
        exit(1);
    }
    return fd;
}

static uint64_t send_all(int fd, const struct plan *plan, double *ret_seconds)
{
    static uint8_t frames[BURST][2048];
    static struct mmsghdr messages[BURST];
    static struct iovec parts[BURST];
    uint64_t state = plan->seed, sent = 0;
    uint32_t flow = 0;
    double begin = now_s(), now = begin;

    for (int i = 0; i < BURST; i++) {
        build(frames[i], plan->frame_bytes);
        parts[i] = (struct iovec) { frames[i], plan->frame_bytes };
        messages[i].msg_hdr.msg_iov = &parts[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    while (now - begin < plan->seconds) {
        uint32_t count = BURST;
        if (plan->rate > 0) {
            double due = (now - begin) * plan->rate - (double) sent;
            if (due < 1) {
                struct timespec pause = { .tv_nsec = 500000 };
                nanosleep(&pause, NULL);
                now = now_s();
                continue;
            }
            count = due < BURST ? (uint32_t) due : BURST;
        }
        for (uint32_t i = 0; i < count; i++) {
            if (plan->flows == 0)
                address_random(frames[i], &state);
            else
                address(frames[i], flow++ % plan->flows);
        }
        int done = sendmmsg(fd, messages, count, 0);
        if (done > 0)
            sent += (uint64_t) done;
        now = now_s();
    }
    *ret_seconds = now - begin;
    return sent;
}

int main(int argc, char **argv)
{
    struct plan plan = { .flows = 40, .frame_bytes = 60, .seconds = 3, .seed = 42 };
    double seconds = 0;

    if (argc < 2) {
        fprintf(stderr, "usage: generator INTERFACE [--flows N|random] [--bytes N] [--seconds S] "
                "[--rate N] [--seed N]\n");
        return 2;
    }
    for (int i = 2; i + 1 < argc; i += 2) {
        const char *name = argv[i], *value = argv[i + 1];
        if (strcmp(name, "--flows") == 0)
            plan.flows = strcmp(value, "random") == 0 ? 0 : (uint32_t) strtoul(value, NULL, 10);
        else if (strcmp(name, "--bytes") == 0)
            plan.frame_bytes = (uint32_t) strtoul(value, NULL, 10);
        else if (strcmp(name, "--seconds") == 0)
            plan.seconds = strtod(value, NULL);
        else if (strcmp(name, "--rate") == 0)
            plan.rate = strtod(value, NULL);
        else if (strcmp(name, "--seed") == 0)
            plan.seed = strtoull(value, NULL, 10) | 1;
    }
    if (plan.frame_bytes < HEADERS || plan.frame_bytes > 1514 || plan.seconds > MAX_SECONDS) {
        fprintf(stderr, "generator: %d to 1514 bytes, at most %d s\n", HEADERS, MAX_SECONDS);
        return 2;
    }
    int fd = open_interface(argv[1]);
    uint64_t sent = send_all(fd, &plan, &seconds);
    printf("%llu %.6f\n", (unsigned long long) sent, seconds);
    close(fd);
    return 0;
}
