/* ntc.bpf - the TC programs: count every packet, decide, tell the collector.
 *
 * UAPI headers only, no CO-RE: Raspberry Pi kernels carry no BTF.  A packet that passes returns
 * TC_ACT_UNSPEC, so that filters of others behind ours still run.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "kernel_contract.h"

typedef struct __sk_buff packet_ctx_t;

/* Relative to the network header, so Ethernet and header-less devices (tun, WireGuard, PPP) are
 * alike; the helper also reads what lies in fragments of the skb. */
static __always_inline int packet_load(packet_ctx_t *skb, __u32 offset, void *to, __u32 size)
{
    return bpf_skb_load_bytes_relative(skb, offset, to, size, BPF_HDR_START_NET);
}

#include "packet_parse.h"

#define ETHERNET_BYTES 14
/* Most that a frame is longer than its IP packet without lying: Ethernet header, two tags, and the
 * padding of a 20-byte packet to the shortest frame. */
#define MAX_FRAMING (ETHERNET_BYTES + 8 + 26)

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct ntc_settings);
} settings SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct ntc_ledger);
} ledger SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct ntc_counters);
} counters SEC(".maps");

/* Capacities of the next four are set by the collector before loading. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 65536);
    __type(key, __u8[16]);
    __type(value, struct ntc_host_entry);
} hosts SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 16384);
    __type(key, struct ntc_prefix_key);
    __type(value, struct ntc_prefix_entry);
} black_prefixes SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 16384);
    __type(key, struct ntc_prefix_key);
    __type(value, struct ntc_prefix_entry);
} white_prefixes SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 8 << 20);
} ring SEC(".maps");

static __always_inline int is_bypassed(const struct ntc_settings *set, __u16 port)
{
    return set->bypass[port >> 6] >> (port & 63) & 1;
}

/* TCP to or from a bypass port.  A packet that opens a connection counts only by its destination:
 * else anybody gets past the blacklist by sending from port 22.  Without readable flags we cannot
 * tell, so there is no bypass. */
static __always_inline int has_bypass(const struct ntc_settings *set,
                                      const struct parsed_packet *packet)
{
    if (!packet->whole_tcp)
        return 0;
    if (is_bypassed(set, packet->record.dst_port))
        return 1;
    __u8 opening = packet->record.tcp_flags & (PACKET_TCP_SYN | PACKET_TCP_ACK);
    return opening != PACKET_TCP_SYN && is_bypassed(set, packet->record.src_port);
}

static __always_inline int is_live(const struct ntc_list_side *side, __u64 now_ns)
{
    return side->expires_ns == 0 || side->expires_ns > now_ns;
}

static __always_inline struct ntc_list_side *host_side(struct ntc_host_entry *host,
                                                       enum ntc_list list, __u64 now_ns)
{
    if (!host || !(host->lists & 1u << list) || !is_live(&host->side[list], now_ns))
        return 0;
    return &host->side[list];
}

static __always_inline struct ntc_list_side *prefix_side(void *map, const __u8 *addr,
                                                         __u8 ip_version, __u64 now_ns)
{
    struct ntc_prefix_key key = { .bits = 128 };

    __builtin_memcpy(key.addr, addr, sizeof key.addr);
    struct ntc_prefix_entry *entry = bpf_map_lookup_elem(map, &key);
    if (!entry || (ip_version == 4 && entry->bits < 96) || !is_live(&entry->side, now_ns))
        return 0;
    return &entry->side;
}

/* The entry of `list` that one end of the packet stands under: hosts first, then prefixes. */
static __always_inline struct ntc_list_side *listed_side(const struct ntc_settings *set,
                                                         enum ntc_list list, void *prefixes,
                                                         struct ntc_host_entry *src_host,
                                                         struct ntc_host_entry *dst_host,
                                                         const struct packet_record *record,
                                                         __u64 now_ns)
{
    struct ntc_list_side *side = host_side(src_host, list, now_ns);

    if (!side)
        side = host_side(dst_host, list, now_ns);
    if (side || set->prefix_count[list] == 0)
        return side;
    side = prefix_side(prefixes, record->src_addr, record->ip_version, now_ns);
    if (!side)
        side = prefix_side(prefixes, record->dst_addr, record->ip_version, now_ns);
    return side;
}

static __always_inline void count_hit(struct ntc_list_side *side,
                                      const struct packet_record *record)
{
    __sync_fetch_and_add(&side->hit_packets, record->packets);
    __sync_fetch_and_add(&side->hit_bytes, record->bytes);
    side->last_hit_ns = record->last_ns;
}

static __always_inline enum packet_action decide(const struct ntc_settings *set,
                                                 const struct parsed_packet *packet)
{
    const struct packet_record *record = &packet->record;
    struct ntc_host_entry *src_host = 0, *dst_host = 0;
    struct ntc_list_side *side;

    if (has_bypass(set, packet))
        return PACKET_SSH;
    if (set->host_count) {
        src_host = bpf_map_lookup_elem(&hosts, record->src_addr);
        dst_host = bpf_map_lookup_elem(&hosts, record->dst_addr);
    }
    side = listed_side(set, NTC_WHITE, &white_prefixes, src_host, dst_host, record,
                       record->first_ns);
    if (side) {
        count_hit(side, record);
        return PACKET_SKIP;
    }
    side = listed_side(set, NTC_BLACK, &black_prefixes, src_host, dst_host, record,
                       record->first_ns);
    if (side) {
        count_hit(side, record);
        return PACKET_DROP;
    }
    return PACKET_PASS;
}

