/* flow_key - the name of one direction of one conversation, as one collector saw it.
 *
 * A plain value without padding: copy it, order it with memcmp(), hash its 40 bytes.
 */
#ifndef FLOW_KEY_H
#define FLOW_KEY_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct flow_key {
    uint8_t src_addr[16];       /* IPv6, or IPv4 mapped as ::ffff:a.b.c.d */
    uint8_t dst_addr[16];
    uint16_t src_port;          /* host byte order; 0 if the protocol has none */
    uint16_t dst_port;
    uint8_t protocol;           /* IPPROTO_* */
    uint8_t direction;          /* enum packet_direction */
    uint16_t collector;         /* index of the collector in its receiver's table */
};

_Static_assert(sizeof(struct flow_key) == 40, "flow_key must have no padding");

/* Whether two keys are the same.  Five words at once: a call of memcmp() costs twice as much. */
static inline bool flow_key_equal(const struct flow_key *a, const struct flow_key *b)
{
    uint64_t left[5], right[5];

    memcpy(left, a, sizeof left);
    memcpy(right, b, sizeof right);
    return ((left[0] ^ right[0]) | (left[1] ^ right[1]) | (left[2] ^ right[2])
            | (left[3] ^ right[3]) | (left[4] ^ right[4])) == 0;
}

#endif
