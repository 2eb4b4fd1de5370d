/* The programs' place on real interfaces, in a network namespace of the test's own. */
#include "kernel_fixture.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "suite.h"
#include "tc_attachment.h"

/* A classic BPF filter of somebody else: one instruction, "no match". */
#define FOREIGN "bpf bytecode '1,6 0 0 0'"

static tc_attachment_t *attachment;
static struct config_network *network;

static void setup(void)
{
    ck_assert_int_eq(unshare(CLONE_NEWNET), 0);     /* Check runs each test in its own process */
    kernel_setup();
    network = &kernel_config.network;
    network->interfaces.size = 0;
}

static void teardown(void)
{
    tc_attachment_destroy(&attachment);
    kernel_teardown();
}

__attribute__((format(printf, 1, 2)))
static void shell(const char *format, ...)
{
    char command[512];
    va_list args;

    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    ck_assert_msg(system(command) == 0, "%s", command);
}

static void watch(const char *pattern)
{
    struct config_list *names = &network->interfaces;

    snprintf(names->items[names->size++], CONFIG_ITEM_SIZE, "%s", pattern);
}

static uint32_t attach(void)
{
    ck_assert_int_eq(tc_attachment_open(&attachment, network, source), 0);
    return tc_attachment_attach(attachment);
}

/* Every test that says nothing of the way runs for both; the kernel chooses for `auto`. */
enum { WAY_AUTO, WAY_CLSACT, WAYS };

#define TCX_INGRESS ((enum bpf_attach_type) 46)     /* Debian 12's headers do not have it */

static bool has_clsact_filter(const char *interface)
{
    DECLARE_LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int) if_nametoindex(interface),
                        .attach_point = BPF_TC_INGRESS);
    DECLARE_LIBBPF_OPTS(bpf_tc_opts, opts, .handle = NTC_TC_HANDLE, .priority = NTC_TC_PRIORITY);

    return bpf_tc_query(&hook, &opts) == 0;
}

/* Ids of the tcx programs on ingress, first one first.  Returns how many, -1 without tcx. */
static int tcx_programs(const char *interface, __u32 ids[64])
{
    __u32 count = 64;
    int rc = bpf_prog_query((int) if_nametoindex(interface), TCX_INGRESS, 0, NULL, ids, &count);

    return rc == 0 ? (int) count : -1;
}

static bool has_tcx(void)
{
    __u32 ids[64];

    return tcx_programs("lo", ids) >= 0;
}

static int programs_of(const char *interface)
{
    __u32 ids[64];
    int tcx = tcx_programs(interface, ids);

    return (tcx > 0 ? tcx : 0) + has_clsact_filter(interface);
}

static bool has_ours(const char *interface)
{
    return programs_of(interface) == 1;
}

static struct interface_state state_of(const char *name)
{
    struct interface_state states[STATUS_MAX_INTERFACES];
    uint32_t count = tc_attachment_states(attachment, states);

    for (uint32_t i = 0; i < count; i++)
        if (strcmp(states[i].name, name) == 0)
            return states[i];
    return (struct interface_state) { .name = "" };
}

/* Handle rtnetlink events until `done` or two seconds have passed. */
static bool wait_for(bool (*done)(const char *), const char *name)
{
    struct pollfd poll_fd = { .fd = tc_attachment_fd(attachment), .events = POLLIN };

    while (!done(name)) {
        if (poll(&poll_fd, 1, 2000) != 1)
            return false;
        tc_attachment_on_links(attachment);
    }
    return true;
}

static bool is_away(const char *name) { return state_of(name).ifindex == 0; }
static bool is_back(const char *name) { return state_of(name).attached && has_ours(name); }

START_TEST(named_and_globbed_interfaces_are_attached_and_others_left_alone)
{
    network->clsact_only = _i == WAY_CLSACT;
    shell("ip link add lan0 type veth peer name lan1 && ip link add wan0 type veth peer name x0");
    watch("wan0");
    watch("lan*");
    ck_assert_uint_eq(attach(), 3);
    ck_assert(has_ours("lan0") && has_ours("lan1") && has_ours("wan0"));
    ck_assert(!has_ours("x0") && !has_ours("lo"));
}
END_TEST

START_TEST(a_foreign_filter_survives_start_restart_and_stop)
{
    network->clsact_only = _i == WAY_CLSACT;
    shell("ip link add v0 type veth peer name v1 && tc qdisc add dev v0 clsact"
          " && tc filter add dev v0 ingress " FOREIGN
          " && tc filter add dev v0 egress prio 7 " FOREIGN);
    watch("v0");
    ck_assert_uint_eq(attach(), 1);
    tc_attachment_destroy(&attachment);
    ck_assert(has_ours("v0"));
    ck_assert_uint_eq(attach(), 1);
    tc_attachment_detach(attachment);
    ck_assert(!has_ours("v0"));
    shell("tc filter show dev v0 ingress | grep -q bytecode");
    shell("tc filter show dev v0 egress | grep -q bytecode");
}
END_TEST

