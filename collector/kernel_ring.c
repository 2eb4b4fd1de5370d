#include "kernel_ring.h"

#include <assert.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <sys/mman.h>
#include <unistd.h>

#define GIVE_BACK 64u           /* records, after which their room is given back */

static size_t page_size(void)
{
    return (size_t) sysconf(_SC_PAGESIZE);
}

/* The pages of a ring: our position, writable; the kernel's; the data, twice (the kernel's
 * kernel/bpf/ringbuf.c, ringbuf_map_mmap_user()). */
int kernel_ring_open(struct kernel_ring *ret_self, int map_fd)
{
    assert(ret_self);

    struct bpf_map_info info = { 0 };
    __u32 info_size = sizeof info;
    size_t page = page_size();

    if (bpf_obj_get_info_by_fd(map_fd, &info, &info_size) != 0)
        return -errno;
    size_t size = info.max_entries;
    void *consumer = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, map_fd, 0);

    if (consumer == MAP_FAILED)
        return -errno;
    uint8_t *rest = mmap(NULL, page + 2 * size, PROT_READ, MAP_SHARED, map_fd, (off_t) page);
    if (rest == MAP_FAILED) {
        int rc = -errno;
        munmap(consumer, page);
        return rc;
    }
    *ret_self = (struct kernel_ring) {
        .consumer = consumer,
        .producer = (const unsigned long *) rest,
        .data = rest + page,
        .size = size,
    };
    return 0;
}

void kernel_ring_close(struct kernel_ring *self)
{
    size_t page = page_size();

    if (!self->consumer)
        return;
    munmap(self->consumer, page);
    munmap((void *) self->producer, page + 2 * self->size);
    *self = (struct kernel_ring) { 0 };
}

/* The header of a record (struct bpf_ringbuf_hdr), and what it takes with it. */
static size_t room_of(uint32_t length)
{
    length &= ~(uint32_t) BPF_RINGBUF_DISCARD_BIT;
    return (length + BPF_RINGBUF_HDR_SZ + 7) & ~(size_t) 7;
}

/* The next record that is ready, or NULL.  *read moves behind it, and behind what is no record. */
static const struct packet_record *next_record(const struct kernel_ring *self, unsigned long *read)
{
    while (*read != __atomic_load_n(self->producer, __ATOMIC_ACQUIRE)) {
        const uint8_t *at = self->data + (*read & (self->size - 1));
        uint32_t length = __atomic_load_n((const uint32_t *) at, __ATOMIC_ACQUIRE);
        if (length & BPF_RINGBUF_BUSY_BIT)
            break;
        *read += room_of(length);
        if (!(length & BPF_RINGBUF_DISCARD_BIT) && length >= sizeof(struct packet_record))
            return (const struct packet_record *) (at + BPF_RINGBUF_HDR_SZ);
    }
    return NULL;
}

static void give_back(struct kernel_ring *self, unsigned long read)
{
    __atomic_store_n(self->consumer, read, __ATOMIC_RELEASE);
}

uint32_t kernel_ring_drain(struct kernel_ring *self, uint32_t max, kernel_record_fn *on_record,
                           void *arg)
{
    unsigned long read = self->consumer ? *self->consumer : 0;
    const struct packet_record *record;
    uint32_t drained = 0;

    while (self->consumer && drained < max && (record = next_record(self, &read))) {
        drained++;
        if (drained == max) {
            struct packet_record last = *record;
            give_back(self, read);
            on_record(&last, arg);
            return drained;
        }
        on_record(record, arg);
        if (drained % GIVE_BACK == 0)
            give_back(self, read);
    }
    if (self->consumer)
        give_back(self, read);
    return drained;
}

uint64_t kernel_ring_waiting(const struct kernel_ring *self)
{
    return !self->consumer ? 0 : __atomic_load_n(self->producer, __ATOMIC_ACQUIRE)
        - __atomic_load_n(self->consumer, __ATOMIC_ACQUIRE);
}
