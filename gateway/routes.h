/* routes - the table of all endpoints, and the checks that every request passes before its handler.
 */
#ifndef ROUTES_H
#define ROUTES_H

#include "http_exchange.h"

/* Answer the request.  Any civetweb thread.  Returns the HTTP status. */
int routes_serve(struct http_exchange *exchange);

#endif
