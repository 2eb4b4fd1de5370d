/* ntc.bpf - the TC programs: count every packet, decide, tell the collector.
 *
 * UAPI headers only, no CO-RE: Raspberry Pi kernels carry no BTF.  A packet that passes returns
 * TC_ACT_UNSPEC, so that filters of others behind ours still run.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "maps.h"

#define ETHERNET_BYTES 14
#define MAX_DIRECT 256          /* the verifier wants a bound; deeper headers are the helper's */

typedef struct {
    struct __sk_buff *skb;
    __u32 link_bytes;           /* link header before the packet: 14, or 0 on header-less devices */
} packet_ctx_t;

/* Straight from the packet where the bytes lie in its linear part, else by the helper, which also
 * reads what lies in fragments.  By words: clang copies byte by byte what it thinks unaligned. */
static __always_inline int packet_load(packet_ctx_t *ctx, __u32 offset, void *to, __u32 size)
{
    void *data = (void *) (long) ctx->skb->data, *end = (void *) (long) ctx->skb->data_end;
    __u32 at = ctx->link_bytes + offset;

    if (at < MAX_DIRECT && data + at + size <= end) {
        const __u32 *from = data + at;
        __u32 *words = to;
        for (__u32 i = 0; i < size / 4; i++)
            words[i] = from[i];
        if (size & 2)
            *(__u16 *) (words + size / 4) = *(const __u16 *) (from + size / 4);
        return 0;
    }
    return bpf_skb_load_bytes(ctx->skb, at, to, size);
}

static __always_inline int packet_load_far(packet_ctx_t *ctx, __u32 offset, void *to, __u32 size)
{
    return bpf_skb_load_bytes(ctx->skb, ctx->link_bytes + offset, to, size);
}

#include "packet_parse.h"
#include "flow_cache.h"
#include "verdict.h"

/* Ethernet pads packets to 46 bytes; the shortest has 20. */
#define MAX_PADDING 26

/* Fill packets and bytes as the wire carries them: a GSO or GRO super-packet is the segments it
 * stands for, each with its own headers. */
static __always_inline void measure(const packet_ctx_t *ctx, struct parsed_packet *packet)
{
    struct __sk_buff *skb = ctx->skb;
    __u32 framing = ctx->link_bytes + packet->network_at;
    __u32 came = skb->len > framing ? skb->len - framing : 0;
    __u32 bytes = packet->ip_bytes;
    __u32 segments = skb->gso_segs;

    /* The length in the IP header leaves out the padding of short frames; believe it only where it
     * can be that (0: not IP, or a super-packet over 64 KiB). */
    if (bytes == 0 || bytes < packet->header_bytes || bytes > came || came - bytes > MAX_PADDING)
        bytes = came;
    if (segments == 0) {
        segments = 1;
        /* Guests and tun leave it to the host to count the segments. */
        if (skb->gso_size && bytes > packet->header_bytes)
            segments = (bytes - packet->header_bytes + skb->gso_size - 1) / skb->gso_size;
    }
    packet->record.packets = segments;
    packet->record.bytes = bytes + (__u64) (segments - 1) * packet->header_bytes;
}

/* The EtherType of the packet.  An Ethernet frame tells it itself: skb->protocol of a frame that
 * was tagged by hand names the tag, wherever the network header points. */
static __always_inline __u16 ether_type_of(const packet_ctx_t *ctx)
{
    struct __sk_buff *skb = ctx->skb;
    void *data = (void *) (long) skb->data, *end = (void *) (long) skb->data_end;
    __u16 type = 0;

    if (ctx->link_bytes == 0)
        return bpf_ntohs(skb->protocol);
    if (data + ETHERNET_BYTES <= end)
        return bpf_ntohs(*(__u16 *) (data + 12));
    bpf_skb_load_bytes(skb, 12, &type, sizeof type);
    return bpf_ntohs(type);
}

static __always_inline void count_packet(struct ntc_counters *count, enum packet_group group,
                                         enum packet_direction direction,
                                         const struct packet_record *record)
{
    struct ntc_traffic *traffic = &count->traffic[group & 3][direction][record->action & 3];

    traffic->packets += record->packets;
    traffic->bytes += record->bytes;
}

/* Count what has no readable addresses: it passes, and makes no record. */
static __always_inline int pass_unread(struct ntc_counters *count, enum packet_direction direction,
                                       const struct packet_record *record, enum parse_result result)
{
    if (result == PARSE_NOT_IP) {
        count->not_ip_packets += record->packets;
        count->not_ip_bytes += record->bytes;
    } else {
        count->unparsed_packets += record->packets;
        count->unparsed_bytes += record->bytes;
    }
    count_packet(count, PACKET_OTHER, direction, record);
    return TC_ACT_UNSPEC;
}

