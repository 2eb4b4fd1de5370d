/* frame_bytes - the packet parser compiled for user space, over bytes in memory. */
#ifndef FRAME_BYTES_H
#define FRAME_BYTES_H

#include <stdint.h>
#include <string.h>

typedef struct {
    const uint8_t *data;        /* behind the link header */
    uint32_t size;
} packet_ctx_t;

static inline int packet_load(packet_ctx_t *ctx, uint32_t offset, void *to, uint32_t size)
{
    if (offset > ctx->size || ctx->size - offset < size)
        return -1;
    memcpy(to, ctx->data + offset, size);
    return 0;
}

static inline int packet_load_far(packet_ctx_t *ctx, uint32_t offset, void *to, uint32_t size)
{
    return packet_load(ctx, offset, to, size);
}

#include "packet_parse.h"

#endif