START_TEST(a_stop_leaves_nothing_that_was_not_there)
{
    network->clsact_only = _i == WAY_CLSACT;
    shell("ip link add v0 type veth peer name v1");
    watch("v0");
    ck_assert_uint_eq(attach(), 1);
    if (network->clsact_only || !has_tcx())
        shell("tc qdisc show dev v0 | grep -q clsact");
    tc_attachment_detach(attachment);
    ck_assert_int_eq(programs_of("v0"), 0);
    shell("! tc qdisc show dev v0 | grep -q clsact && ! ls %s | grep link-", network->pin_path);
}
END_TEST

START_TEST(a_clsact_that_got_a_foreign_filter_meanwhile_stays)
{
    network->clsact_only = true;
    shell("ip link add v0 type veth peer name v1");
    watch("v0");
    ck_assert_uint_eq(attach(), 1);
    shell("tc filter add dev v0 egress " FOREIGN);
    tc_attachment_detach(attachment);
    shell("tc filter show dev v0 egress | grep -q bytecode");
}
END_TEST

START_TEST(an_interface_that_returns_is_watched_again)
{
    network->clsact_only = _i == WAY_CLSACT;
    shell("ip link add v0 type veth peer name v1");
    watch("v0");
    ck_assert_uint_eq(attach(), 1);
    shell("ip link del v0");
    ck_assert(wait_for(is_away, "v0"));
    ck_assert(!state_of("v0").attached);
    shell("ip link add v0 type veth peer name v1");
    ck_assert(wait_for(is_back, "v0"));
}
END_TEST

START_TEST(an_interface_that_does_not_exist_yet_is_shown_and_attached_later)
{
    network->clsact_only = _i == WAY_CLSACT;
    watch("later0");
    ck_assert_uint_eq(attach(), 0);
    ck_assert_str_eq(state_of("later0").name, "later0");
    ck_assert(!state_of("later0").attached);
    shell("ip link add later0 type veth peer name v1");
    ck_assert(wait_for(is_back, "later0"));
}
END_TEST

START_TEST(a_filter_that_somebody_removes_is_put_back)
{
    network->clsact_only = true;
    shell("ip link add v0 type veth peer name v1");
    watch("v0");
    ck_assert_uint_eq(attach(), 1);
    shell("tc filter del dev v0 ingress");
    ck_assert(!has_ours("v0"));
    ck_assert(wait_for(is_back, "v0"));
    shell("tc qdisc del dev v0 clsact");
    ck_assert(!has_ours("v0"));
    ck_assert(wait_for(is_back, "v0"));
}
END_TEST

START_TEST(without_names_the_default_route_is_followed)
{
    network->clsact_only = _i == WAY_CLSACT;
    shell("ip link add a0 type veth peer name a1 && ip link add b0 type veth peer name b1"
          " && ip addr add 192.0.2.1/24 dev a0 && ip addr add 198.51.100.1/24 dev b0"
          " && ip link set a0 up && ip link set a1 up && ip link set b0 up && ip link set b1 up"
          " && ip route add default via 192.0.2.254 dev a0");
    ck_assert_uint_eq(attach(), 1);
    ck_assert(has_ours("a0") && !has_ours("b0"));
    shell("ip route replace default via 198.51.100.254 dev b0");
    ck_assert(wait_for(is_back, "b0"));
}
END_TEST

START_TEST(a_name_that_is_no_text_is_watched_and_shown_as_text)
{
    shell("ip link add \"$(printf 'lan\\377')\" type veth peer name v1");
    watch("lan*");
    ck_assert_uint_eq(attach(), 1);
    ck_assert(state_of("lan?").attached);
}
END_TEST

START_TEST(a_restart_swaps_programs_without_a_gap)
{
    struct interface_state before;

    network->clsact_only = _i == WAY_CLSACT;
    shell("ip link add v0 type veth peer name v1");
    watch("v0");
    ck_assert_uint_eq(attach(), 1);
    before = state_of("v0");
    tc_attachment_destroy(&attachment);
    ck_assert_uint_eq(attach(), 1);
    ck_assert_uint_eq(state_of("v0").ifindex, before.ifindex);
    ck_assert_int_eq(programs_of("v0"), 1);     /* replaced in place: not two */
}
END_TEST

