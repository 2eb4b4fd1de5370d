#include "heap_limits.h"

#include <malloc.h>

#define LARGE (128 * 1024)              /* longer blocks get pages of their own */
#define KEPT_FREE (2 * 1024 * 1024)     /* at the end of a heap; a burst of 64 batches of 30 KB */

void heap_limits_set(int heaps)
{
    mallopt(M_ARENA_MAX, heaps);
    mallopt(M_MMAP_THRESHOLD, LARGE);
    mallopt(M_TRIM_THRESHOLD, KEPT_FREE);
}
