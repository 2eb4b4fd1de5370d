#include "ip_addr.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "explain.h"

static const uint8_t MAPPED[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

#define MAX_ADDRESS_TEXT 45     /* longer text is no address: do not echo it whole */

/* Quote at most 60 characters of what somebody sent, control characters as '?'. */
static const char *quotable(const char *text, char quoted[64])
{
    size_t i = 0;

    for (; i < 60 && text[i] != '\0'; i++) {
        unsigned char c = (unsigned char) text[i];
        quoted[i] = c < 0x20 || c >= 0x7f || c == '"' ? '?' : (char) c;
    }
    if (text[i] != '\0')
        memcpy(&quoted[i - 3], "...", 3);
    quoted[i] = '\0';
    return quoted;
}

static bool is_mapped(const uint8_t addr[16])
{
    return memcmp(addr, MAPPED, sizeof MAPPED) == 0;
}

/* Read the address in text[0..length).  Returns 4, 6 or -EINVAL. */
static int parse_addr(const char *text, size_t length, const char *whole,
                      struct ip_addr *ret_addr, char *why, size_t why_size)
{
    char quoted[64];
    char copy[MAX_ADDRESS_TEXT + 1];
    struct in_addr v4;
    struct in6_addr v6;

    quotable(whole, quoted);
    if (length == 0)
        return explain(-EINVAL, why, why_size, "\"%s\" is no IP address: it is empty", quoted);
    if (length > MAX_ADDRESS_TEXT)
        return explain(-EINVAL, why, why_size, "\"%s\" is no IP address: it is too long", quoted);
    memcpy(copy, text, length);
    copy[length] = '\0';
    if (strchr(copy, '%'))
        return explain(-EINVAL, why, why_size,
                       "\"%s\" names a zone (%%): write the address without it",
                       quoted);
    if (inet_pton(AF_INET, copy, &v4) == 1) {
        memcpy(ret_addr->bytes, MAPPED, sizeof MAPPED);
        memcpy(ret_addr->bytes + 12, &v4, 4);
        return 4;
    }
    if (inet_pton(AF_INET6, copy, &v6) != 1)
        return explain(-EINVAL, why, why_size,
                       "\"%s\" is no IP address: write it like 192.0.2.1 or 2001:db8::1", quoted);
    if (is_mapped(v6.s6_addr)) {
        char plain[IP_TEXT_SIZE];
        ip_addr_format(v6.s6_addr, plain);
        return explain(-EINVAL, why, why_size,
                       "\"%s\" is an IPv4-mapped address: write %s", quoted, plain);
    }
    memcpy(ret_addr->bytes, &v6, 16);
    return 6;
}

/* Clear all but the first `bits` bits. */
static void clear_host_bits(struct ip_addr *addr, unsigned bits)
{
    for (unsigned i = 0; i < 16; i++) {
        unsigned kept = bits > 8 * i ? bits - 8 * i : 0;
        if (kept < 8)
            addr->bytes[i] &= (uint8_t) (0xff00u >> kept);
    }
}

int ip_prefix_parse(const char *text, struct ip_prefix *ret_prefix, char *why, size_t why_size)
{
    assert(text && ret_prefix && why && why_size > 0);

    char quoted[64];
    const char *slash = strchr(text, '/');
    size_t length = slash ? (size_t) (slash - text) : strlen(text);
    struct ip_prefix prefix = { .bits = 128 };
    int version = parse_addr(text, length, text, &prefix.addr, why, why_size);

    if (version < 0)
        return version;
    if (slash) {
        unsigned widest = version == 4 ? 32 : 128;
        const char *digits = slash + 1;
        size_t count = strspn(digits, "0123456789");
        unsigned bits = 0;

        for (size_t i = 0; i < count && i < 3; i++)
            bits = bits * 10 + (unsigned) (digits[i] - '0');
        if (count == 0 || count > 3 || digits[count] != '\0' || bits > widest
            || (count > 1 && digits[0] == '0'))
            return explain(-EINVAL, why, why_size,
                           "\"%s\" has no valid prefix length: write /0 to /%u after the address",
                           quotable(text, quoted), widest);
        prefix.bits = (uint8_t) (version == 4 ? 96 + bits : bits);

        struct ip_prefix network = prefix;
        clear_host_bits(&network.addr, network.bits);
        if (memcmp(&network.addr, &prefix.addr, sizeof prefix.addr) != 0) {
            char right[IP_PREFIX_TEXT_SIZE];
            ip_prefix_format(&network, right);
            return explain(-EINVAL, why, why_size,
                           "\"%s\" has host bits set: write %s for the network",
                           quotable(text, quoted), right);
        }
    }
    *ret_prefix = prefix;
    return 0;
}

int ip_addr_parse(const char *text, struct ip_addr *ret_addr, char *why, size_t why_size)
{
    assert(text && ret_addr && why && why_size > 0);

    struct ip_addr addr;
    int version = parse_addr(text, strlen(text), text, &addr, why, why_size);

    if (version < 0)
        return version;
    *ret_addr = addr;
    return 0;
}

static char *put_byte(char *end, unsigned value)
{
    if (value >= 100)
        *end++ = (char) ('0' + value / 100);
    if (value >= 10)
        *end++ = (char) ('0' + value / 10 % 10);
    *end++ = (char) ('0' + value % 10);
    return end;
}

static char *put_hex16(char *end, unsigned value)
{
    static const char DIGITS[] = "0123456789abcdef";

    for (int shift = 12; shift > 0; shift -= 4)
        if (value >> shift)
            *end++ = DIGITS[value >> shift & 15];
    *end++ = DIGITS[value & 15];
    return end;
}

/* Own code and not inet_ntop(): this runs twice for every event that is shown. */
size_t ip_addr_format(const uint8_t addr[16], char *text)
{
    char *end = text;

    if (is_mapped(addr)) {
        for (int i = 12; i < 16; i++) {
            end = put_byte(end, addr[i]);
            *end++ = '.';
        }
        *--end = '\0';
        return (size_t) (end - text);
    }

    uint16_t words[8];
    int zeros_at = -1, zeros = 1;       /* longest run of two or more zero words, the first wins */
    for (int i = 0; i < 8; i++)
        words[i] = (uint16_t) (addr[2 * i] << 8 | addr[2 * i + 1]);
    for (int i = 0; i < 8;) {
        int run = 0;
        while (i + run < 8 && words[i + run] == 0)
            run++;
        if (run > zeros) {
            zeros = run;
            zeros_at = i;
        }
        i += run ? run : 1;
    }
    for (int i = 0; i < 8;) {
        if (i == zeros_at) {
            *end++ = ':';
            if (i == 0)
                *end++ = ':';
            i += zeros;
        } else {
            end = put_hex16(end, words[i++]);
            if (i < 8)
                *end++ = ':';
        }
    }
    *end = '\0';
    return (size_t) (end - text);
}

size_t ip_prefix_format(const struct ip_prefix *prefix, char *text)
{
    size_t length = ip_addr_format(prefix->addr.bytes, text);

    if (ip_prefix_is_host(prefix))
        return length;
    unsigned bits = prefix->bits;
    if (ip_prefix_version(prefix) == 4)
        bits -= 96;
    text[length++] = '/';
    char *end = put_byte(text + length, bits);
    *end = '\0';
    return (size_t) (end - text);
}

int ip_addr_version(const uint8_t addr[16])
{
    return is_mapped(addr) ? 4 : 6;
}

int ip_prefix_version(const struct ip_prefix *prefix)
{
    return prefix->bits >= 96 && is_mapped(prefix->addr.bytes) ? 4 : 6;
}

bool ip_prefix_is_host(const struct ip_prefix *prefix)
{
    return prefix->bits == 128;
}

bool ip_prefix_contains(const struct ip_prefix *prefix, const uint8_t addr[16])
{
    unsigned whole = prefix->bits / 8, rest = prefix->bits % 8;

    if (prefix->bits < 96 && is_mapped(addr))
        return false;
    if (memcmp(prefix->addr.bytes, addr, whole) != 0)
        return false;
    return rest == 0 || ((prefix->addr.bytes[whole] ^ addr[whole]) & (0xff00u >> rest) & 0xff) == 0;
}

int ip_prefix_compare(const struct ip_prefix *a, const struct ip_prefix *b)
{
    int order = memcmp(a->addr.bytes, b->addr.bytes, 16);

    return order != 0 ? order : (int) a->bits - (int) b->bits;
}
