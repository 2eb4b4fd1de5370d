/* kernel_ring - reads records out of a BPF ring buffer.
 *
 * libbpf's reader gives back the room of every record by itself: a store into a cache line that the
 * programs read for each of theirs, on another CPU.  This one gives it back a few records at a
 * time, and calls the owner directly.
 */
#ifndef KERNEL_RING_H
#define KERNEL_RING_H

#include <stddef.h>
#include <stdint.h>

#include "packet_record.h"

/* A ring of the kernel, mapped.  All zeros: closed. */
struct kernel_ring {
    unsigned long *consumer;    /* how far we have read, in bytes; the kernel reads it */
    const unsigned long *producer;
    const uint8_t *data;        /* twice in a row, so that no record is cut at the end */
    size_t size;                /* a power of two */
};

/* Called once per record; the record is valid only during the call. */
typedef void kernel_record_fn(const struct packet_record *record, void *arg);

/* Map the ring of a BPF_MAP_TYPE_RINGBUF.  Returns 0 or -errno. */
int kernel_ring_open(struct kernel_ring *ret_self, int map_fd);

void kernel_ring_close(struct kernel_ring *self);

/* Hand on at most `max` records, oldest first, up to one that a program is still writing.  When
 * the last of `max` is handed on, the room of all has been given back: what the owner does then
 * with what it has gathered is never done again by a later reader, whenever this one dies.
 * Returns how many; records too short to be ours are skipped and not counted. */
uint32_t kernel_ring_drain(struct kernel_ring *self, uint32_t max, kernel_record_fn *on_record,
                           void *arg);

/* Bytes that have not been read; 0 of a closed ring. */
uint64_t kernel_ring_waiting(const struct kernel_ring *self);

#endif
