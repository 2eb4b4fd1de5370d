/* verdict - what becomes of a packet: bypass, whitelist, blacklist, in this order.
 */
#ifndef VERDICT_H
#define VERDICT_H

#include "maps.h"
#include "packet_parse.h"

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

/* The entry of an address in `hosts`, or NULL.  Few addresses are listed: most look-ups end at the
 * filter. */
static __always_inline struct ntc_host_entry *find_host(const struct ntc_settings *set,
                                                        const struct ntc_host_filter *filter,
                                                        const __u8 *addr)
{
    __u32 bit = ntc_filter_bit(addr, set->hash_seed);

    if (likely(!(filter->bits[bit / 64 & (NTC_FILTER_WORDS - 1)] >> (bit & 63) & 1)))
        return 0;
    return bpf_map_lookup_elem(&hosts, addr);
}

static __always_inline enum packet_action decide(const struct ntc_settings *set,
                                                 const struct parsed_packet *packet)
{
    const struct packet_record *record = &packet->record;
    struct ntc_host_entry *src_host = 0, *dst_host = 0;
    struct ntc_list_side *side;
    __u32 zero = 0;

    if (has_bypass(set, packet))
        return PACKET_SSH;
    struct ntc_host_filter *filter = set->host_count ? bpf_map_lookup_elem(&host_filter, &zero) : 0;
    if (filter) {
        src_host = find_host(set, filter, record->src_addr);
        dst_host = find_host(set, filter, record->dst_addr);
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

#endif
