/* host_filter - one bit per hash of a listed address, which saves the TC programs most look-ups.
 *
 * A bit may be set without an address (removed, or of the same hash): that costs a look-up.  A bit
 * is never clear while its address is in the map `hosts`.
 */
#ifndef HOST_FILTER_H
#define HOST_FILTER_H

#include <stdint.h>

#include "kernel_contract.h"

struct host_filter {
    struct ntc_host_filter *shared;     /* the map's value; the programs read it all the time */
    uint64_t seed;              /* settings.hash_seed */
    uint32_t removed;           /* since the bits were last made anew */
};

/* Before the address goes into `hosts`. */
void host_filter_add(struct host_filter *self, const uint8_t addr[16]);

/* After an address left `hosts`, which holds `host_count` now.  Makes the bits anew when many have
 * left: 10 ms for 50,000 addresses. */
void host_filter_remove(struct host_filter *self, int hosts_fd, uint32_t host_count);

/* Make the bits those of the addresses in `hosts`.  Returns 0, or -ENOMEM or another -errno (the
 * bits stay as they are). */
int host_filter_rebuild(struct host_filter *self, int hosts_fd);

#endif
