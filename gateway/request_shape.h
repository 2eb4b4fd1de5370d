/* request_shape - is an HTTP/1 request all there, and can it be read in one way only?
 *
 * Looks at raw bytes, before any parser has forgiven them.  Strict where parsers differ, for
 * that is how requests are smuggled past a proxy: bare line feeds, folded headers, blanks before a
 * colon, control characters, lengths that are no numbers.  Pure; any bytes may come.
 * Source: RFC 9112.
 */
#ifndef REQUEST_SHAPE_H
#define REQUEST_SHAPE_H

#include <stddef.h>

#define REQUEST_HEAD_MAX (8 * 1024)     /* bytes of request line and headers with their end */

enum request_state {
    REQUEST_WAITS,              /* more must come */
    REQUEST_READY,              /* head and body are there, or so long that they are refused */
    REQUEST_BAD,                /* refused, whatever follows */
};

/* Judge the `size` first bytes of a connection.  A body of more than `body_max` bytes is not waited
 * for.  With REQUEST_BAD *ret_why is a constant sentence, else it is unchanged.  O(size). */
enum request_state request_shape_judge(const char *bytes, size_t size, size_t body_max,
                                       const char **ret_why);

#endif
