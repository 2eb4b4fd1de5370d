#include "authority.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NAME_LETTERS "abcdefghijklmnopqrstuvwxyz0123456789.-_"

/* Read ":8086", "" or ":" into *ret_port. */
static int parse_port(const char *text, uint16_t *ret_port)
{
    *ret_port = 0;
    if (*text == '\0')
        return 0;
    if (*text++ != ':')
        return -EINVAL;
    size_t digits = strspn(text, "0123456789");
    unsigned long port = digits <= 5 ? strtoul(text, NULL, 10) : 65536;
    if (text[digits] != '\0' || port > 65535)
        return -EINVAL;
    *ret_port = (uint16_t) port;
    return 0;
}

int authority_parse(struct authority *ret_authority, const char *text)
{
    struct authority *self = ret_authority;
    char why[160];
    bool has_brackets = text[0] == '[';
    const char *begin = has_brackets ? text + 1 : text;
    size_t length = strcspn(begin, has_brackets ? "]" : ":");

    *self = (struct authority) { 0 };
    if (length == 0 || length >= sizeof self->host || (has_brackets && begin[length] != ']'))
        return -EINVAL;
    for (size_t i = 0; i < length; i++)
        self->host[i] = (char) tolower((unsigned char) begin[i]);
    if (parse_port(begin + length + has_brackets, &self->port) < 0)
        return -EINVAL;
    self->is_literal = ip_addr_parse(self->host, &self->addr, why, sizeof why) == 0;
    if (has_brackets)
        return self->is_literal && ip_addr_version(self->addr.bytes) == 6 ? 0 : -EINVAL;
    if (!self->is_literal && length > 1 && self->host[length - 1] == '.')
        self->host[length - 1] = '\0';
    return self->host[strspn(self->host, NAME_LETTERS)] == '\0' ? 0 : -EINVAL;
}

bool addr_is_loopback(const struct ip_addr *addr)
{
    static const uint8_t V6_LOOPBACK[16] = { [15] = 1 };

    if (ip_addr_version(addr->bytes) == 4)
        return addr->bytes[12] == 127;
    return memcmp(addr->bytes, V6_LOOPBACK, 16) == 0;
}

bool authority_is_loopback(const struct authority *self)
{
    if (self->is_literal)
        return addr_is_loopback(&self->addr);
    return strcmp(self->host, "localhost") == 0;
}

/* Which port a URL without one means. */
static uint16_t port_or(uint16_t port, uint16_t fallback)
{
    return port != 0 ? port : fallback;
}

bool authority_is_origin(const struct authority *self, const char *origin)
{
    struct authority other;
    uint16_t fallback;

    if (strncasecmp(origin, "http://", 7) == 0) {
        fallback = 80;
        origin += 7;
    } else if (strncasecmp(origin, "https://", 8) == 0) {
        fallback = 443;
        origin += 8;
    } else {
        return false;
    }
    return authority_parse(&other, origin) == 0 && strcmp(self->host, other.host) == 0
           && port_or(self->port, fallback) == port_or(other.port, fallback);
}
