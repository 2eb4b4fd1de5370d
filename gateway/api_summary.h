/* api_summary - GET /api/summary and GET /metrics: the last snapshot as JSON, and as metrics.
 *
 * Both are written once for each snapshot, and given to all who ask.
 */
#ifndef API_SUMMARY_H
#define API_SUMMARY_H

#include "http_exchange.h"

enum {
    SUMMARY_MAX = 4 * 1024 * 1024,      /* 256 collectors with 64 interfaces each */
    METRICS_MAX = 8 * 1024 * 1024,
};

int api_summary_get(struct http_exchange *exchange, int unused);
int api_summary_metrics(struct http_exchange *exchange, int unused);

#endif
