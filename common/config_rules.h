/* config_rules - what a single value of the configuration must look like, beyond its type.
 *
 * Each rule returns 0, or -EINVAL with a sentence in `why` that quotes the value and says what
 * would be right.  `why_size` is at least 512.
 */
#ifndef CONFIG_RULES_H
#define CONFIG_RULES_H

#include <stddef.h>

typedef int config_rule_fn(const char *text, char *why, size_t why_size);

config_rule_fn config_rule_ipv4;            /* one IPv4 address */
config_rule_fn config_rule_prefix;          /* an address or a prefix, IPv4 or IPv6 */
config_rule_fn config_rule_timezone;        /* "" or a file below /usr/share/zoneinfo */
config_rule_fn config_rule_base_path;       /* begins and ends with "/" */
config_rule_fn config_rule_host;            /* a host name or an address, without a port */
config_rule_fn config_rule_secret;          /* visible ASCII; never quoted */
config_rule_fn config_rule_interface;       /* an interface name or a glob */
config_rule_fn config_rule_absolute_path;   /* begins with "/" */
config_rule_fn config_rule_file;            /* a path that names a file */
config_rule_fn config_rule_bus_directory;   /* a folder whose sockets fit a sockaddr_un */
config_rule_fn config_rule_endpoint;        /* as bus_endpoint_parse() reads it */
config_rule_fn config_rule_listen;          /* "" or tcp:// with an address and a port */
config_rule_fn config_rule_id;              /* printable ASCII */
config_rule_fn config_rule_power_of_two;

#endif
