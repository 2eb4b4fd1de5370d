/* empty.bpf - a TC program that does nothing: the least that any program costs. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_helpers.h>

SEC("tc")
int empty(struct __sk_buff *skb) { return TC_ACT_UNSPEC; }

char program_license[] SEC("license") = "GPL";
