#include "table_pages.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector_view.h"
#include "ip_addr.h"
#include "top_list.h"

/* What rows are compared by.  Addresses do not fit a number: those columns are ranked by their
 * first eight bytes, and by all of them where these are equal. */
struct column {
    const char *name;
    uint64_t (*flow_rank)(const struct flow *flow);
    uint64_t (*address_rank)(const struct window_sums *sums);
    size_t addr_offset;         /* in struct flow, for a column of addresses */
    bool is_addr;
};

/* One query on its way through a table. */
struct pass {
    const aggregate_t *aggregate;
    const struct table_query *query;
    const struct column *column;
    const struct collector *collector;  /* only its rows; NULL = of all */
    const ip_window_t *window;          /* ... and where its addresses are, ... */
    uint32_t number;                    /* ... under this number */
    struct top_list top;
    uint32_t total;
};

static uint64_t rank_of_addr(const uint8_t addr[16])
{
    uint64_t high;

    memcpy(&high, addr, sizeof high);
    return be64toh(high);
}

static uint64_t flow_bytes(const struct flow *flow) { return flow->bytes; }
static uint64_t flow_packets(const struct flow *flow) { return flow->packets; }
static uint64_t flow_first(const struct flow *flow) { return flow->first_ns; }
static uint64_t flow_last(const struct flow *flow) { return flow->last_ns; }
static uint64_t flow_src(const struct flow *flow) { return rank_of_addr(flow->key.src_addr); }
static uint64_t flow_dst(const struct flow *flow) { return rank_of_addr(flow->key.dst_addr); }
static uint64_t flow_port(const struct flow *flow) { return flow->key.dst_port; }
static uint64_t flow_duration(const struct flow *flow) { return flow->last_ns - flow->first_ns; }

static uint64_t address_packets(const struct window_sums *sums) { return sums->packets; }
static uint64_t address_bytes(const struct window_sums *sums) { return sums->bytes; }
static uint64_t address_ports(const struct window_sums *sums) { return sums->ports; }
static uint64_t address_syn(const struct window_sums *sums) { return sums->syn; }
static uint64_t address_ack(const struct window_sums *sums) { return sums->ack; }
static uint64_t address_last(const struct window_sums *sums) { return sums->last_unix_ns; }
static uint64_t address_ip(const struct window_sums *sums) { return rank_of_addr(sums->addr); }

static const struct column FLOW_COLUMNS[] = {
    { .name = "bytes", .flow_rank = flow_bytes },
    { .name = "packets", .flow_rank = flow_packets },
    { .name = "first", .flow_rank = flow_first },
    { .name = "last", .flow_rank = flow_last },
    { .name = "src", .flow_rank = flow_src, .is_addr = true,
      .addr_offset = offsetof(struct flow, key.src_addr) },
    { .name = "dst", .flow_rank = flow_dst, .is_addr = true,
      .addr_offset = offsetof(struct flow, key.dst_addr) },
    { .name = "port", .flow_rank = flow_port },
    { .name = "duration", .flow_rank = flow_duration },
    { .name = NULL },
};

static const struct column ADDRESS_COLUMNS[] = {
    { .name = "packets_per_second", .address_rank = address_packets },
    { .name = "bytes_per_second", .address_rank = address_bytes },
    { .name = "unique_dst_ports", .address_rank = address_ports },
    { .name = "syn", .address_rank = address_syn },
    { .name = "ack", .address_rank = address_ack },
    { .name = "last", .address_rank = address_last },
    { .name = "ip", .address_rank = address_ip, .is_addr = true },
    { .name = NULL },
};

/* ---- order ---- */

static int order_by_key(uint32_t a, uint32_t b, const void *arg)
{
    const struct flow *left = flow_table_at(arg, a), *right = flow_table_at(arg, b);

    return memcmp(&left->key, &right->key, sizeof left->key);
}

static int order_by_address(uint32_t a, uint32_t b, const void *arg)
{
    struct window_sums left, right;

    ip_window_at(arg, a, &left);
    ip_window_at(arg, b, &right);
    return memcmp(left.addr, right.addr, 16);
}

static int by_direction(const struct pass *pass, int order)
{
    return pass->query->ascending ? order : -order;
}

static int order_flows(uint32_t a, uint32_t b, const void *arg)
{
    const struct pass *pass = arg;
    const flow_table_t *flows = accounting_flows(aggregate_accounting(pass->aggregate));
    size_t offset = pass->column->addr_offset;
    const char *left = (const char *) flow_table_at(flows, a);
    const char *right = (const char *) flow_table_at(flows, b);
    int order = pass->column->is_addr ? memcmp(left + offset, right + offset, 16) : 0;

    return order ? by_direction(pass, order) : order_by_key(a, b, flows);
}

