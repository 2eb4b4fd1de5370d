#include "table_query.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "row_message.h"
#include "wire_message.h"

#define DEFAULT_LIMIT 100

/* ---- queries ---- */

int table_query_encode(const struct table_query *query, uint8_t **ret_bytes, size_t *ret_size)
{
    assert(query);

    Ntc__TableQuery message = NTC__TABLE_QUERY__INIT;

    message.request_id = query->request_id;
    message.table = (Ntc__TableQuery__Table) query->table;
    message.sort = (char *) query->sort;
    message.ascending = query->ascending;
    message.limit = query->limit;
    message.offset = query->offset;
    if (query->has_addr) {
        message.addr = (ProtobufCBinaryData) { 16, (uint8_t *) query->addr };
        message.addr_bits = query->addr_bits;
    }
    message.port = query->port;
    message.group = query->group;
    message.action = query->action;
    message.direction = query->direction;
    message.seconds = query->seconds;
    message.collector_id = (char *) query->collector_id;
    return wire_message_pack(&message.base, ret_bytes, ret_size);
}

static bool is_in_range(const Ntc__TableQuery *message)
{
    return (unsigned) message->table <= QUERY_SUMMARY
        && message->limit <= QUERY_MAX_LIMIT && message->offset <= QUERY_MAX_DEPTH
        && message->port <= UINT16_MAX
        && message->group <= PACKET_GROUPS && message->action <= PACKET_ACTIONS
        && message->direction <= PACKET_DIRECTIONS && message->seconds <= HISTORY_MAX_S
        && (message->addr.len == 0 || message->addr.len == 16)
        && message->addr_bits <= (message->addr.len == 16 ? 128 : 0);
}

static bool read_query(const Ntc__TableQuery *message, struct table_query *query)
{
    if (!is_in_range(message))
        return false;
    query->request_id = message->request_id;
    query->table = (enum query_table) message->table;
    query->ascending = message->ascending;
    query->limit = message->limit > 0 ? message->limit : DEFAULT_LIMIT;
    query->offset = message->offset;
    query->has_addr = message->addr.len == 16;
    if (query->has_addr)
        memcpy(query->addr, message->addr.data, 16);
    query->addr_bits = (uint8_t) message->addr_bits;
    query->port = (uint16_t) message->port;
    query->group = (uint8_t) message->group;
    query->action = (uint8_t) message->action;
    query->direction = (uint8_t) message->direction;
    query->seconds = message->seconds > 0 ? message->seconds : HISTORY_MAX_S;
    return query->limit + query->offset <= QUERY_MAX_DEPTH
        && wire_message_ascii(query->sort, sizeof query->sort, message->sort)
        && wire_message_ascii(query->collector_id, sizeof query->collector_id,
                              message->collector_id)
        && (query->table != QUERY_SUMMARY || query->collector_id[0] != '\0');
}

int table_query_decode(struct table_query *ret_query, const uint8_t *bytes, size_t size)
{
    assert(ret_query);

    struct table_query query = { 0 };
    ProtobufCMessage *base;
    int rc = wire_message_unpack(&ntc__table_query__descriptor, bytes, size, &base);
    if (rc != 0)
        return rc;
    bool is_valid = read_query((const Ntc__TableQuery *) base, &query);
    wire_message_free(base);
    if (!is_valid)
        return -EBADMSG;
    *ret_query = query;
    return 0;
}

/* ---- pages ---- */

struct history_message {
    Ntc__History message;
    Ntc__HistorySeries series[HISTORY_SERIES];
    Ntc__HistorySeries *list[HISTORY_SERIES];
};

static void fill_history(struct history_message *self, const struct history *history)
{
    assert(history->series_count <= HISTORY_SERIES && history->length <= HISTORY_MAX_S);

    self->message = (Ntc__History) NTC__HISTORY__INIT;
    self->message.end_unix_s = history->end_unix_s;
    self->message.n_series = history->series_count;
    self->message.series = self->list;
    for (uint32_t i = 0; i < history->series_count; i++) {
        self->series[i] = (Ntc__HistorySeries) NTC__HISTORY_SERIES__INIT;
        self->series[i].name = (char *) history->series[i].name;
        self->series[i].n_packets = self->series[i].n_bytes = history->length;
        self->series[i].packets = history->series[i].packets;
        self->series[i].bytes = history->series[i].bytes;
        self->list[i] = &self->series[i];
    }
}

int table_page_encode(const struct table_page *page, uint8_t **ret_bytes, size_t *ret_size)
{
    assert(page && page->flow_count <= QUERY_MAX_LIMIT && page->address_count <= QUERY_MAX_LIMIT);

    Ntc__TablePage message = NTC__TABLE_PAGE__INIT;
    struct flow_messages flows = { 0 };
    struct address_messages addresses = { 0 };
    struct history_message history;
    int rc = flow_messages_new(&flows, page->flows, page->flow_count);

    if (rc == 0 && page->summary)
        rc = snapshot_encode(page->summary, &message.summary.data, &message.summary.len);
    if (rc == 0)
        rc = address_messages_new(&addresses, page->addresses, page->address_count);
    if (rc == 0) {
        message.request_id = page->request_id;
        message.error = (char *) page->error;
        message.total = page->total;
        message.unix_ns = page->unix_ns;
        message.n_flows = page->flow_count;
        message.flows = flows.list;
        message.n_addresses = page->address_count;
        message.addresses = addresses.list;
        fill_history(&history, &page->history);
        message.unknown_collector = page->is_unknown_collector;
        message.history = page->history.series_count > 0 ? &history.message : NULL;
        rc = wire_message_pack(&message.base, ret_bytes, ret_size);
    }
    free(message.summary.data);
    free(addresses.list);
    free(flows.list);
    return rc;
}

