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

/* Ethernet pads packets to 46 bytes; the shortest has 20. */
#define MAX_PADDING 26

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

/* Sized by the collector: possible CPUs, and slots times possible CPUs. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct ntc_cpu);
} cpus SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, NTC_CACHE_SLOTS);
    __type(key, __u32);
    __type(value, struct ntc_cache_entry);
} cache SEC(".maps");

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

/* Send one record to the collector, or count it as lost. */
static __always_inline void submit(struct ntc_settings *set, struct ntc_counters *count,
                                   const struct packet_record *record, __u32 psh)
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
    slot->tcp_flags |= psh;
    if (*asleep) {
        *asleep = 0;
        bpf_ringbuf_submit(slot, BPF_RB_FORCE_WAKEUP);
    } else {
        bpf_ringbuf_submit(slot, BPF_RB_NO_WAKEUP);
    }
}

/* ---- the flow cache ---- */

/* May this CPU send one more record of a single packet?  Generic cell rate algorithm: each record
 * moves the time up to which the budget is spent (ITU-T I.371, as virtual scheduling). */
static __always_inline int take_budget(const struct ntc_settings *set, struct ntc_cpu *cpu,
                                       __u64 now_ns)
{
    __u64 spent = cpu->spent_until_ns;

    if (spent < now_ns)
        spent = now_ns;
    if (spent - now_ns + set->interval_ns > NTC_BURST_NS)
        return 0;
    cpu->spent_until_ns = spent + set->interval_ns;
    return 1;
}

/* Every bit of the identity reaches the slot number; a weak hash costs more than it saves. */
static __always_inline __u32 slot_of(const struct packet_record *record, __u64 seed)
{
    const __u64 *word = (const __u64 *) record;
    __u64 hash = seed;

    hash = (hash ^ word[1]) * 0x9e3779b97f4a7c15ull;
    hash = (hash ^ hash >> 32 ^ word[3]) * 0xd6e8feb86659fd93ull;
    hash = (hash ^ hash >> 32 ^ word[4] ^ word[0]) * 0xa0761d6478bd642full;
    hash = (hash ^ hash >> 32 ^ word[5] ^ word[2]) * 0xe7037ed1a0b428dbull;
    return hash >> 52;
}

_Static_assert(NTC_CACHE_SLOTS == 1 << 12, "slot_of() takes 12 bits");

static __always_inline int same_identity(const struct packet_record *a,
                                         const struct packet_record *b)
{
    const __u64 *x = (const __u64 *) a, *y = (const __u64 *) b;

    return x[3] == y[3] && x[1] == y[1] && x[4] == y[4] && x[5] == y[5] && x[0] == y[0]
        && x[2] == y[2];
}

_Static_assert(PACKET_IDENTITY_BYTES == 6 * sizeof(__u64), "same_identity() compares six words");