static int order_addresses(uint32_t a, uint32_t b, const void *arg)
{
    const struct pass *pass = arg;
    int order = order_by_address(a, b, pass->window);

    return pass->column->is_addr ? by_direction(pass, order) : order;
}

/* ---- filter ---- */

static bool is_asked_for(const struct table_query *query, const uint8_t addr[16])
{
    struct ip_prefix prefix = { .bits = query->addr_bits };

    memcpy(prefix.addr.bytes, query->addr, sizeof prefix.addr.bytes);
    return !query->has_addr || ip_prefix_contains(&prefix, addr);
}

static bool flow_matches(const struct table_query *query, const struct flow *flow)
{
    const struct flow_key *key = &flow->key;

    return (query->port == 0 || key->src_port == query->port || key->dst_port == query->port)
        && (query->group == 0 || 1 + (unsigned) packet_group_of(key->protocol) == query->group)
        && (query->action == 0 || 1 + flow->action == query->action)
        && (query->direction == 0 || 1 + key->direction == query->direction)
        && (is_asked_for(query, key->src_addr) || is_asked_for(query, key->dst_addr));
}

static void offer(struct pass *pass, uint64_t rank, uint32_t slot)
{
    pass->total++;
    top_list_offer(&pass->top, pass->query->ascending ? ~rank : rank, slot);
}

/* ---- pages ---- */

/* How many of the rows found are on the page. */
static uint32_t rows_on_page(const struct pass *pass)
{
    return pass->top.size > pass->query->offset ? pass->top.size - pass->query->offset : 0;
}

void table_pages_flow_row(const aggregate_t *aggregate, const struct flow *flow,
                          struct flow_row *ret_row)
{
    const struct collector *collector = collector_table_at(aggregate_collectors(aggregate),
                                                           flow->key.collector);
    *ret_row = (struct flow_row) {
        .src_port = flow->key.src_port,
        .dst_port = flow->key.dst_port,
        .protocol = flow->key.protocol,
        .direction = flow->key.direction,
        .action = flow->action,
        .ip_version = flow->ip_version,
        .tcp_flags = flow->tcp_flags,
        .ifindex = flow->ifindex,
        .first_unix_ns = flow->first_ns + (uint64_t) collector->wall_offset_ns,
        .last_unix_ns = flow->last_ns + (uint64_t) collector->wall_offset_ns,
        .packets = flow->packets,
        .bytes = flow->bytes,
    };
    memcpy(ret_row->src_addr, flow->key.src_addr, sizeof ret_row->src_addr);
    memcpy(ret_row->dst_addr, flow->key.dst_addr, sizeof ret_row->dst_addr);
    snprintf(ret_row->collector_id, sizeof ret_row->collector_id, "%s", collector->id);
}

static int fill_flows(struct pass *pass, struct table_page *page)
{
    const flow_table_t *flows = accounting_flows(aggregate_accounting(pass->aggregate));

    pass->top.order = order_flows;
    for (uint32_t slot = 0; slot < flow_table_slots(flows); slot++) {
        const struct flow *flow = flow_table_at(flows, slot);
        if (flow && (!pass->collector || flow->key.collector == pass->collector->index)
            && flow_matches(pass->query, flow))
            offer(pass, pass->column->flow_rank(flow), slot);
    }
    top_list_sort(&pass->top);
    page->flow_count = rows_on_page(pass);
    page->flows = calloc(page->flow_count + 1, sizeof *page->flows);
    for (uint32_t i = 0; page->flows && i < page->flow_count; i++) {
        uint32_t slot = pass->top.entries[pass->query->offset + i].row;
        table_pages_flow_row(pass->aggregate, flow_table_at(flows, slot), &page->flows[i]);
    }
    return page->flows ? 0 : -ENOMEM;
}

static int fill_addresses(struct pass *pass, struct table_page *page)
{
    const ip_window_t *window = pass->window;

    if (!window)
        return -ENOMEM;
    pass->top.order = order_addresses;
    for (uint32_t slot = 0; slot < ip_window_slots(window); slot++) {
        struct window_sums sums;
        if (ip_window_at(window, slot, &sums) && sums.collector == pass->number
            && is_asked_for(pass->query, sums.addr))
            offer(pass, pass->column->address_rank(&sums), slot);
    }
    top_list_sort(&pass->top);
    page->address_count = rows_on_page(pass);
    page->addresses = calloc(page->address_count + 1, sizeof *page->addresses);
    for (uint32_t i = 0; page->addresses && i < page->address_count; i++) {
        uint32_t slot = pass->top.entries[pass->query->offset + i].row;
        ip_window_row(window, slot, true, &page->addresses[i]);
    }
    return page->addresses ? 0 : -ENOMEM;
}

