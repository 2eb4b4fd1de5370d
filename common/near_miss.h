/* near_miss - how far a mistyped word is from a right one, for "did you mean". */
#ifndef NEAR_MISS_H
#define NEAR_MISS_H

#include <stdbool.h>

#define NEAR_MISS_FAR 100       /* more than any distance that counts */

/* Letters to add, drop, replace or swap with their neighbour to get from `a` to `b` (optimal string
 * alignment).  Returns NEAR_MISS_FAR when a word is longer than 47 bytes. */
unsigned near_miss_distance(const char *a, const char *b);

/* True when `distance` is so small for `word` that a slip of the fingers is likely. */
bool near_miss_is_likely(const char *word, unsigned distance);

#endif
