#include "table_memory.h"

#include <assert.h>
#include <stdint.h>
#include <sys/mman.h>

void *table_memory_new(size_t count, size_t size)
{
    assert(count > 0 && size > 0);

    if (count > SIZE_MAX / size)
        return NULL;
    void *memory = mmap(NULL, count * size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    /* A huge page would be 2 MiB from its first byte on.  Large tables gain nothing by them either:
     * what they wait for is fetched ahead. */
    madvise(memory, count * size, MADV_NOHUGEPAGE);
    return memory;
}

void table_memory_free(void *memory, size_t count, size_t size)
{
    if (memory)
        munmap(memory, count * size);
}
