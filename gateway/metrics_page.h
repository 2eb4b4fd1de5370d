/* metrics_page - what the gateway knows, in the text format of Prometheus.
 *
 * With one collector of a few interfaces the page has at most 200 lines, however many addresses are
 * active.  With several, what belongs to a collector carries its id as a label.
 */
#ifndef METRICS_PAGE_H
#define METRICS_PAGE_H

#include "http_front.h"
#include "latest.h"
#include "text_buffer.h"

struct metrics_input {
    struct latest_view view;
    struct process_cost cost;   /* of this process */
    uint32_t sse_clients;
    uint64_t sse_missed;
    struct http_front_counters connections;
};

/* Write the page.  Counters that are zero and cannot count anything yet are left out. */
void metrics_page_write(struct text_buffer *text, const struct metrics_input *input);

#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

#endif
