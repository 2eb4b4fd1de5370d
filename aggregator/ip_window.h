/* ip_window - what each source address has sent in the last WINDOW_S seconds.
 *
 * Sixty buckets of one second per address on the timeline of the records: the current second
 * and the 59 before it.  The sums stand beside them, so that reading adds nothing up and changes
 * nothing.  Memory never grows: a full table gives up the address that was idle for longest.
 * With several collectors an address can be kept once for each: the key is both.
 * An address is counted once for every interface and direction in which its packets were seen: a
 * router sees a forwarded packet twice.
 */
#ifndef IP_WINDOW_H
#define IP_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#include "snapshot.h"

#define IP_WINDOW_NONE UINT32_MAX

typedef struct ip_window ip_window_t;

/* What one record adds to the address that sent its packets. */
struct window_update {
    const uint8_t *addr;        /* 16 bytes */
    uint16_t collector;         /* below the window's collectors */
    uint32_t second;            /* of the last packet, at most the window's own */
    uint32_t packets;
    uint32_t bytes;
    uint8_t tcp_flags;          /* 0 for other protocols */
    uint64_t last_unix_ns;
};

/* The sums of one address. */
struct window_sums {
    const uint8_t *addr;        /* 16 bytes, valid until the window changes */
    uint16_t collector;
    uint64_t packets;
    uint64_t bytes;
    uint32_t syn;               /* packets with SYN without ACK */
    uint32_t ack;               /* packets with ACK */
    uint32_t ports;             /* unique destination ports */
    uint64_t last_unix_ns;
};

/* Make room for `addresses` (1 to 2^24) of collectors 0 to collectors - 1, and `ports` destination
 * ports of all of them; `seed` keys the hashes.  Returns a window the caller destroys, or NULL when
 * memory is short.  Memory when full: 1,120 bytes an address and 60 a port. */
ip_window_t *ip_window_new(uint32_t addresses, uint32_t ports, uint32_t collectors, uint64_t seed);

/* Free the window and set *self_p to NULL.  Does nothing when *self_p is NULL. */
void ip_window_destroy(ip_window_t **self_p);

/* Add one record.  `hint` is what the last call for the same address and collector returned, or
 * IP_WINDOW_NONE.
 * Returns a hint, or IP_WINDOW_NONE when the record is older than the window and refused. */
uint32_t ip_window_add(ip_window_t *self, uint32_t hint, const struct window_update *update);

/* The address behind a hint, which ip_window_add() has just returned, uses a destination port in
 * `second`.  Takes and returns a hint of the port, as port_set_touch(). */
uint32_t ip_window_use_port(ip_window_t *self, uint32_t address_hint, uint16_t port,
                            uint32_t second, uint32_t port_hint);

/* Fetch what ip_window_add() will need into the cache. */
void ip_window_prefetch(const ip_window_t *self, uint32_t hint, uint32_t second);

/* Begin `second`: the next, or any later one while the window is empty. */
void ip_window_step(ip_window_t *self, uint32_t second);

bool ip_window_is_empty(const ip_window_t *self);
uint32_t ip_window_size(const ip_window_t *self);       /* addresses with a packet in the window */
uint32_t ip_window_size_of(const ip_window_t *self, uint32_t collector);
struct table_state ip_window_addresses(const ip_window_t *self);
struct table_state ip_window_ports(const ip_window_t *self);

/* Packets and bytes of all records in the window, those of evicted addresses included. */
uint64_t ip_window_packets(const ip_window_t *self);
uint64_t ip_window_bytes(const ip_window_t *self);

/* Slots 0 to ip_window_slots() - 1 hold all addresses.  Returns false where there is none. */
uint32_t ip_window_slots(const ip_window_t *self);
bool ip_window_at(const ip_window_t *self, uint32_t slot, struct window_sums *ret_sums);

enum window_ranking {
    WINDOW_BY_PACKETS, WINDOW_BY_BYTES, WINDOW_BY_PORTS, WINDOW_BY_SYN, WINDOW_BY_ACK,
    WINDOW_RANKINGS,
};

/* Write the slots of the `most` (at most 32) addresses with the biggest sums above 0, the first by
 * address where these are equal.  Returns how many there are.  Cost: by the addresses that have
 * changed since the last call. */
uint32_t ip_window_best(ip_window_t *self, enum window_ranking by, uint32_t most,
                        uint32_t *ret_slots);

/* Fill a row of the address in `slot`, with its seconds if `with_seconds`. */
void ip_window_row(const ip_window_t *self, uint32_t slot, bool with_seconds,
                   struct address_row *ret_row);

#endif
