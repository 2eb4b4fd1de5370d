/* heap_limits - bounds what malloc() keeps, for processes that live for months on small machines.
 */
#ifndef HEAP_LIMITS_H
#define HEAP_LIMITS_H

/* Let threads share at most `heaps` heaps, and give large blocks back at once.  Some pages stay
 * free: to take those anew for every burst of messages costs more than their bytes are worth.
 * Call it first in main(). */
void heap_limits_set(int heaps);

#endif