/* Find the column to sort by; the first of a table is its own order. */
static const struct column *find_column(const struct table_query *query, const char *rows,
                                        const struct column *columns, struct table_page *page)
{
    if (query->sort[0] == '\0')
        return columns;
    for (const struct column *column = columns; column->name; column++)
        if (strcmp(column->name, query->sort) == 0)
            return column;

    int length = snprintf(page->error, sizeof page->error, "cannot sort %s by \"%.24s\": use ",
                          rows, query->sort);
    for (const struct column *column = columns; column->name; column++)
        length += snprintf(page->error + length, sizeof page->error - (size_t) length, "%s%s",
                           column->name, column[1].name ? ", " : "");
    return NULL;
}

static int fill_rows(const aggregate_t *aggregate, const struct table_query *query,
                     const struct collector *collector, struct table_page *page)
{
    bool is_flows = query->table == QUERY_FLOWS;
    uint32_t depth = query->offset + query->limit;
    struct pass pass = { .aggregate = aggregate, .query = query, .collector = collector };

    if (depth < query->limit || depth > QUERY_MAX_DEPTH || query->limit > QUERY_MAX_LIMIT) {
        snprintf(page->error, sizeof page->error,
                 "offset %u and limit %u reach too far: limit is 1 to %d, both together at most %d",
                 query->offset, query->limit, QUERY_MAX_LIMIT, QUERY_MAX_DEPTH);
        return 0;
    }
    pass.column = find_column(query, is_flows ? "flows" : "addresses",
                              is_flows ? FLOW_COLUMNS : ADDRESS_COLUMNS, page);
    if (!pass.column)
        return 0;
    pass.window = accounting_window(aggregate_accounting(aggregate));
    if (collector) {
        pass.number = collector->index;
        pass.window = aggregate_window_of(aggregate, &pass.number);
    }
    pass.top = (struct top_list) {
        .entries = malloc(depth * sizeof *pass.top.entries), .capacity = depth, .arg = &pass,
    };
    if (!pass.top.entries)
        return -ENOMEM;
    int rc = is_flows ? fill_flows(&pass, page) : fill_addresses(&pass, page);
    page->total = pass.total;
    free(pass.top.entries);
    return rc;
}

static int fill_history(const aggregate_t *aggregate, const struct table_query *query,
                        const struct collector *collector, uint64_t local_ns, uint64_t wall_ns,
                        struct table_page *page)
{
    const traffic_history_t *history = collector
        ? aggregate_history_of(aggregate, collector->index) : aggregate_history(aggregate);
    if (!history)
        return -ENOMEM;
    uint32_t now = accounting_second(aggregate_accounting(aggregate));
    uint32_t last = traffic_history_last(history, now);
    int rc = traffic_history_read(history, last, query->seconds, &page->history);

    page->history.end_unix_s = aggregate_unix_s(aggregate, last, local_ns, wall_ns);
    page->total = page->history.length;
    return rc;
}

static int fill_summary(const aggregate_t *aggregate, const struct collector *collector,
                        uint64_t local_ns, uint64_t wall_ns, struct table_page *page)
{
    page->summary = calloc(1, sizeof *page->summary);
    return !page->summary ? -ENOMEM : collector_view_snapshot(aggregate, collector->index, local_ns,
                                                              wall_ns, page->summary);
}

static int refuse_collector(const struct table_query *query, struct table_page *page)
{
    page->is_unknown_collector = true;
    snprintf(page->error, sizeof page->error, "collector: there is no \"%s\"",
             query->collector_id);
    return 0;
}

int table_pages_answer(const aggregate_t *aggregate, const struct table_query *query,
                       uint64_t local_ns, uint64_t wall_ns, struct table_page *ret_page)
{
    assert(aggregate && query && ret_page);

    memset(ret_page, 0, sizeof *ret_page);
    ret_page->request_id = query->request_id;
    ret_page->unix_ns = wall_ns;
    const struct collector *collector = NULL;
    if (query->collector_id[0] != '\0') {
        collector = collector_table_known(aggregate_collectors(aggregate), query->collector_id);
        if (!collector)
            return refuse_collector(query, ret_page);
    }
    int rc = 0;
    switch (query->table) {
    case QUERY_FLOWS:
    case QUERY_ADDRESSES:
        rc = fill_rows(aggregate, query, collector, ret_page);
        break;
    case QUERY_HISTORY:
        rc = fill_history(aggregate, query, collector, local_ns, wall_ns, ret_page);
        break;
    case QUERY_SUMMARY:
        assert(collector);
        rc = fill_summary(aggregate, collector, local_ns, wall_ns, ret_page);
        break;
    }
    if (rc != 0)
        table_page_clear(ret_page);
    return rc;
}
