/* packet_parse - from the network header of a packet to what its record says.
 *
 * Compiled for the kernel (ntc.bpf.c) and for user space (tests, fuzzing).  The includer defines,
 * before including, the type packet_ctx_t and
 *     int packet_load(packet_ctx_t *ctx, __u32 offset, void *to, __u32 size)
 * which copies `size` bytes (a constant; `to` is aligned to 4) from `offset` behind the link header
 * and returns 0, or fails without them.  Nothing else touches the packet, so nothing can be read
 * out of bounds.  packet_load_far() is the same for what few packets have: the kernel's verifier
 * follows each way through it, so it should have one.
 */
#ifndef PACKET_PARSE_H
#define PACKET_PARSE_H

#include "packet_record.h"

#define PARSE_ETH_IPV4 0x0800
#define PARSE_ETH_IPV6 0x86dd
#define PARSE_ETH_VLAN 0x8100       /* IEEE 802.1Q */
#define PARSE_ETH_QINQ 0x88a8       /* IEEE 802.1ad */

#define PARSE_MAX_TAGS 2
#define PARSE_MAX_EXTENSIONS 8      /* IPv6 extension headers; a longer chain has no ports for us */

#define PARSE_TCP_FLAGS_AT 13
#define PARSE_TCP_BYTES 14          /* up to and with the flags */

enum parse_result {
    PARSE_OK = 0,
    PARSE_NOT_IP = 1,
    PARSE_UNREADABLE = 2,           /* IP, but its addresses cannot be read */
};

struct parsed_packet {
    struct packet_record record;    /* addresses, ports, protocol, ip_version, tcp_flags, vlan */
    __u32 ip_bytes;                 /* length by the IP header, 0 = none given (jumbo) */
    __u32 header_bytes;             /* IP and transport headers: what each segment repeats */
    __u32 transport_at;             /* where ports and flags begin, 0 = the packet has none */
    __u32 network_at;               /* VLAN tags between link header and IP header, bytes */
    __u8 whole_tcp;                 /* the TCP header was readable up to its flags */
};

static __always_inline __u16 parse_be16(const __u8 *at)
{
    return (__u16) (at[0] << 8 | at[1]);
}

/* Read ports and flags.  What a cut packet does not have stays 0. */
static __always_inline void parse_transport(packet_ctx_t *ctx, __u32 at, struct parsed_packet *out)
{
    __u8 head[16] __attribute__((aligned(4))) = { 0 };

    switch (out->record.protocol) {
    case 6:     /* TCP */
        if (packet_load(ctx, at, head, PARSE_TCP_BYTES) == 0) {
            out->whole_tcp = 1;
            out->record.tcp_flags = head[PARSE_TCP_FLAGS_AT];
            out->header_bytes += (__u32) (head[12] >> 4) * 4;
        } else if (packet_load(ctx, at, head, 4) != 0) {
            return;
        }
        break;
    case 17:    /* UDP */
    case 132:   /* SCTP */
        if (packet_load(ctx, at, head, 4) != 0)
            return;
        out->header_bytes += out->record.protocol == 17 ? 8 : 12;
        break;
    default:
        return;
    }
    out->record.src_port = parse_be16(head);
    out->record.dst_port = parse_be16(head + 2);
}

/* RFC 791 */
static __always_inline enum parse_result parse_ipv4(packet_ctx_t *ctx, __u32 at,
                                                    struct parsed_packet *out)
{
    __u8 head[20] __attribute__((aligned(4)));

    if (packet_load(ctx, at, head, sizeof head) != 0 || head[0] >> 4 != 4)
        return PARSE_UNREADABLE;
    out->record.ip_version = 4;
    out->record.protocol = head[9];
    out->record.src_addr[10] = out->record.src_addr[11] = 0xff;
    out->record.dst_addr[10] = out->record.dst_addr[11] = 0xff;
    __builtin_memcpy(out->record.src_addr + 12, head + 12, 4);
    __builtin_memcpy(out->record.dst_addr + 12, head + 16, 4);
    out->ip_bytes = parse_be16(head + 2);

