#include "token_throttle.h"

#include <string.h>

#include "clock.h"

#define FORGET_NS (600 * NS_PER_S)

static struct ip_addr network_of(const struct ip_addr *addr)
{
    struct ip_addr network = *addr;

    if (ip_addr_version(addr->bytes) == 6)
        memset(network.bytes + 8, 0, 8);
    return network;
}

/* The entry of `addr`, or NULL. */
static const struct throttled_address *find(const struct token_throttle *self,
                                            const struct ip_addr *addr)
{
    struct ip_addr network = network_of(addr);

    for (unsigned i = 0; i < THROTTLE_ADDRESSES; i++)
        if (self->addresses[i].failures > 0
            && memcmp(&self->addresses[i].addr, &network, sizeof network) == 0)
            return &self->addresses[i];
    return NULL;
}

static uint64_t wait_ns(uint32_t failures)
{
    if (failures <= THROTTLE_FREE)
        return 0;
    uint64_t wait_s = failures - THROTTLE_FREE < 7 ? 1u << (failures - THROTTLE_FREE - 1) : 64;
    return (wait_s < THROTTLE_MAX_S ? wait_s : THROTTLE_MAX_S) * NS_PER_S;
}

unsigned token_throttle_wait_s(const struct token_throttle *self, const struct ip_addr *addr,
                               uint64_t now_ns)
{
    const struct throttled_address *entry = find(self, addr);
    uint64_t end_ns = entry ? entry->last_ns + wait_ns(entry->failures) : 0;

    return end_ns > now_ns ? (unsigned) ((end_ns - now_ns + NS_PER_S - 1) / NS_PER_S) : 0;
}

void token_throttle_fail(struct token_throttle *self, const struct ip_addr *addr, uint64_t now_ns)
{
    struct throttled_address *entry = (struct throttled_address *) find(self, addr);

    if (!entry) {
        entry = &self->addresses[0];
        for (unsigned i = 1; i < THROTTLE_ADDRESSES && entry->failures > 0; i++)
            if (self->addresses[i].failures == 0 || self->addresses[i].last_ns < entry->last_ns)
                entry = &self->addresses[i];
        *entry = (struct throttled_address) { .addr = network_of(addr) };
    }
    /* Of two requests at once the later one may have been first here. */
    if (now_ns > entry->last_ns + FORGET_NS)
        entry->failures = 0;
    entry->failures++;
    entry->last_ns = now_ns;
}

void token_throttle_forgive(struct token_throttle *self, const struct ip_addr *addr)
{
    struct throttled_address *entry = (struct throttled_address *) find(self, addr);

    if (entry)
        entry->failures = 0;
}
