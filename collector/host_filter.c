#include "host_filter.h"

#include <assert.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#define BATCH 1024              /* addresses read with one system call */
#define FEW 64                  /* removed addresses that are not worth the work */

void host_filter_add(struct host_filter *self, const uint8_t addr[16])
{
    uint32_t bit = ntc_filter_bit(addr, self->seed);

    __atomic_or_fetch(&self->shared->bits[bit / 64], 1ull << (bit & 63), __ATOMIC_RELEASE);
}

void host_filter_remove(struct host_filter *self, int hosts_fd, uint32_t host_count)
{
    if (++self->removed > FEW + host_count / 2)
        host_filter_rebuild(self, hosts_fd);
}

static int read_hosts(const struct host_filter *self, int hosts_fd, uint64_t *bits)
{
    uint8_t (*keys)[16] = calloc(BATCH, sizeof *keys);
    struct ntc_host_entry *values = calloc(BATCH, sizeof *values);
    uint8_t place[16];
    int rc = keys && values ? 0 : -ENOMEM;

    for (bool first = true; rc == 0; first = false) {
        __u32 count = BATCH;
        rc = bpf_map_lookup_batch(hosts_fd, first ? NULL : place, place, keys, values, &count,
                                  NULL);
        for (uint32_t i = 0; (rc == 0 || rc == -ENOENT) && i < count; i++) {
            uint32_t bit = ntc_filter_bit(keys[i], self->seed);
            bits[bit / 64] |= 1ull << (bit & 63);
        }
    }
    free(keys);
    free(values);
    return rc == -ENOENT ? 0 : rc;      /* -ENOENT: that was all */
}

int host_filter_rebuild(struct host_filter *self, int hosts_fd)
{
    assert(self && self->shared);

    uint64_t *bits = calloc(NTC_FILTER_WORDS, sizeof *bits);
    int rc = bits ? read_hosts(self, hosts_fd, bits) : -ENOMEM;

    if (rc == 0) {
        for (uint32_t i = 0; i < NTC_FILTER_WORDS; i++)
            if (self->shared->bits[i] != bits[i])
                __atomic_store_n(&self->shared->bits[i], bits[i], __ATOMIC_RELEASE);
        self->removed = 0;
    }
    free(bits);
    return rc;
}
