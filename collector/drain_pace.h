/* drain_pace - how long the ring may be left alone after a drain.
 *
 * Every wake-up costs the same whatever it finds, here, in the aggregator, and in the threads of
 * ZeroMQ between them.  So the ring is left to fill, up to the part of it that a burst can spare.
 */
#ifndef DRAIN_PACE_H
#define DRAIN_PACE_H

#include <stdint.h>

#define DRAIN_PACE_LEAST_MS 4
#define DRAIN_PACE_PART 8       /* that much of the ring may fill between two drains */

/* The milliseconds until the next drain of a ring of `ring_bytes`: DRAIN_PACE_LEAST_MS to
 * `most_ms`.  In the last `elapsed_ns` have come `drained_bytes`, and the next will be alike. */
int drain_pace_ms(uint64_t ring_bytes, uint64_t drained_bytes, uint64_t elapsed_ns, int most_ms);

#endif
