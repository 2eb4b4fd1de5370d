#include "kernel_fixture.h"

#include <bpf/bpf.h>
#include <check.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>

kernel_source_t *source;
struct config kernel_config;

#define FOLDER "/mnt"           /* everywhere, and covered in this process alone */

void kernel_setup(void)
{
    char why[256] = "";

    /* Check runs each test in a process of its own: the mount ends with it, however it ends. */
    ck_assert_int_eq(unshare(CLONE_NEWNS), 0);
    ck_assert_int_eq(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
    ck_assert_int_eq(mount("bpf", FOLDER, "bpf", 0, NULL), 0);
    config_defaults(&kernel_config);
    snprintf(kernel_config.network.pin_path, sizeof kernel_config.network.pin_path, FOLDER "/ntc");
    kernel_config.events.ring_mib = 1;
    kernel_config.events.per_second = 100000000;    /* every packet its own record */
    int rc = kernel_source_open(&source, &kernel_config, why, sizeof why);
    ck_assert_msg(rc == 0, "%s", why);
}

void kernel_teardown(void)
{
    kernel_source_destroy(&source);
}

static void keep_record(const struct packet_record *record, void *arg)
{
    *(struct packet_record *) arg = *record;
}

static struct outcome run(const struct frame *frame, enum packet_direction direction,
                          struct __sk_buff *context)
{
    struct outcome outcome = { 0 };
    struct ntc_counters before, after;
    DECLARE_LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame->data,
                        .data_size_in = frame->size, .repeat = 1);

    if (context) {
        opts.ctx_in = context;
        opts.ctx_size_in = sizeof *context;
    }
    kernel_source_counters(source, &before);
    int fd = kernel_source_program_fd(source, direction, LINK_ETHERNET);
    ck_assert_int_eq(bpf_prog_test_run_opts(fd, &opts), 0);
    outcome.verdict = (int) opts.retval;
    outcome.records = kernel_source_drain(source, 1000, keep_record, &outcome.record);
    kernel_source_counters(source, &after);
    for (size_t i = 0; i < sizeof after / sizeof(uint64_t); i++)
        ((uint64_t *) &outcome.counted)[i] = ((uint64_t *) &after)[i] - ((uint64_t *) &before)[i];
    return outcome;
}

struct outcome send_frame(const struct frame *frame, enum packet_direction direction)
{
    return run(frame, direction, NULL);
}

struct outcome send_segments(const struct frame *frame, uint32_t segments, uint32_t segment_bytes)
{
    struct __sk_buff context = { .gso_segs = segments, .gso_size = segment_bytes };

    return run(frame, PACKET_EGRESS, &context);
}

struct kernel_list_item list_item(enum ntc_list list, const char *prefix, uint64_t expires_ns)
{
    struct kernel_list_item item = { .list = list, .expires_ns = expires_ns };
    char why[200] = "";

    ck_assert_msg(ip_prefix_parse(prefix, &item.prefix, why, sizeof why) == 0, "%s", why);
    return item;
}

void put_on_list(enum ntc_list list, const char *prefix, uint64_t expires_ns)
{
    struct kernel_list_item item = list_item(list, prefix, expires_ns);

    ck_assert_int_eq(kernel_lists_put(source, &item), 0);
}
