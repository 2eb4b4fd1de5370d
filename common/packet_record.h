/* packet_record - what one record of the packet path says, in kernel and in user space.
 *
 * The TC programs write these bytes into the ring buffer, the collector turns them
 * into columns (proto/packet_batch.h).  So this header is compiled for the kernel
 * too: UAPI types only, no padding that is not named.
 */
#ifndef PACKET_RECORD_H
#define PACKET_RECORD_H

#include <linux/types.h>

enum packet_direction {
    PACKET_INGRESS = 0,
    PACKET_EGRESS = 1,
    PACKET_DIRECTIONS = 2,
};

/* The verdict, in the order in which it is looked for: SSH (bypass), SKIP (whitelist),
 * DROP (blacklist), PASS (everything else). */
enum packet_action {
    PACKET_PASS = 0,
    PACKET_DROP = 1,
    PACKET_SKIP = 2,
    PACKET_SSH = 3,
    PACKET_ACTIONS = 4,
};

/* How counters and filters group IP protocols. */
enum packet_group {
    PACKET_TCP = 0,
    PACKET_UDP = 1,
    PACKET_ICMP = 2,            /* ICMP and ICMPv6 */
    PACKET_OTHER = 3,           /* every other protocol, and what is not IP */
    PACKET_GROUPS = 4,
};

#define PACKET_TCP_FIN 0x01
#define PACKET_TCP_SYN 0x02
#define PACKET_TCP_RST 0x04
#define PACKET_TCP_PSH 0x08
#define PACKET_TCP_ACK 0x10

/* One or more packets of one flow, one direction, one verdict and, PSH aside, the
 * same TCP flags.  Ports are in host byte order and 0 where the packet has none.
 * The identity comes first: PACKET_IDENTITY_BYTES that are compared as a whole. */
struct packet_record {
    __u8 src_addr[16];          /* IPv6, or IPv4 as ::ffff:a.b.c.d; network order */
    __u8 dst_addr[16];
    __u32 ifindex;
    __u16 src_port;
    __u16 dst_port;
    __u16 vlan;                 /* outermost VLAN id, 0 = none */
    __u8 protocol;              /* IPPROTO_*, after IPv6 extension headers */
    __u8 ip_version;            /* 4 or 6 */
    __u8 tcp_flags;             /* PACKET_TCP_*, 0 for other protocols */
    __u8 direction;             /* enum packet_direction */
    __u8 action;                /* enum packet_action */
    __u8 zero;
    __u64 first_ns;             /* CLOCK_BOOTTIME of the first packet */
    __u64 last_ns;              /* CLOCK_BOOTTIME of the last packet, >= first_ns */
    __u64 bytes;                /* layer-3 bytes on the wire, headers of every segment included */
    __u32 packets;              /* segments on the wire, at least 1 */
    __u32 zero2;
};

#define PACKET_IDENTITY_BYTES 48

_Static_assert(sizeof(struct packet_record) == 80, "packet_record is the ring buffer's contract");

/* The group of an IP protocol number (IANA protocol-numbers: 6, 17, 1, 58). */
static inline enum packet_group packet_group_of(__u8 protocol)
{
    switch (protocol) {
    case 6:
        return PACKET_TCP;
    case 17:
        return PACKET_UDP;
    case 1:
    case 58:
        return PACKET_ICMP;
    default:
        return PACKET_OTHER;
    }
}

#endif
