/* mock_source - synthetic traffic as a packet source, with verdicts and counters of its own.
 *
 * Needs no privileges.  The stream is lossless: a slow subscriber slows it down.
 */
#ifndef MOCK_SOURCE_H
#define MOCK_SOURCE_H

#include "config.h"
#include "ip_list.h"
#include "packet_source.h"

#define MOCK_INTERFACE "mock0"
#define MOCK_IFINDEX 1
#define MOCK_MAX_RATE 100000000u

typedef struct mock_source mock_source_t;

enum { MOCK_DEFAULT_RATE = 0 };         /* 20 packets/s, and a burst every 15 s */
#define MOCK_UNPACED UINT32_MAX         /* as fast as the bus takes them, while anybody listens */

/* Make traffic of `rate` packets/s.  `lists` decide on it and count its hits; they must outlive the
 * source.  Returns a source the caller destroys, or NULL when memory is short. */
mock_source_t *mock_source_new(uint64_t seed, uint32_t rate, const struct config_numbers *bypass,
                               ip_list_t *lists);

void mock_source_destroy(mock_source_t **self_p);

/* Ours, valid until the source is destroyed. */
struct packet_source *mock_source_packets(mock_source_t *self);

/* Make the next packet at `boot_ns`, decide and count it as the TC programs would. */
void mock_source_next(mock_source_t *self, uint64_t boot_ns, struct packet_record *ret_record);

const struct ntc_counters *mock_source_counters(const mock_source_t *self);

#endif
