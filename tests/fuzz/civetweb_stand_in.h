/* civetweb_stand_in - hands requests to the gateway as civetweb does, without sockets and threads.
 *
 * Debian's civetweb reads heads by itself; what it hands over is what our code must survive.
 */
#ifndef CIVETWEB_STAND_IN_H
#define CIVETWEB_STAND_IN_H

#include <stddef.h>
#include <stdint.h>

enum { STAND_IN_ANSWER_MAX = 4 << 20 };

struct stand_in_answer {
    const char *bytes;          /* valid until the next request, NUL-terminated */
    size_t size;
};

/* Serve the text of a request, cut into head and body as civetweb would.  Returns -1 without an
 * answer when civetweb would refuse the head itself. */
int stand_in_serve(const char *peer, const uint8_t *bytes, size_t size,
                   struct stand_in_answer *ret_answer);

#endif