START_TEST(changing_the_way_leaves_one_program)
{
    shell("ip link add v0 type veth peer name v1");
    watch("v0");
    for (int i = 0; i < 4; i++) {
        network->clsact_only = i % 2;
        ck_assert_uint_eq(attach(), 1);
        ck_assert_int_eq(programs_of("v0"), 1);
        ck_assert_int_eq(has_clsact_filter("v0"), network->clsact_only || !has_tcx());
        tc_attachment_destroy(&attachment);
    }
}
END_TEST

static bool remove_links(void)
{
    char path[PATH_MAX + 32];
    bool removed = true;

    for (int direction = 0; direction < PACKET_DIRECTIONS; direction++) {
        snprintf(path, sizeof path, "%s/link-%u-%s", network->pin_path, if_nametoindex("v0"),
                 direction ? "egress" : "ingress");
        int fd = bpf_obj_get(path);
        removed = fd >= 0 && bpf_link_detach(fd) == 0 && removed;
        close(fd);
    }
    return removed;
}

START_TEST(a_link_that_somebody_detaches_is_put_back)
{
    if (!has_tcx())
        return;
    shell("ip link add v0 type veth peer name v1");
    watch("v0");
    ck_assert_uint_eq(attach(), 1);
    ck_assert(remove_links());
    ck_assert_int_eq(programs_of("v0"), 0);
    tc_attachment_check(attachment);
    ck_assert_int_eq(programs_of("v0"), 1);
}
END_TEST

/* A program of others that ends the chain must not hide the packets from ours. */
START_TEST(ours_is_ahead_of_what_stood_there_before)
{
    static const struct bpf_insn PASS[] = {
        { .code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = 0 }, { .code = BPF_JMP | BPF_EXIT },
    };
    __u32 before[64], ids[64];

    if (!has_tcx())
        return;
    shell("ip link add v0 type veth peer name v1");
    int program = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "foreign", "GPL", PASS, 2, NULL);
    int link = bpf_link_create(program, (int) if_nametoindex("v0"), TCX_INGRESS, NULL);
    ck_assert_int_ge(link, 0);
    ck_assert_int_eq(tcx_programs("v0", before), 1);
    watch("v0");
    ck_assert_uint_eq(attach(), 1);
    ck_assert_int_eq(tcx_programs("v0", ids), 2);
    ck_assert_uint_eq(ids[1], before[0]);
    tc_attachment_detach(attachment);
    ck_assert_int_eq(tcx_programs("v0", ids), 1);
    ck_assert_uint_eq(ids[0], before[0]);
    close(link);
    close(program);
}
END_TEST

START_TEST(the_links_of_vanished_interfaces_are_forgotten)
{
    shell("ip link add v0 type veth peer name v1 && ip link add w0 type veth peer name w1");
    watch("v0");
    watch("w0");
    ck_assert_uint_eq(attach(), 2);
    tc_attachment_destroy(&attachment);
    shell("ip link del w0");
    ck_assert_uint_eq(attach(), 1);
    shell("test $(ls %s | grep -c link-) = %d", network->pin_path, has_tcx() ? 2 : 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tc_attachment");
    TCase *tcase = tcase_create("interfaces");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, named_and_globbed_interfaces_are_attached_and_others_left_alone, 0,
                        WAYS);
    tcase_add_loop_test(tcase, a_foreign_filter_survives_start_restart_and_stop, 0, WAYS);
    tcase_add_loop_test(tcase, a_stop_leaves_nothing_that_was_not_there, 0, WAYS);
    tcase_add_test(tcase, a_clsact_that_got_a_foreign_filter_meanwhile_stays);
    tcase_add_loop_test(tcase, an_interface_that_returns_is_watched_again, 0, WAYS);
    tcase_add_loop_test(tcase, an_interface_that_does_not_exist_yet_is_shown_and_attached_later, 0,
                        WAYS);
    tcase_add_test(tcase, a_filter_that_somebody_removes_is_put_back);
    tcase_add_loop_test(tcase, without_names_the_default_route_is_followed, 0, WAYS);
    tcase_add_test(tcase, a_name_that_is_no_text_is_watched_and_shown_as_text);
    tcase_add_loop_test(tcase, a_restart_swaps_programs_without_a_gap, 0, WAYS);
    tcase_add_test(tcase, changing_the_way_leaves_one_program);
    tcase_add_test(tcase, a_link_that_somebody_detaches_is_put_back);
    tcase_add_test(tcase, ours_is_ahead_of_what_stood_there_before);
    tcase_add_test(tcase, the_links_of_vanished_interfaces_are_forgotten);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
