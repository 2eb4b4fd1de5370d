/* api_tables - GET /api/flows, /api/ips and /api/history: pages of the aggregator's tables.
 */
#ifndef API_TABLES_H
#define API_TABLES_H

#include "http_exchange.h"

int api_tables_flows(struct http_exchange *exchange, int unused);
int api_tables_addresses(struct http_exchange *exchange, int unused);
int api_tables_history(struct http_exchange *exchange, int unused);

#endif
