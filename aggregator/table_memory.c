#include "table_memory.h"

#include <assert.h>
#include <stdint.h>
#include <sys/mman.h>

/* Random access to a large table misses the TLB as often as the cache.  Huge pages cure that, but
 * one of them is 2 MiB from the first byte on: too dear for the tables of a small router. */
#define HUGE_FROM ((size_t) 64 << 20)

void *table_memory_new(size_t count, size_t size)
{
    assert(count > 0 && size > 0);

    if (count > SIZE_MAX / size)
        return NULL;
    void *memory = mmap(NULL, count * size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    madvise(memory, count * size, count * size >= HUGE_FROM ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
    return memory;
}

void table_memory_free(void *memory, size_t count, size_t size)
{
    if (memory)
        munmap(memory, count * size);
}