    __u32 header_bytes = (__u32) (head[0] & 15) * 4;
    out->header_bytes = header_bytes;
    /* A later fragment carries payload where the ports would be. */
    if (header_bytes < sizeof head || (parse_be16(head + 6) & 0x1fff) != 0)
        return PARSE_OK;
    out->transport_at = at + header_bytes;
    return PARSE_OK;
}

static __always_inline int parse_is_extension(__u8 next)
{
    return next == 0            /* hop-by-hop options */
        || next == 43           /* routing */
        || next == 44           /* fragment */
        || next == 51           /* authentication */
        || next == 60           /* destination options */
        || next == 135          /* mobility */
        || next == 139          /* HIP */
        || next == 140;         /* shim6 */
}

/* RFC 8200; extension headers: IANA ipv6-parameters */
static __always_inline enum parse_result parse_ipv6(packet_ctx_t *ctx, __u32 at,
                                                    struct parsed_packet *out)
{
    __u8 head[40] __attribute__((aligned(4)));

    if (packet_load(ctx, at, head, sizeof head) != 0 || head[0] >> 4 != 6)
        return PARSE_UNREADABLE;
    out->record.ip_version = 6;
    __builtin_memcpy(out->record.src_addr, head + 8, 16);
    __builtin_memcpy(out->record.dst_addr, head + 24, 16);
    __u32 payload = parse_be16(head + 4);
    out->ip_bytes = payload ? payload + sizeof head : 0;

    __u8 next = head[6];
    __u32 start = at;
    at += sizeof head;
    for (int i = 0; i < PARSE_MAX_EXTENSIONS && parse_is_extension(next); i++) {
        __u8 extension[4] __attribute__((aligned(4)));

        out->record.protocol = next;
        out->header_bytes = at - start;
        if (packet_load_far(ctx, at, extension, sizeof extension) != 0)
            return PARSE_OK;
        if (next == 44) {
            next = extension[0];
            at += 8;
            if ((parse_be16(extension + 2) & 0xfff8) != 0) {    /* a later fragment: no ports */
                out->record.protocol = next;
                return PARSE_OK;
            }
            continue;
        }
        at += next == 51 ? ((__u32) extension[1] + 2) * 4 : ((__u32) extension[1] + 1) * 8;
        next = extension[0];
    }
    out->record.protocol = next;
    out->header_bytes = at - start;
    if (!parse_is_extension(next))
        out->transport_at = at;
    return PARSE_OK;
}

/* Fill `out`, which the caller has zeroed, from a packet whose link header says EtherType
 * `ether_type` (host order).  `vlan` is the tag kept beside the frame, 0 = none. */
static __always_inline enum parse_result packet_parse(packet_ctx_t *ctx, __u16 ether_type,
                                                      __u16 vlan, struct parsed_packet *out)
{
    __u32 at = 0;

    out->record.vlan = vlan;
    for (int i = 0; i < PARSE_MAX_TAGS; i++) {
        __u8 tag[4] __attribute__((aligned(4)));

        if (ether_type != PARSE_ETH_VLAN && ether_type != PARSE_ETH_QINQ)
            break;
        if (packet_load(ctx, at, tag, sizeof tag) != 0)
            return PARSE_NOT_IP;
        if (out->record.vlan == 0)
            out->record.vlan = parse_be16(tag) & 0xfff;
        ether_type = parse_be16(tag + 2);
        at += sizeof tag;
    }
    out->network_at = at;
    enum parse_result result = ether_type == PARSE_ETH_IPV4 ? parse_ipv4(ctx, at, out)
        : ether_type == PARSE_ETH_IPV6 ? parse_ipv6(ctx, at, out) : PARSE_NOT_IP;
    if (out->transport_at)
        parse_transport(ctx, out->transport_at, out);
    return result;
}

#endif
