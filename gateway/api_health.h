/* api_health - GET /healthz and GET /readyz: is the process up, are its peers live.
 */
#ifndef API_HEALTH_H
#define API_HEALTH_H

#include "http_exchange.h"

int api_health_alive(struct http_exchange *exchange, int unused);
int api_health_ready(struct http_exchange *exchange, int unused);

#endif
