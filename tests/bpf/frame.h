/* frame - build Ethernet frames for the tests of the packet path, layer by layer. */
#ifndef FRAME_H
#define FRAME_H

#include <stdint.h>

struct frame {
    uint8_t data[2048];
    uint32_t size;              /* bytes */
};

/* Each appends one header (RFC 791, 8200, 9293, 768) and keeps the lengths of the headers before it
 * right only after frame_finish(). */
void frame_ethernet(struct frame *frame, uint16_t ether_type);
void frame_tag(struct frame *frame, uint16_t vlan, uint16_t next_type); /* TCI and next EtherType */
void frame_ipv4(struct frame *frame, const char *src, const char *dst, uint8_t protocol);
/* The same with `option_bytes` (a multiple of 4) of no-operation options and a fragment field:
 * offset in units of 8 bytes, 0x2000 = more fragments. */
void frame_ipv4_full(struct frame *frame, const char *src, const char *dst, uint8_t protocol,
                     uint8_t option_bytes, uint16_t fragment);
void frame_ipv6(struct frame *frame, const char *src, const char *dst, uint8_t next);
void frame_extension(struct frame *frame, uint8_t next, uint8_t units); /* 8 (units + 1) bytes */
void frame_ipv6_fragment(struct frame *frame, uint8_t next, uint16_t offset_bytes, int more);
void frame_tcp(struct frame *frame, uint16_t src_port, uint16_t dst_port, uint8_t flags);
void frame_udp(struct frame *frame, uint16_t src_port, uint16_t dst_port);
void frame_payload(struct frame *frame, uint32_t bytes);

/* Write the length fields of the IP header that was appended last. */
void frame_finish(struct frame *frame);

#endif
