#include "frame.h"

#include <arpa/inet.h>
#include <assert.h>
#include <string.h>

static uint32_t ip_at;          /* where the last IP header begins; tests run one at a time */

static uint8_t *append(struct frame *frame, uint32_t bytes)
{
    assert(frame->size + bytes <= sizeof frame->data);
    uint8_t *at = frame->data + frame->size;
    memset(at, 0, bytes);
    frame->size += bytes;
    return at;
}

static void put16(uint8_t *at, unsigned value)
{
    at[0] = (uint8_t) (value >> 8);
    at[1] = (uint8_t) value;
}

void frame_ethernet(struct frame *frame, uint16_t ether_type)
{
    static const uint8_t MACS[12] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2 };

    frame->size = 0;
    memcpy(append(frame, 12), MACS, 12);
    put16(append(frame, 2), ether_type);
}

void frame_tag(struct frame *frame, uint16_t vlan, uint16_t next_type)
{
    put16(append(frame, 2), vlan);
    put16(append(frame, 2), next_type);
}

void frame_ipv4_full(struct frame *frame, const char *src, const char *dst, uint8_t protocol,
                     uint8_t option_bytes, uint16_t fragment)
{
    ip_at = frame->size;
    uint8_t *ip = append(frame, 20u + option_bytes);

    ip[0] = (uint8_t) (0x40 | (20 + option_bytes) / 4);
    put16(ip + 6, fragment);
    ip[8] = 64;
    ip[9] = protocol;
    assert(inet_pton(AF_INET, src, ip + 12) == 1 && inet_pton(AF_INET, dst, ip + 16) == 1);
    memset(ip + 20, 1, option_bytes);
}

void frame_ipv4(struct frame *frame, const char *src, const char *dst, uint8_t protocol)
{
    frame_ipv4_full(frame, src, dst, protocol, 0, 0);
}

void frame_ipv6(struct frame *frame, const char *src, const char *dst, uint8_t next)
{
    ip_at = frame->size;
    uint8_t *ip = append(frame, 40);

    ip[0] = 0x60;
    ip[6] = next;
    ip[7] = 64;
    assert(inet_pton(AF_INET6, src, ip + 8) == 1 && inet_pton(AF_INET6, dst, ip + 24) == 1);
}

void frame_extension(struct frame *frame, uint8_t next, uint8_t units)
{
    uint8_t *extension = append(frame, 8u * (units + 1u));

    extension[0] = next;
    extension[1] = units;
}

void frame_ipv6_fragment(struct frame *frame, uint8_t next, uint16_t offset_bytes, int more)
{
    uint8_t *fragment = append(frame, 8);

    fragment[0] = next;
    put16(fragment + 2, (offset_bytes & 0xfff8u) | (more ? 1 : 0));
    put16(fragment + 6, 0x1234);
}

void frame_tcp(struct frame *frame, uint16_t src_port, uint16_t dst_port, uint8_t flags)
{
    uint8_t *tcp = append(frame, 20);

    put16(tcp, src_port);
    put16(tcp + 2, dst_port);
    tcp[12] = 5 << 4;
    tcp[13] = flags;
}

void frame_udp(struct frame *frame, uint16_t src_port, uint16_t dst_port)
{
    uint8_t *udp = append(frame, 8);

    put16(udp, src_port);
    put16(udp + 2, dst_port);
    put16(udp + 4, 8);
}

void frame_payload(struct frame *frame, uint32_t bytes)
{
    memset(append(frame, bytes), 0x16, bytes);  /* 0x1616 = 5654: no port of any test */
}

void frame_finish(struct frame *frame)
{
    uint8_t *ip = frame->data + ip_at;

    if (ip[0] >> 4 == 4)
        put16(ip + 2, frame->size - ip_at);
    else
        put16(ip + 4, frame->size - ip_at - 40);
}
