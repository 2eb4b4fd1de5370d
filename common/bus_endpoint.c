#include "bus_endpoint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "explain.h"

#define IPC "ipc://"
#define TCP "tcp://"
#define COMMANDS "commands"
#define LETTERS_AND_DIGITS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

enum {
    MAX_IPC_PATH = sizeof(((struct sockaddr_un *) NULL)->sun_path) - 1,
    MAX_PORT = 65534,           /* the next one is that of the commands */
};

static bool begins_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

static int parse_ipc(const char *text, struct bus_endpoint *endpoint, char *why, size_t why_size)
{
    const char *path = text + strlen(IPC);

    if (path[0] == '\0' || path[0] == '@' || path[0] == '*')
        return explain(-EINVAL, why, why_size,
                       "\"%s\" is no endpoint: write ipc:// and a path, such as "
                       "ipc:///run/ntc/events", text);
    if (strlen(path) > MAX_IPC_PATH)
        return explain(-EINVAL, why, why_size,
                       "\"%s\" is too long: the path of a socket has at most %d "
                       "bytes", text, MAX_IPC_PATH);
    strcpy(endpoint->path, path);
    return 0;
}

/* Returns 0 when `text` is no port of a collector. */
static uint16_t parse_port(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    unsigned long port = digits > 0 && digits <= 5 ? strtoul(text, NULL, 10) : 0;

    return text[digits] == '\0' && port <= MAX_PORT ? (uint16_t) port : 0;
}

static bool is_host(const struct bus_endpoint *endpoint)
{
    const char *host = endpoint->host;
    struct in6_addr addr;
    char bare[INET6_ADDRSTRLEN];
    size_t length = strcspn(host, "%");     /* what follows is a zone: the name of an interface */

    if (!endpoint->is_ipv6)
        return host[0] != '\0' && host[0] != '-' && host[0] != '.'
            && host[strspn(host, LETTERS_AND_DIGITS "._-")] == '\0';
    if (length >= sizeof bare || (host[length] == '%' && host[length + 1] == '\0'))
        return false;
    snprintf(bare, sizeof bare, "%.*s", (int) length, host);
    return inet_pton(AF_INET6, bare, &addr) == 1
        && host[length + strspn(host + length, LETTERS_AND_DIGITS "%._-")] == '\0';
}

static int parse_tcp(const char *text, struct bus_endpoint *endpoint, char *why, size_t why_size)
{
    const char *host = text + strlen(TCP);
    const char *colon = strrchr(host, ':');

    endpoint->is_tcp = true;
    endpoint->is_ipv6 = host[0] == '[';
    if (!colon || (endpoint->is_ipv6 && (colon == host || colon[-1] != ']')))
        return explain(-EINVAL, why, why_size,
                       "\"%s\" is no endpoint: write tcp://HOST:PORT, such as "
                       "tcp://pi1:7386 or tcp://[2001:db8::1]:7386", text);
    if ((endpoint->port = parse_port(colon + 1)) == 0)
        return explain(-EINVAL, why, why_size,
                       "\"%s\" has no port: write one from 1 to %d behind the last "
                       "colon, such as tcp://pi1:7386", text, MAX_PORT);
    snprintf(endpoint->host, sizeof endpoint->host, "%.*s",
             (int) (colon - host) - 2 * endpoint->is_ipv6, host + endpoint->is_ipv6);
    if (!is_host(endpoint))
        return explain(-EINVAL, why, why_size,
                       "\"%s\" has no host: write a name, an IPv4 address, or an "
                       "IPv6 address in brackets, such as tcp://pi1:7386 or "
                       "tcp://[2001:db8::1]:7386", text);
    return 0;
}

int bus_endpoint_parse(const char *text, struct bus_endpoint *ret_endpoint, char *why,
                       size_t why_size)
{
    struct bus_endpoint endpoint = { 0 };
    int rc;

    if (strlen(text) >= BUS_ENDPOINT_SIZE)
        return explain(-EINVAL, why, why_size,
                       "\"%.140s\" is too long: an endpoint has at most %d bytes",
                       text, BUS_ENDPOINT_SIZE - 1);
    if (begins_with(text, IPC))
        rc = parse_ipc(text, &endpoint, why, why_size);
    else if (begins_with(text, TCP))
        rc = parse_tcp(text, &endpoint, why, why_size);
    else
        rc = explain(-EINVAL, why, why_size,
                     "\"%s\" is no endpoint: write ipc:// and a path, such as "
                     "ipc:///run/ntc/events, or tcp://HOST:PORT, such as tcp://pi1:7386", text);
    if (rc == 0)
        *ret_endpoint = endpoint;
    return rc;
}

int bus_endpoint_commands(char commands[BUS_ENDPOINT_SIZE], const char *events)
{
    struct bus_endpoint endpoint;
    char why[512];
    int length, rc = bus_endpoint_parse(events, &endpoint, why, sizeof why);

    if (rc != 0)
        return rc;
    if (endpoint.is_tcp) {
        length = snprintf(commands, BUS_ENDPOINT_SIZE, "%.*s:%u",
                          (int) (strrchr(events, ':') - events), events, endpoint.port + 1u);
        return length < BUS_ENDPOINT_SIZE ? 0 : -ENAMETOOLONG;
    }
    const char *slash = strrchr(endpoint.path, '/');
    int folder = slash ? (int) (slash - endpoint.path) + 1 : 0;
    if (folder + (int) strlen(COMMANDS) > MAX_IPC_PATH)
        return -ENAMETOOLONG;
    length = snprintf(commands, BUS_ENDPOINT_SIZE, IPC "%.*s" COMMANDS, folder, endpoint.path);
    return length < BUS_ENDPOINT_SIZE ? 0 : -ENAMETOOLONG;
}
