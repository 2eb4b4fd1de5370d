/* kernel_fixture - a kernel_source on a bpffs of its own, and frames sent through its programs. */
#ifndef KERNEL_FIXTURE_H
#define KERNEL_FIXTURE_H

#include "frame.h"
#include "kernel_lists.h"
#include "kernel_source.h"

extern kernel_source_t *source;         /* of the running test */
extern struct config kernel_config;

/* Check fixture: mount a bpffs that only this test sees, open the source; close it. */
void kernel_setup(void);
void kernel_teardown(void);

/* What one packet did. */
struct outcome {
    int verdict;                /* TC_ACT_*: -1 passes on, 2 drops */
    uint32_t records;           /* records it left in the ring */
    struct packet_record record;    /* the last of them */
    struct ntc_counters counted;    /* how much each counter grew */
};

/* Send the frame through the program of `direction`, and wait for nothing. */
struct outcome send_frame(const struct frame *frame, enum packet_direction direction);

/* The same as a super-packet of `segments` segments of `segment_bytes` payload. */
struct outcome send_segments(const struct frame *frame, uint32_t segments, uint32_t segment_bytes);

/* Put "192.0.2.1" or "2001:db8::/32" on a list; `expires_ns` is CLOCK_BOOTTIME, 0 = never. */
void put_on_list(enum ntc_list list, const char *prefix, uint64_t expires_ns);
struct kernel_list_item list_item(enum ntc_list list, const char *prefix, uint64_t expires_ns);

#endif
