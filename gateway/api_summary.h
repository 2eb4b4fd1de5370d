/* api_summary - GET /api/summary and GET /metrics: the last snapshot as JSON, and as metrics.
 */
#ifndef API_SUMMARY_H
#define API_SUMMARY_H

#include "http_exchange.h"

int api_summary_get(struct http_exchange *exchange, int unused);
int api_summary_metrics(struct http_exchange *exchange, int unused);

#endif