/* Put the packet into its slot, sending what another flow left there. */
static __always_inline void cache_packet(struct ntc_settings *set, struct ntc_cpu *cpu,
                                         struct ntc_cache_entry *entry, __u32 slot,
                                         const struct packet_record *record, __u32 psh,
                                         __u32 list_version)
{
    struct ntc_counters *count = &cpu->counters;

    entry->list_version = list_version;
    if (same_identity(&entry->record, record)) {
        if (entry->record.packets == 0)
            entry->record.first_ns = record->first_ns;
        entry->record.last_ns = record->last_ns;
        entry->record.packets += record->packets;
        entry->record.bytes += record->bytes;
        entry->psh |= psh;
        if (entry->record.bytes >= 1u << 31) {  /* keep what a message can carry */
            submit(set, count, &entry->record, entry->psh);
            entry->record.packets = 0;
            entry->record.bytes = 0;
        }
        return;
    }
    if (entry->record.packets)
        submit(set, count, &entry->record, entry->psh);
    __u64 bit = 1ull << (slot & 63);
    __u64 *word = &cpu->occupied[slot >> 6 & (NTC_CACHE_WORDS - 1)];
    if (!(*word & bit)) {
        *word |= bit;
        cpu->occupied_count++;
    }
    entry->record = *record;
    entry->psh = psh;
    /* The first packet of what people wait to see leaves at once; so does the one that must wake
     * the collector, which flushes the others. */
    if ((record->tcp_flags & (PACKET_TCP_SYN | PACKET_TCP_FIN | PACKET_TCP_RST))
        || record->action == PACKET_DROP || *(volatile __u32 *) &set->asleep) {
        submit(set, count, record, psh);
        entry->record.packets = 0;
        entry->record.bytes = 0;
    }
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
    count->packets[PACKET_OTHER][direction][PACKET_PASS] += record->packets;
    count->bytes[PACKET_OTHER][direction][PACKET_PASS] += record->bytes;
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
    /* The coarse clock costs a tenth of the exact one; a jiffy is fine enough for merging. */
    record->first_ns = bpf_ktime_get_coarse_ns() + set->boot_offset_ns;

    /* Read before the lists are: a change meanwhile makes the entry out of date, not wrong. */
    __u32 list_version = *(volatile __u32 *) &set->list_version;
    struct ntc_cache_entry *entry = 0;
    __u32 slot = 0;
    if (cpu->flushing || take_budget(set, cpu, record->first_ns)) {
        record->first_ns = bpf_ktime_get_boot_ns();
    } else {
        slot = slot_of(record, set->hash_seed);
        __u32 index = cpu_id * NTC_CACHE_SLOTS + slot;
        entry = bpf_map_lookup_elem(&cache, &index);
    }
    record->last_ns = record->first_ns;

    /* What passed goes on to pass until the lists change (PASS is 0, as the action is here). */
    if (!entry || entry->list_version != list_version || !same_identity(&entry->record, record))
        record->action = decide(set, &packet);
    enum packet_group group = packet_group_of(record->protocol);
    enum packet_action action = record->action;
    count->packets[group & 3][direction][action & 3] += record->packets;
    count->bytes[group & 3][direction][action & 3] += record->bytes;
    if (entry)
        cache_packet(set, cpu, entry, slot, record, psh, list_version);
    else
        submit(set, count, record, psh);
    return action == PACKET_DROP ? TC_ACT_SHOT : TC_ACT_UNSPEC;
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

struct flush_work {
    struct ntc_settings *set;
    struct ntc_cpu *cpu;
    __u32 cpu_id;
    __u32 word;                 /* of `occupied` */
};

/* Send the entry of one slot of the word, if it is old enough. */
static long flush_slot(__u32 bit, struct flush_work *work)
{
    struct ntc_cpu *cpu = work->cpu;
    __u32 word = work->word & (NTC_CACHE_WORDS - 1);    /* masks tell the verifier the bounds */

    bit &= 63;
    if (!(cpu->occupied[word] >> bit & 1))
        return 0;
    __u32 index = work->cpu_id * NTC_CACHE_SLOTS + word * 64 + bit;
    struct ntc_cache_entry *entry = bpf_map_lookup_elem(&cache, &index);
    if (!entry || entry->record.first_ns >= work->set->flush_before_ns)
        return 0;
    if (entry->record.packets)
        submit(work->set, &cpu->counters, &entry->record, entry->psh);
    __builtin_memset(&entry->record, 0, sizeof entry->record);
    cpu->occupied[word] &= ~(1ull << bit);
    cpu->occupied_count--;
    return 0;
}

/* bpf_loop() and no loop of our own in it: Linux 6.1 refuses the jump that clang makes of one. */
static long flush_word(__u32 word, struct flush_work *work)
{
    word &= NTC_CACHE_WORDS - 1;
    if (!work->cpu->occupied[word])
        return 0;
    work->word = word;
    bpf_loop(64, flush_slot, work, 0);
    return 0;
}

/* Run by the collector on one CPU after the other, with BPF_PROG_TEST_RUN.  Packet programs run
 * with bottom halves disabled, so this one never interrupts them on its CPU; they may interrupt it
 * (before Linux 6.3 test_run leaves bottom halves on) and then see `flushing` and keep out of the
 * cache. */
SEC("tc")
int ntc_flush(struct __sk_buff *skb)
{
    __u32 zero = 0;
    struct flush_work work = { .cpu_id = bpf_get_smp_processor_id() };

    work.set = bpf_map_lookup_elem(&settings, &zero);
    work.cpu = bpf_map_lookup_elem(&cpus, &work.cpu_id);
    if (!work.set || !work.cpu)
        return 0;
    *(volatile __u32 *) &work.cpu->flushing = 1;
    bpf_loop(NTC_CACHE_WORDS, flush_word, &work, 0);
    *(volatile __u32 *) &work.cpu->flushing = 0;
    return 0;
}

char program_license[] SEC("license") = "GPL";
