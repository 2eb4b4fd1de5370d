/* api_session - who is asking: GET /api/session, POST /api/login, POST /api/logout; GET
 * /api/config.
 */
#ifndef API_SESSION_H
#define API_SESSION_H

#include "http_exchange.h"

int api_session_get(struct http_exchange *exchange, int unused);
int api_session_login(struct http_exchange *exchange, int unused);
int api_session_logout(struct http_exchange *exchange, int unused);
int api_session_config(struct http_exchange *exchange, int unused);

#endif
