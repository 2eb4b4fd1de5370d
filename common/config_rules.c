#include "config_rules.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bus_endpoint.h"
#include "explain.h"
#include "ip_addr.h"

#define ZONES "/usr/share/zoneinfo"
#define LETTERS_AND_DIGITS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

enum { MAX_INTERFACE_NAME = 15 };       /* IFNAMSIZ - 1 */

static bool is_made_of(const char *text, const char *letters)
{
    return text[strspn(text, letters)] == '\0';
}

/* True if no character is outside the range from `first` to '~'. */
static bool is_ascii_from(const char *text, char first)
{
    for (; *text != '\0'; text++)
        if (*text < first || *text > '~')
            return false;
    return true;
}

int config_rule_ipv4(const char *text, char *why, size_t why_size)
{
    struct ip_addr addr;
    int rc = ip_addr_parse(text, &addr, why, why_size);

    if (rc == 0 && ip_addr_version(addr.bytes) != 4)
        return explain(-EINVAL, why, why_size,
                       "\"%s\" is no IPv4 address: write it like 0.0.0.0 (IPv6 is a "
                       "reverse proxy's work)", text);
    return rc;
}

int config_rule_prefix(const char *text, char *why, size_t why_size)
{
    struct ip_prefix prefix;

    return ip_prefix_parse(text, &prefix, why, why_size);
}

/* True if `name` is a compiled time zone (tzfile(5)). */
static bool is_zone_file(const char *name)
{
    char path[sizeof ZONES + 65], magic[4];

    snprintf(path, sizeof path, "%s/%s", ZONES, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return false;
    bool is_zone = read(fd, magic, sizeof magic) == sizeof magic && memcmp(magic, "TZif", 4) == 0;
    close(fd);
    return is_zone;
}

int config_rule_timezone(const char *text, char *why, size_t why_size)
{
    if (text[0] == '\0' || strcmp(text, "UTC") == 0)
        return 0;
    if (text[0] == '/' || strstr(text, "..") || !is_made_of(text, LETTERS_AND_DIGITS "_+-/"))
        return explain(-EINVAL, why, why_size,
                       "\"%s\" is no time zone: write a name such as Europe/Berlin, "
                       "or \"\" for the system's", text);
    if (access(ZONES "/UTC", R_OK) != 0)
        return explain(-EINVAL, why, why_size,
                       "\"%s\" is not known here: there is no %s, install tzdata",
                       text, ZONES);
    if (!is_zone_file(text))
        return explain(-EINVAL, why, why_size,
                       "\"%s\" is no time zone: there is no such file in %s; write a "
                       "name such as Europe/Berlin, or \"\" for the system's", text, ZONES);
    return 0;
}

int config_rule_base_path(const char *text, char *why, size_t why_size)
{
    if (text[0] != '/' || text[strlen(text) - 1] != '/')
        return explain(-EINVAL, why, why_size, "\"%s\" must begin and end with \"/\"", text);
    if (!is_made_of(text, LETTERS_AND_DIGITS "._~/-") || strstr(text, "//") || strstr(text, "/./")
        || strstr(text, "/../"))
        return explain(-EINVAL, why, why_size,
                       "\"%s\" must be made of letters, digits and ._~- between "
                       "single \"/\", such as /ntc/", text);
    return 0;
}

int config_rule_host(const char *text, char *why, size_t why_size)
{
    struct ip_addr addr;

    if (text[0] != '\0' && is_made_of(text, LETTERS_AND_DIGITS ".-_"))
        return 0;
    if (ip_addr_parse(text, &addr, why, why_size) == 0)
        return 0;
    return explain(-EINVAL, why, why_size,
                   "\"%s\" is no host name: write it like router.lan, without a port",
                   text);
}

int config_rule_secret(const char *text, char *why, size_t why_size)
{
    if (!is_ascii_from(text, '!'))
        return explain(-EINVAL, why, why_size, "must be visible ASCII characters without spaces");
    return 0;
}

int config_rule_interface(const char *text, char *why, size_t why_size)
{
    bool is_glob = strpbrk(text, "*?[") != NULL;

    /* dev_valid_name() of the kernel (net/core/dev.c) */
    if (text[0] == '\0' || strcmp(text, ".") == 0 || strcmp(text, "..") == 0
        || strpbrk(text, "/: ") != NULL)
        return explain(-EINVAL, why, why_size,
                       "\"%s\" is no interface name: write it like eth0 or wlan*",
                       text);
    if (!is_glob && strlen(text) > MAX_INTERFACE_NAME)
        return explain(-EINVAL, why, why_size,
                       "\"%s\" is no interface name: it is longer than %d characters",
                       text, MAX_INTERFACE_NAME);
    return 0;
}

int config_rule_absolute_path(const char *text, char *why, size_t why_size)
{
    if (text[0] != '/')
        return explain(-EINVAL, why, why_size,
                       "\"%.256s\" is no absolute path: begin it with \"/\"", text);
    return 0;
}

int config_rule_file(const char *text, char *why, size_t why_size)
{
    size_t length = strlen(text);

    if (length == 0 || text[length - 1] == '/')
        return explain(-EINVAL, why, why_size,
                       "\"%.256s\" names no file: write a path such as %s", text,
                       "/var/lib/ntc/lists.json");
    return 0;
}

int config_rule_bus_directory(const char *text, char *why, size_t why_size)
{
    if (text[0] == '\0' || text[0] == '@')
        return explain(-EINVAL, why, why_size,
                       "\"%s\" is no folder: write a path such as /run/ntc", text);
    return 0;
}

int config_rule_endpoint(const char *text, char *why, size_t why_size)
{
    struct bus_endpoint endpoint;

    return bus_endpoint_parse(text, &endpoint, why, why_size);
}

int config_rule_listen(const char *text, char *why, size_t why_size)
{
    struct bus_endpoint endpoint;
    struct ip_addr addr;

    if (text[0] == '\0')
        return 0;
    if (bus_endpoint_parse(text, &endpoint, why, why_size) != 0 || !endpoint.is_tcp
        || (!endpoint.is_ipv6 && ip_addr_parse(endpoint.host, &addr, why, why_size) != 0))
        return explain(-EINVAL, why, why_size,
                       "\"%s\" is nothing to listen on: write an address and a port, "
                       "such as tcp://0.0.0.0:7386 or tcp://[::]:7386, or \"\" for this host only",
                       text);
    return 0;
}

int config_rule_id(const char *text, char *why, size_t why_size)
{
    if (!is_ascii_from(text, ' '))
        return explain(-EINVAL, why, why_size, "\"%s\" must be printable ASCII", text);
    return 0;
}

int config_rule_power_of_two(const char *text, char *why, size_t why_size)
{
    unsigned long value = strtoul(text, NULL, 10);

    if ((value & (value - 1)) != 0)
        return explain(-EINVAL, why, why_size,
                       "\"%s\" is no power of two: write 1, 2, 4, 8, ...", text);
    return 0;
}