static bool series_fit(const Ntc__History *message)
{
    if (message->n_series < 1 || message->n_series > HISTORY_SERIES
        || message->series[0]->n_packets > HISTORY_MAX_S)
        return false;
    for (size_t i = 0; i < message->n_series; i++)
        if (message->series[i]->n_packets != message->series[0]->n_packets
            || message->series[i]->n_bytes != message->series[0]->n_packets)
            return false;
    return true;
}

static int read_history(const Ntc__History *message, struct history *history)
{
    if (!message)
        return 0;
    if (!series_fit(message))
        return -EBADMSG;
    uint32_t length = (uint32_t) message->series[0]->n_packets;
    int rc = history_reserve(history, (uint32_t) message->n_series, length);
    if (rc != 0)
        return rc;
    history->end_unix_s = message->end_unix_s;
    for (size_t i = 0; i < message->n_series; i++) {
        const Ntc__HistorySeries *from = message->series[i];
        struct history_series *series = &history->series[i];
        if (!wire_message_ascii(series->name, sizeof series->name, from->name)
            || series->name[0] == '\0')
            return -EBADMSG;
        if (length > 0) {
            memcpy(series->packets, from->packets, length * sizeof *series->packets);
            memcpy(series->bytes, from->bytes, length * sizeof *series->bytes);
        }
    }
    return 0;
}

static int read_flows(const Ntc__TablePage *message, struct table_page *page)
{
    if (message->n_flows == 0)
        return 0;
    if (message->n_flows > QUERY_MAX_LIMIT)
        return -EBADMSG;
    page->flows = calloc(message->n_flows, sizeof *page->flows);
    if (!page->flows)
        return -ENOMEM;
    page->flow_count = (uint32_t) message->n_flows;
    return flow_messages_read(message->flows, message->n_flows, page->flows) ? 0 : -EBADMSG;
}

static int read_addresses(const Ntc__TablePage *message, struct table_page *page)
{
    if (message->n_addresses == 0)
        return 0;
    if (message->n_addresses > QUERY_MAX_LIMIT)
        return -EBADMSG;
    page->addresses = calloc(message->n_addresses, sizeof *page->addresses);
    if (!page->addresses)
        return -ENOMEM;
    page->address_count = (uint32_t) message->n_addresses;
    return address_messages_read(message->addresses, message->n_addresses, page->addresses)
        ? 0 : -EBADMSG;
}

static int read_summary(const Ntc__TablePage *message, struct table_page *page)
{
    if (message->summary.len == 0)
        return 0;
    page->summary = calloc(1, sizeof *page->summary);
    if (!page->summary)
        return -ENOMEM;
    return snapshot_decode(page->summary, message->summary.data, message->summary.len);
}

static int read_page(const Ntc__TablePage *message, struct table_page *page)
{
    page->request_id = message->request_id;
    page->total = message->total;
    page->unix_ns = message->unix_ns;
    page->is_unknown_collector = message->unknown_collector;
    if (!wire_message_utf8(page->error, sizeof page->error, message->error))
        return -EBADMSG;
    int rc = read_flows(message, page);
    if (rc == 0)
        rc = read_addresses(message, page);
    if (rc == 0)
        rc = read_summary(message, page);
    return rc == 0 ? read_history(message->history, &page->history) : rc;
}

int table_page_decode(struct table_page *ret_page, const uint8_t *bytes, size_t size)
{
    assert(ret_page);

    struct table_page page = { 0 };
    ProtobufCMessage *base;
    int rc = wire_message_unpack(&ntc__table_page__descriptor, bytes, size, &base);
    if (rc != 0)
        return rc;
    rc = read_page((const Ntc__TablePage *) base, &page);
    wire_message_free(base);
    if (rc == 0)
        *ret_page = page;
    else
        table_page_clear(&page);
    return rc;
}

int history_reserve(struct history *history, uint32_t series_count, uint32_t length)
{
    assert(history && series_count <= HISTORY_SERIES && length <= HISTORY_MAX_S);

    memset(history, 0, sizeof *history);
    uint64_t *values = calloc((size_t) series_count * 2 * length + 1, sizeof *values);
    if (!values)
        return -ENOMEM;
    for (uint32_t i = 0; i < series_count; i++) {
        history->series[i].packets = values + (size_t) i * 2 * length;
        history->series[i].bytes = history->series[i].packets + length;
    }
    history->values = values;
    history->series_count = series_count;
    history->length = length;
    return 0;
}

void table_page_clear(struct table_page *page)
{
    assert(page);
    free(page->flows);
    free(page->addresses);
    free(page->history.values);
    if (page->summary)
        snapshot_clear(page->summary);
    free(page->summary);
    memset(page, 0, sizeof *page);
}
