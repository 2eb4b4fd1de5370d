#include "surroundings.h"

#include <assert.h>
#include <ifaddrs.h>
#include <net/route.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

enum {
    MAX_LINES = 16384,          /* of one file: all the Internet's routes take seconds */
};

bool surroundings_is_local(const struct ip_addr *addr)
{
    static const struct ip_addr NONE, LOOPBACK = { .bytes = { [15] = 1 } };
    const uint8_t *bytes = addr->bytes;

    if (ip_addr_version(bytes) == 4)
        return bytes[12] == 127 || memcmp(bytes + 12, NONE.bytes, 4) == 0;
    return memcmp(addr, &NONE, sizeof NONE) == 0 || memcmp(addr, &LOOPBACK, sizeof LOOPBACK) == 0;
}

static void add(struct address_list *list, const uint8_t *bytes, size_t size)
{
    struct ip_addr addr = { .bytes = { [10] = 0xff, [11] = 0xff } };

    memcpy(addr.bytes + 16 - size, bytes, size);
    if (surroundings_is_local(&addr))
        return;
    for (unsigned i = 0; i < list->size; i++)
        if (memcmp(&list->items[i], &addr, sizeof addr) == 0)
            return;
    if (list->size < SURROUNDINGS_MAX)
        list->items[list->size++] = addr;
}

static void read_host(struct address_list *host)
{
    struct ifaddrs *all = NULL;

    if (getifaddrs(&all) != 0)
        return;
    for (const struct ifaddrs *at = all; at; at = at->ifa_next) {
        if (!at->ifa_addr)
            continue;
        if (at->ifa_addr->sa_family == AF_INET)
            add(host, (const uint8_t *) &((struct sockaddr_in *) at->ifa_addr)->sin_addr, 4);
        else if (at->ifa_addr->sa_family == AF_INET6)
            add(host, ((struct sockaddr_in6 *) at->ifa_addr)->sin6_addr.s6_addr, 16);
    }
    freeifaddrs(all);
}

void surroundings_add_route(struct address_list *gateways, const char *line)
{
    unsigned destination, gateway, flags, mask;

    if (sscanf(line, "%*s %8x %8x %4x %*s %*s %*s %8x", &destination, &gateway, &flags, &mask) == 4
        && destination == 0 && mask == 0 && flags & RTF_GATEWAY && gateway != 0)
        add(gateways, (const uint8_t *) &gateway, 4);
}

void surroundings_add_route6(struct address_list *gateways, const char *line)
{
    static const uint8_t NONE[16];
    char destination[33], prefix[3], hop[33];
    uint8_t bytes[16];

    if (sscanf(line, "%32s %2s %*s %*s %32s", destination, prefix, hop) != 3
        || strcmp(prefix, "00") != 0 || strlen(hop) != 32)
        return;
    for (int i = 0; i < 16; i++)
        if (sscanf(hop + 2 * i, "%2hhx", &bytes[i]) != 1)
            return;
    if (memcmp(bytes, NONE, sizeof NONE) != 0)
        add(gateways, bytes, 16);
}

void surroundings_add_name_server(struct address_list *name_servers, const char *line)
{
    struct ip_addr addr;
    char text[IP_TEXT_SIZE], why[160];

    /* "fe80::1%eth0" has a zone that the packets do not carry. */
    if (sscanf(line, " nameserver %45[0-9a-fA-F.:]", text) == 1
        && ip_addr_parse(text, &addr, why, sizeof why) == 0)
        add(name_servers, addr.bytes, sizeof addr.bytes);
}

static void read_lines(const char *path, struct address_list *list,
                       void (*add_line)(struct address_list *, const char *))
{
    char line[512];
    FILE *file = fopen(path, "re");

    if (!file)
        return;
    for (int i = 0; i < MAX_LINES && fgets(line, sizeof line, file); i++)
        add_line(list, line);
    fclose(file);
}

void surroundings_read(struct surroundings *ret_surroundings)
{
    /* The first may name only a server on this host; the others tell whom that one asks. */
    static const char *const RESOLVERS[] = {
        "/etc/resolv.conf", "/run/systemd/resolve/resolv.conf", "/run/dnsmasq/resolv.conf",
        "/run/resolvconf/resolv.conf", "/run/NetworkManager/no-stub-resolv.conf",
    };

    assert(ret_surroundings);

    memset(ret_surroundings, 0, sizeof *ret_surroundings);
    read_host(&ret_surroundings->host);
    /* By way of "self": the units' own /proc has no "net" (ProcSubset=pid). */
    read_lines("/proc/self/net/route", &ret_surroundings->gateways, surroundings_add_route);
    read_lines("/proc/self/net/ipv6_route", &ret_surroundings->gateways, surroundings_add_route6);
    for (size_t i = 0; i < sizeof RESOLVERS / sizeof RESOLVERS[0]; i++)
        read_lines(RESOLVERS[i], &ret_surroundings->name_servers, surroundings_add_name_server);
}
