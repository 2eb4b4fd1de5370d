/* flow_hash - in which bucket of the flow cache packets of one identity merge.
 *
 * Compiled for the kernel, and for tests that want flows to meet.
 */
#ifndef FLOW_HASH_H
#define FLOW_HASH_H

#include "kernel_contract.h"

/* Every bit of the identity reaches the top bits; a weak hash costs more than it saves.  The action
 * must be 0: the bucket is wanted before it is known.  `seed` is settings.hash_seed. */
static inline __u64 flow_hash(const struct packet_record *record, __u64 seed)
{
    __u64 word[PACKET_IDENTITY_BYTES / 8], hash;

    __builtin_memcpy(word, record, sizeof word);
    hash = (seed ^ word[1]) * 0x9e3779b97f4a7c15ull;
    hash = (hash ^ hash >> 32 ^ word[3]) * 0xd6e8feb86659fd93ull;
    hash = (hash ^ hash >> 32 ^ word[4] ^ word[0]) * 0xa0761d6478bd642full;
    hash = (hash ^ hash >> 32 ^ word[5] ^ word[2]) * 0xe7037ed1a0b428dbull;
    return hash;
}

_Static_assert(NTC_CACHE_BUCKETS == 1 << 12, "a bucket is chosen by 12 bits");

static inline __u32 flow_hash_bucket(__u64 hash)
{
    return (__u32) (hash >> 52);
}

/* What a bucket remembers of a flow that found no place in it; never 0. */
static inline __u16 flow_hash_tag(__u64 hash)
{
    return (__u16) ((hash >> 36) | 1);
}

#endif
