/* bench_packet_path - ns per packet of the TC program, beside an empty program, by test_run.
 *
 *   bench_packet_path EMPTY_OBJECT
 *
 * Prints one JSON object.  test_run flatters: it keeps everything in cache.  The live figures of
 * bench.py are what counts; these tell which step costs what.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "frame.h"
#include "kernel_lists.h"

enum { REPEAT = 90000, ROUNDS = 11 };   /* the records of one round fit the ring */

static int merged;

static void ignore(const struct packet_record *record, void *arg)
{
    (void) record;
    (void) arg;
}

static int compare(const void *a, const void *b)
{
    return (int) (*(const uint32_t *) a > *(const uint32_t *) b)
        - (int) (*(const uint32_t *) a < *(const uint32_t *) b);
}

/* Median of the rounds, ns per packet. */
static uint32_t measure(int program_fd, const struct frame *frame, kernel_source_t *source)
{
    uint32_t rounds[ROUNDS];

    for (int i = 0; i < ROUNDS; i++) {
        DECLARE_LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame->data,
                            .data_size_in = frame->size, .repeat = REPEAT);
        if (bpf_prog_test_run_opts(program_fd, &opts) != 0) {
            perror("test_run");
            exit(1);
        }
        rounds[i] = opts.duration;
        while (source && kernel_source_drain(source, UINT32_MAX, ignore, NULL) > 0)
            ;
    }
    qsort(rounds, ROUNDS, sizeof rounds[0], compare);
    return rounds[ROUNDS / 2];
}

static struct frame tcp_frame(int version)
{
    struct frame frame;

    frame_ethernet(&frame, version == 4 ? 0x0800 : 0x86dd);
    if (version == 4)
        frame_ipv4(&frame, "192.0.2.1", "198.51.100.7", 6);
    else
        frame_ipv6(&frame, "2001:db8::1", "2001:db8::2", 6);
    frame_tcp(&frame, 40000, 443, 0x10);
    frame_finish(&frame);
    return frame;
}

static void fill_lists(kernel_source_t *source, uint32_t hosts, uint32_t prefixes)
{
    for (uint32_t i = 0; i < hosts + prefixes; i++) {
        struct kernel_list_item item = { .list = NTC_BLACK };
        char text[40], why[200];
        if (i < hosts)
            snprintf(text, sizeof text, "10.%u.%u.1", i >> 8 & 255, i & 255);
        else
            snprintf(text, sizeof text, "172.%u.%u.0/24", 16 + (i - hosts) / 256, i & 255);
        if (ip_prefix_parse(text, &item.prefix, why, sizeof why) != 0
            || kernel_lists_put(source, &item) != 0) {
            fprintf(stderr, "%s: cannot list it\n", text);
            exit(1);
        }
    }
}

static int open_empty(const char *path)
{
    struct bpf_object *object = bpf_object__open(path);

    if (!object || bpf_object__load(object) != 0) {
        fprintf(stderr, "%s: cannot load it\n", path);
        exit(1);
    }
    return bpf_program__fd(bpf_object__find_program_by_name(object, "empty"));
}

int main(int argc, char **argv)
{
    char folder[] = "/tmp/ntc-bench-XXXXXX", why[256] = "";
    struct config *config = calloc(1, sizeof *config);
    kernel_source_t *source = NULL;
    struct frame v4 = tcp_frame(4), v6 = tcp_frame(6);

    merged = argc == 3;
    if (argc < 2 || !config || !mkdtemp(folder) || mount("bpf", folder, "bpf", 0, NULL) != 0) {
        perror("bench_packet_path: needs root and the empty program's object");
        return 1;
    }
    config_defaults(config);
    config->events.per_second = merged ? 0 : 100000000;
    snprintf(config->network.pin_path, sizeof config->network.pin_path, "%s/ntc", folder);
    if (kernel_source_open(&source, config, why, sizeof why) != 0) {
        fprintf(stderr, "%s\n", why);
    } else {
        int ntc = kernel_source_program_fd(source, PACKET_INGRESS, LINK_ETHERNET);
        printf("{\"empty\": %u", measure(open_empty(argv[1]), &v4, NULL));
        printf(", \"ipv4\": %u", measure(ntc, &v4, source));
        printf(", \"ipv6\": %u", measure(ntc, &v6, source));
        fill_lists(source, 1000, 0);
        printf(", \"ipv4, 1000 hosts listed\": %u", measure(ntc, &v4, source));
        fill_lists(source, 0, 1000);
        printf(", \"ipv4, 1000 hosts and 1000 prefixes listed\": %u}\n", measure(ntc, &v4, source));
    }
    kernel_source_destroy(&source);
    umount2(folder, MNT_DETACH);
    rmdir(folder);
    free(config);
    return why[0] ? 1 : 0;
}
