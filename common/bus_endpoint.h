/* bus_endpoint - the addresses of collectors: ipc://PATH on this host, tcp://HOST:PORT elsewhere.
 *
 * A collector has two: that of its events, which people write down, and that of its commands, which
 * follows from it: the socket "commands" in the same folder, or the next port.
 */
#ifndef BUS_ENDPOINT_H
#define BUS_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BUS_ENDPOINT_SIZE 128   /* the longest endpoint and its NUL */

struct bus_endpoint {
    bool is_tcp;
    char host[BUS_ENDPOINT_SIZE];   /* tcp: name, IPv4, or IPv6 address without brackets */
    bool is_ipv6;                   /* tcp: it was in brackets */
    uint16_t port;                  /* tcp: of the events, 1 to 65534 */
    char path[BUS_ENDPOINT_SIZE];   /* ipc: fits a sockaddr_un */
};

/* Read "ipc://PATH", "tcp://HOST:PORT" or "tcp://[IPV6]:PORT".
 * Returns 0, or -EINVAL with a sentence in `why` that quotes the text and says what would be
 * right. */
int bus_endpoint_parse(const char *text, struct bus_endpoint *ret_endpoint, char *why,
                       size_t why_size);

/* Write the endpoint at which the collector that publishes at `events` takes commands:
 * ipc:///run/ntc/events -> ipc:///run/ntc/commands, tcp://pi1:7386 -> tcp://pi1:7387.
 * Returns 0, -EINVAL when `events` is no endpoint, or -ENAMETOOLONG when the result does not
 * fit. */
int bus_endpoint_commands(char commands[BUS_ENDPOINT_SIZE], const char *events);

#endif
