/* authority - the host and port that a Host or Origin header names (RFC 9110, 7.2; RFC 6454).
 */
#ifndef AUTHORITY_H
#define AUTHORITY_H

#include <stdbool.h>
#include <stdint.h>

#include "ip_addr.h"

#define AUTHORITY_HOST_SIZE 256

struct authority {
    char host[AUTHORITY_HOST_SIZE]; /* lower case, without brackets and final dot */
    uint16_t port;                  /* 0 = not written */
    bool is_literal;                /* the host is an IP address, in `addr` */
    struct ip_addr addr;
};

/* Read "name", "name:8086", "192.0.2.1:8086" or "[2001:db8::1]:8086".
 * Returns 0, or -EINVAL (*ret_authority is unspecified then). */
int authority_parse(struct authority *ret_authority, const char *text);

/* True for localhost, 127.0.0.0/8 and ::1. */
bool authority_is_loopback(const struct authority *self);

/* True if an Origin header's value ("http://name:8086") names the same host and port. */
bool authority_is_origin(const struct authority *self, const char *origin);

/* True for 127.0.0.0/8 and ::1. */
bool addr_is_loopback(const struct ip_addr *addr);

#endif
