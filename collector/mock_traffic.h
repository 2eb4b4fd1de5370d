/* mock_traffic - an endless, repeatable stream of packets as a small network would make it.
 *
 * A LAN (192.168.1.0/24 and 2001:db8:1::/64) talks to servers in the documentation ranges: TCP
 * with handshakes, UDP, ICMP, SSH to the router; after each MOCK_CALM packets comes a burst: a port
 * scan, a SYN flood, a download or a ping flood.  The conversations are prepared once and drawn
 * again and again, so a packet costs little and the number of flows is bounded.
 *
 * Pure: the same seed gives the same packets.  Times, interface and verdict are the caller's.
 */
#ifndef MOCK_TRAFFIC_H
#define MOCK_TRAFFIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "packet_record.h"

#define MOCK_CALM 300           /* packets between two bursts */
#define MOCK_BURST 150          /* packets of a burst */

typedef struct mock_traffic mock_traffic_t;

/* Returns a generator the caller destroys, or NULL when memory is short. */
mock_traffic_t *mock_traffic_new(uint64_t seed);

void mock_traffic_destroy(mock_traffic_t **self_p);

/* Make the next packet: all of the record but times, ifindex and action.
 * *ret_path, below mock_traffic_paths(), names source and destination address: records of one path
 * have the same two. */
void mock_traffic_next(mock_traffic_t *self, struct packet_record *ret_record, uint32_t *ret_path);

/* How many paths there are. */
uint32_t mock_traffic_paths(const mock_traffic_t *self);

/* True when the packet that comes next belongs to a burst. */
bool mock_traffic_in_burst(const mock_traffic_t *self);

#endif
