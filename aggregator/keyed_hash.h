/* keyed_hash - hashes of addresses and ports that strangers cannot aim at one bucket.
 *
 * Folded 64 x 64 -> 128 bit multiplications (as in wyhash) with four secret words.  Results differ
 * from process to process, so nothing that leaves the process may depend on them.
 */
#ifndef KEYED_HASH_H
#define KEYED_HASH_H

#include <stdint.h>
#include <string.h>

struct hash_secret {
    uint64_t words[4];
};

/* Draw four words out of `seed`, which should come from getrandom() (splitmix64, Steele 2014). */
static inline struct hash_secret hash_secret_of(uint64_t seed)
{
    struct hash_secret secret;

    for (unsigned i = 0; i < 4; i++) {
        uint64_t z = seed += 0x9e3779b97f4a7c15u;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
        z = (z ^ z >> 27) * 0x94d049bb133111ebu;
        secret.words[i] = z ^ z >> 31;
    }
    return secret;
}

static inline uint64_t hash_fold(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128) a * b;

    return (uint64_t) product ^ (uint64_t) (product >> 64);
}

static inline uint64_t hash_address(const struct hash_secret *secret, const uint8_t addr[16])
{
    uint64_t high, low;

    memcpy(&high, addr, sizeof high);
    memcpy(&low, addr + sizeof high, sizeof low);
    return hash_fold(high ^ secret->words[0], low ^ secret->words[1]);
}

/* Mix `value` into `hash`.  `value` meets the hash only after a secret product, so that nobody can
 * make up for a change of address by a change of port. */
static inline uint64_t hash_with(const struct hash_secret *secret, uint64_t hash, uint64_t value)
{
    return hash_fold(hash ^ secret->words[2], value ^ secret->words[3]);
}

#endif
