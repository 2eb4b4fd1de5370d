/* ip_addr - IP addresses and prefixes as values, and their text forms.
 *
 * IPv4 is kept as ::ffff:a.b.c.d, so one 16-byte form serves maps, columns and tables.
 * Text is what people use: dotted quads for IPv4, RFC 5952 for IPv6.
 */
#ifndef IP_ADDR_H
#define IP_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IP_TEXT_SIZE 46         /* longest address text and its NUL (INET6_ADDRSTRLEN) */
#define IP_PREFIX_TEXT_SIZE 50  /* the same with "/128" */

struct ip_addr {
    uint8_t bytes[16];          /* network order */
};

/* A host is a prefix of 128 bits.  An IPv4 /24 has 96 + 24 = 120 bits. */
struct ip_prefix {
    struct ip_addr addr;        /* host bits are zero */
    uint8_t bits;               /* 0 to 128, in the mapped form */
};

/* Read "192.0.2.1", "2001:db8::1", "192.0.2.0/24" or "2001:db8::/32".  Refused: host bits that
 * are set, IPv4-mapped IPv6 text, zones (%eth0), and anything before or after.
 * Returns 0, or -EINVAL with a sentence for people in `why` (at least 160 bytes), which quotes
 * the text and says what would be right; *ret_prefix is unchanged then. */
int ip_prefix_parse(const char *text, struct ip_prefix *ret_prefix, char *why, size_t why_size);

/* As above, but a single address only. */
int ip_addr_parse(const char *text, struct ip_addr *ret_addr, char *why, size_t why_size);

/* Write the address into `text` (at least IP_TEXT_SIZE bytes).  Returns the length. */
size_t ip_addr_format(const uint8_t addr[16], char *text);

/* Write the prefix (at least IP_PREFIX_TEXT_SIZE bytes); a host has no "/".  Returns the length. */
size_t ip_prefix_format(const struct ip_prefix *prefix, char *text);

/* 4 for ::ffff:0:0/96, else 6. */
int ip_addr_version(const uint8_t addr[16]);

/* 4 if every address of the prefix is IPv4, else 6. */
int ip_prefix_version(const struct ip_prefix *prefix);

bool ip_prefix_is_host(const struct ip_prefix *prefix);

/* True if `addr` is in `prefix`.  ::/0 is all of IPv6: it contains no IPv4 address, although the
 * mapped form begins with the same bits. */
bool ip_prefix_contains(const struct ip_prefix *prefix, const uint8_t addr[16]);

/* Order by address, then by length: a prefix comes before everything inside it.
 * Returns <0, 0 or >0, as memcmp() does. */
int ip_prefix_compare(const struct ip_prefix *a, const struct ip_prefix *b);

#endif