/* Layer-3 bytes of the frame without trusting the IP header: what is behind the network header and
 * `network_at` bytes of tags.  The kernel does not tell how long the link header is; it is Ethernet's
 * if the bytes behind an Ethernet header are those at the network header. */
static __always_inline __u32 measured_bytes(struct __sk_buff *skb, __u32 network_at)
{
    __u64 by_header[2] = { 0 }, by_offset[2] = { 0 };
    __u32 link_bytes = 0;

    if (bpf_skb_load_bytes(skb, ETHERNET_BYTES, by_offset, sizeof by_offset) == 0
        && packet_load(skb, 0, by_header, sizeof by_header) == 0) {
        if (by_header[0] == by_offset[0] && by_header[1] == by_offset[1])
            link_bytes = ETHERNET_BYTES;
    } else if (bpf_skb_load_bytes(skb, 0, by_offset, sizeof by_offset) != 0
               || packet_load(skb, 0, by_header, sizeof by_header) != 0) {
        link_bytes = ETHERNET_BYTES;    /* too short to tell: nearly every device is Ethernet */
    }
    link_bytes += network_at;
    return skb->len > link_bytes ? skb->len - link_bytes : 0;
}

/* Fill packets and bytes as the wire carries them: a GSO or GRO super-packet is the segments it
 * stands for, each with its own headers. */
static __always_inline void measure(struct __sk_buff *skb, struct parsed_packet *packet)
{
    __u32 bytes = packet->ip_bytes;
    __u32 segments = skb->gso_segs;

    /* The length in the IP header leaves out the padding of short frames; believe it only if it
     * is near what came (0: not IP, or a super-packet over 64 KiB). */
    if (bytes == 0 || bytes < packet->header_bytes || bytes > skb->len
        || skb->len - bytes > MAX_FRAMING)
        bytes = measured_bytes(skb, packet->network_at);
    if (segments == 0) {
        segments = 1;
        /* Guests and tun leave it to the host to count the segments. */
        if (skb->gso_size && bytes > packet->header_bytes)
            segments = (bytes - packet->header_bytes + skb->gso_size - 1) / skb->gso_size;
    }
    packet->record.packets = segments;
    packet->record.bytes = bytes + (__u64) (segments - 1) * packet->header_bytes;
}

static __always_inline void submit(struct ntc_settings *set, struct ntc_counters *count,
                                   const struct packet_record *record)
{
    volatile __u32 *asleep = &set->asleep;
    struct packet_record *slot = bpf_ringbuf_reserve(&ring, sizeof *slot, 0);

    if (!slot) {
        count->ring_lost_records++;
        count->ring_lost_packets += record->packets;
        count->ring_lost_bytes += record->bytes;
        return;
    }
    *slot = *record;
    if (*asleep) {
        *asleep = 0;
        bpf_ringbuf_submit(slot, BPF_RB_FORCE_WAKEUP);
    } else {
        bpf_ringbuf_submit(slot, BPF_RB_NO_WAKEUP);
    }
}

static __always_inline int handle(struct __sk_buff *skb, enum packet_direction direction)
{
    __u32 zero = 0;
    struct parsed_packet packet = { 0 };
    struct ntc_settings *set = bpf_map_lookup_elem(&settings, &zero);
    struct ntc_counters *count = bpf_map_lookup_elem(&counters, &zero);
    enum packet_action action = PACKET_PASS;
    enum packet_group group = PACKET_OTHER;

    if (!set || !count)
        return TC_ACT_UNSPEC;
    __u16 vlan = skb->vlan_present ? skb->vlan_tci & 0xfff : 0;
    enum parse_result result = packet_parse(skb, bpf_ntohs(skb->protocol), vlan, &packet);

    measure(skb, &packet);
    if (result == PARSE_OK) {
        packet.record.first_ns = packet.record.last_ns = bpf_ktime_get_boot_ns();
        packet.record.ifindex = skb->ifindex;
        packet.record.direction = direction;
        group = packet_group_of(packet.record.protocol);
        action = decide(set, &packet);
        packet.record.action = action;
    } else if (result == PARSE_NOT_IP) {
        count->not_ip_packets += packet.record.packets;
        count->not_ip_bytes += packet.record.bytes;
    } else {
        count->unparsed_packets += packet.record.packets;
        count->unparsed_bytes += packet.record.bytes;
    }
    count->packets[group & 3][direction][action & 3] += packet.record.packets;
    count->bytes[group & 3][direction][action & 3] += packet.record.bytes;
    if (result == PARSE_OK)
        submit(set, count, &packet.record);
    return action == PACKET_DROP ? TC_ACT_SHOT : TC_ACT_UNSPEC;
}

SEC("tc")
int ntc_ingress(struct __sk_buff *skb) { return handle(skb, PACKET_INGRESS); }

SEC("tc")
int ntc_egress(struct __sk_buff *skb) { return handle(skb, PACKET_EGRESS); }

char program_license[] SEC("license") = "GPL";
