/* explain - why something failed, as a sentence for people beside the error for programs.
 */
#ifndef EXPLAIN_H
#define EXPLAIN_H

#include <stddef.h>

/* Write the formatted sentence into `why`, cut to why_size - 1 bytes.  Returns `error`. */
__attribute__((format(printf, 4, 5)))
int explain(int error, char *why, size_t why_size, const char *format, ...);

#endif
