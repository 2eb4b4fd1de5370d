/* packet_source - where records come from: the kernel, a generator or a file.
 *
 * The reactor knows only this.  A source hands records to the publisher when it is pumped, and
 * fills in its part of each status.
 */
#ifndef PACKET_SOURCE_H
#define PACKET_SOURCE_H

#include "event_publisher.h"

/* What pump() returns beside the milliseconds until it wants to be called again (0 = at once). */
enum {
    SOURCE_SLEEPS = -1,         /* not before wake_fd is readable or a listener comes */
    SOURCE_REPORTS = -2,        /* send a status, then call again at once */
    SOURCE_IS_DONE = -3,        /* there is no more; stop well */
    SOURCE_FAILED = -4,         /* stop; `problem` says why */
};

/* What report() returns beside the number of records it handed on. */
enum { SOURCE_IS_BLOCKED = -1 };    /* records wait for a full bus: report later */

#define SOURCE_BITE 16384       /* records that one call hands on at most */

struct packet_source {
    const char *name;           /* CollectorStatus.source */
    void *self;
    struct ntc_ledger *ledger;  /* what became of the records, for the publisher */
    bool lossless;              /* the publisher must wait for slow subscribers */
    int wake_fd;                /* readable when a sleeping source has records; -1 = none */
    int event_fd;               /* readable when on_event() must be called; -1 = none */
    char problem[512];          /* why pump() failed, for people */

    /* Hand on what is due, a bounded bite. */
    int (*pump)(void *self, event_publisher_t *publisher);

    /* Hand on and flush all that is there, then fill in counters, due, clock, losses at the source
     * (row "ring") and interfaces of a zeroed status. */
    int (*report)(void *self, event_publisher_t *publisher, struct collector_status *status);

    void (*on_event)(void *self);       /* NULL without event_fd */
    void (*on_second)(void *self);      /* called about once per second; may be NULL */
};

#endif
