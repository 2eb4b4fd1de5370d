#include "table_client.h"

#include <errno.h>
#include <stdlib.h>

int table_client_fetch(struct http_exchange *exchange, struct table_query *query,
                       struct table_page *ret_page)
{
    uint8_t *question = NULL, *answer = NULL;
    size_t size, answer_size;

    query->request_id = bus_client_request_id();
    int rc = table_query_encode(query, &question, &size);
    if (rc == 0)
        rc = bus_client_call(exchange->gateway->queries, question, size, &answer, &answer_size);
    if (rc == 0)
        rc = table_page_decode(ret_page, answer, answer_size);
    free(question);
    free(answer);
    if (rc == -EBADMSG || rc == -ENOMEM)
        return http_reply_error(exchange, 500, NULL,
                                "the aggregator's answer cannot be understood");
    if (rc < 0)
        return http_reply_away(exchange,
                               "the aggregator does not answer: is ntc-aggregator running?");
    if (ret_page->error[0] == '\0')
        return 200;
    int status = http_reply_error(exchange, ret_page->is_unknown_collector ? 404 : 400, NULL, "%s",
                                  ret_page->error);
    table_page_clear(ret_page);
    return status;
}
