/* table_memory - zeroed memory for tables that are sized once and filled late.
 *
 * The pages are the kernel's until they are touched: an idle router pays for what it uses, not for
 * what the configuration allows.
 */
#ifndef TABLE_MEMORY_H
#define TABLE_MEMORY_H

#include <stddef.h>

/* Take `count` zeroed items of `size` bytes, aligned to a page.
 * Returns memory that table_memory_free() gives back, or NULL when there is none. */
void *table_memory_new(size_t count, size_t size);

/* Give back what table_memory_new() returned for the same `count` and `size`.  Takes NULL. */
void table_memory_free(void *memory, size_t count, size_t size);

#endif
