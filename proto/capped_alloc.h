/* capped_alloc - an allocator for protobuf-c that gives a message a bounded amount of memory.
 *
 * A message of 1 MiB can make protobuf-c take 96 MB (an empty sub-message costs two bytes on the
 * wire).  With the cap, unpacking returns NULL instead.
 */
#ifndef CAPPED_ALLOC_H
#define CAPPED_ALLOC_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

struct capped_alloc {
    ProtobufCAllocator allocator;   /* pass &allocator to unpack and free_unpacked */
    size_t left;                    /* bytes that may still be taken; freeing gives none back */
    bool is_short;                  /* malloc() itself has refused */
};

/* Give out at most `cap` bytes.  `self` must stay where it is while a message is unpacked; any
 * capped_alloc may free it. */
void capped_alloc_init(struct capped_alloc *self, size_t cap);

#endif
