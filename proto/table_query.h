/* table_query - codecs of TableQuery and TablePage: pages of the aggregator's tables.
 */
#ifndef TABLE_QUERY_H
#define TABLE_QUERY_H

#include "snapshot.h"

#define QUERY_MAX_LIMIT 1000
#define QUERY_MAX_DEPTH 10000       /* offset + limit */
#define HISTORY_MAX_S 3600
#define HISTORY_SERIES 12           /* direction x action, then the four groups */

enum query_table { QUERY_FLOWS = 0, QUERY_ADDRESSES = 1, QUERY_HISTORY = 2, QUERY_SUMMARY = 3 };

/* Fields: ntc.proto, message TableQuery. */
struct table_query {
    uint64_t request_id;
    enum query_table table;
    char sort[24];                  /* "" = the table's own order */
    bool ascending;
    uint32_t limit;                 /* decoded: 1 to QUERY_MAX_LIMIT */
    uint32_t offset;
    bool has_addr;
    uint8_t addr[16];
    uint8_t addr_bits;              /* 0 to 128 */
    uint16_t port;                  /* 0 = any */
    uint8_t group;                  /* 1 + enum packet_group, 0 = any */
    uint8_t action;                 /* 1 + enum packet_action, 0 = any */
    uint8_t direction;              /* 1 + enum packet_direction, 0 = any */
    uint32_t seconds;               /* decoded: 1 to HISTORY_MAX_S */
    char collector_id[COLLECTOR_ID_SIZE];   /* "" = all together */
};

struct history_series {
    char name[16];                  /* "ingress_pass", ..., "tcp", ... */
    uint64_t *packets;              /* history.length values, oldest first */
    uint64_t *bytes;
};

struct history {
    uint64_t end_unix_s;            /* the second of the last value */
    uint32_t length;                /* seconds */
    uint32_t series_count;
    struct history_series series[HISTORY_SERIES];
    uint64_t *values;               /* backs all series, from malloc */
};

/* Sort names taken for flows: bytes packets first last src dst port duration; for addresses:
 * packets_per_second bytes_per_second unique_dst_ports syn ack last ip. */
struct table_page {
    uint64_t request_id;
    char error[160];
    uint32_t total;
    uint64_t unix_ns;
    uint32_t flow_count;
    struct flow_row *flows;         /* from malloc */
    uint32_t address_count;
    struct address_row *addresses;  /* from malloc */
    struct history history;
    struct snapshot *summary;       /* from malloc, NULL = none */
    bool is_unknown_collector;      /* why there is an error */
};

/* Encode; the caller frees *ret_bytes.  Return 0 or -ENOMEM. */
int table_query_encode(const struct table_query *query, uint8_t **ret_bytes, size_t *ret_size);
int table_page_encode(const struct table_page *page, uint8_t **ret_bytes, size_t *ret_size);

/* Decode and check a message that may come from anybody.
 * Return 0, -EBADMSG or -ENOMEM.  On success the caller clears the page. */
int table_query_decode(struct table_query *ret_query, const uint8_t *bytes, size_t size);
int table_page_decode(struct table_page *ret_page, const uint8_t *bytes, size_t size);

/* Give `history` room for `series_count` series of `length` zeros.  Returns 0 or -ENOMEM. */
int history_reserve(struct history *history, uint32_t series_count, uint32_t length);

void table_page_clear(struct table_page *page);

#endif
