/* api_events - GET /events: live events.
 */
#ifndef API_EVENTS_H
#define API_EVENTS_H

#include "http_exchange.h"

int api_events_get(struct http_exchange *exchange, int unused);

#endif
