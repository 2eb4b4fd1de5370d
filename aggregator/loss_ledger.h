/* loss_ledger - proves that every packet a collector counted is accounted for or known to be lost.
 *
 * Follows one collector's stream of batches and statuses by their numbers.  All values begin anew
 * with the stream: at the first message, at a new boot_id, and when the numbers go back.
 */
#ifndef LOSS_LEDGER_H
#define LOSS_LEDGER_H

#include <stdbool.h>

#include "collector_status.h"

struct packet_sums {
    uint64_t packets;
    uint64_t bytes;
};

/* A zeroed ledger has heard nothing.  Read the fields, change them only by the functions below. */
struct loss_ledger {
    bool has_heard;
    uint64_t boot_id;
    uint64_t next_seq;              /* of the record that is expected next */

    bool has_stream;                /* a batch was heard: */
    struct packet_sums stream;      /* ... in records of this boot_id before next_seq */
    bool has_published;             /* a status was heard: */
    struct packet_sums published;   /* ... its count of what it published before next_seq */
    bool has_pending_gap;           /* records are missing whose packets the next status tells */

    bool has_base;                  /* a status was heard that accounting can be compared with */
    struct packet_sums base;        /* published when accounting began */
    struct packet_sums accounted_before;    /* by the flow table before this stream began */
    struct loss bus;                /* lost on the way here, stage "bus" */

    /* All as of the last status, so that they can be compared with it and with each other: */
    struct packet_sums accounted;   /* since accounting began */
    struct loss bus_then;
    int64_t missing_packets;        /* of that status: due, but neither published nor known to be
                                     * lost; negative: published twice */
    int64_t difference_packets;     /* counted, but neither accounted for nor known to be lost;
                                     * negative: accounted for twice; must be 0.  What is missing at
                                     * the collector counts when two statuses in a row say so */
    uint64_t in_flight_packets;     /* in rings and queues of the collector */
};

/* Follow a batch before its records are accounted for.  `accounted` is the flow table's account of
 * this collector by then.  Returns true if a stream has begun (anew). */
bool loss_ledger_on_batch(struct loss_ledger *self, const struct packet_view *view,
                          struct packet_sums accounted);

/* Compare with a status; `accounted` as above, with all records before it.  Returns as above. */
bool loss_ledger_on_status(struct loss_ledger *self, const struct collector_status *status,
                           struct packet_sums accounted);

#endif