static __always_inline int handle(struct __sk_buff *skb, enum packet_direction direction,
                                  __u32 link_bytes)
{
    packet_ctx_t ctx = { skb, link_bytes };
    __u32 zero = 0, cpu_id = bpf_get_smp_processor_id();
    struct parsed_packet packet = { 0 };
    struct packet_record *record = &packet.record;
    struct ntc_settings *set = bpf_map_lookup_elem(&settings, &zero);
    struct ntc_cpu *cpu = bpf_map_lookup_elem(&cpus, &cpu_id);

    if (!set || !cpu)
        return TC_ACT_UNSPEC;
    struct ntc_counters *count = &cpu->counters;
    __u16 vlan = skb->vlan_present ? skb->vlan_tci & 0xfff : 0;
    enum parse_result result = packet_parse(&ctx, ether_type_of(&ctx), vlan, &packet);

    measure(&ctx, &packet);
    if (result != PARSE_OK)
        return pass_unread(count, direction, record, result);

    __u32 psh = record->tcp_flags & PACKET_TCP_PSH;
    record->tcp_flags &= ~PACKET_TCP_PSH;
    record->ifindex = skb->ifindex;
    record->direction = direction;
    /* The tick is one load; it is fine enough for merging. */
    __u64 tick = bpf_jiffies64();
    record->first_ns = time_of(set, tick);

    /* Read before the lists are: a change meanwhile makes the entry out of date, not wrong. */
    __u32 list_version = *(volatile __u32 *) &set->list_version;
    struct ntc_cache_bucket *bucket = 0;
    struct ntc_cache_entry *entry = 0;
    __u64 hash = 0;
    if (unlikely(cpu->flushing) || take_budget(set, cpu, record->first_ns)) {
        record->first_ns = bpf_ktime_get_boot_ns();
    } else {
        hash = flow_hash(record, set->hash_seed);
        __u32 index = cpu_id * NTC_CACHE_BUCKETS + flow_hash_bucket(hash);
        bucket = bpf_map_lookup_elem(&cache, &index);
        if (bucket)
            entry = find_entry(bucket, record);
    }
    record->last_ns = record->first_ns;

    /* What passed goes on to pass until the lists change (PASS is 0, as the action is here). */
    if (unlikely(!entry || entry->list_version != (__u16) list_version
                 || action_of(entry) != PACKET_PASS))
        record->action = decide(set, &packet);
    count_packet(count, packet_group_of(record->protocol), direction, record);
    int verdict = record->action == PACKET_DROP ? TC_ACT_SHOT : TC_ACT_UNSPEC;
    if (likely(entry && action_of(entry) == record->action)) {
        entry->list_version = (__u16) list_version;
        merge(set, count, entry, record, psh, tick);
        return verdict;
    }
    if (bucket && !entry)
        entry = make_room(cpu, bucket, hash);
    if (entry) {
        entry->list_version = (__u16) list_version;
        if (begin_entry(set, count, entry, record, psh, tick))
            return verdict;
    }
    submit(set, count, record, psh);
    return verdict;
}

/* For Ethernet devices and the loopback. */
SEC("tc")
int ntc_ingress(struct __sk_buff *skb) { return handle(skb, PACKET_INGRESS, ETHERNET_BYTES); }

SEC("tc")
int ntc_egress(struct __sk_buff *skb) { return handle(skb, PACKET_EGRESS, ETHERNET_BYTES); }

/* For devices that carry bare IP packets: tun, WireGuard, PPP, tunnels. */
SEC("tc")
int ntc_ingress_ip(struct __sk_buff *skb) { return handle(skb, PACKET_INGRESS, 0); }

SEC("tc")
int ntc_egress_ip(struct __sk_buff *skb) { return handle(skb, PACKET_EGRESS, 0); }

/* Run by the collector on one CPU after the other, with BPF_PROG_TEST_RUN.  Packet programs run
 * with bottom halves disabled, so this one never interrupts them on its CPU; they may interrupt it
 * (before Linux 6.3 test_run leaves bottom halves on) and then see `flushing` and keep out of the
 * cache. */
SEC("tc")
int ntc_flush(struct __sk_buff *skb)
{
    __u32 zero = 0;
    struct flush_work work = { .tick = bpf_jiffies64(), .cpu_id = bpf_get_smp_processor_id() };

    work.set = bpf_map_lookup_elem(&settings, &zero);
    work.cpu = bpf_map_lookup_elem(&cpus, &work.cpu_id);
    if (!work.set || !work.cpu)
        return 0;
    *(volatile __u32 *) &work.cpu->flushing = 1;
    bpf_loop(NTC_CACHE_WORDS, flush_word, &work, 0);
    *(volatile __u32 *) &work.cpu->flushing = 0;
    return 0;
}

/* Run by the collector now and then: ticks stand still while the machine sleeps, CLOCK_BOOTTIME
 * does not.  The coarse clock is that of the last tick. */
SEC("tc")
int ntc_clock(struct __sk_buff *skb)
{
    __u32 zero = 0;
    struct ntc_settings *set = bpf_map_lookup_elem(&settings, &zero);

    if (!set)
        return 0;
    __s64 offset = bpf_ktime_get_boot_ns() - bpf_ktime_get_ns() + bpf_ktime_get_coarse_ns()
        - bpf_jiffies64() * set->tick_ns;
    __s64 change = offset - set->tick_offset_ns;
    /* What one reading is off by should not make the times of a flow jump. */
    if (change > set->tick_ns || change < -(__s64) set->tick_ns)
        set->tick_offset_ns = offset;
    return 0;
}

char program_license[] SEC("license") = "GPL";
