/* fuzz_batch_receiver - messages of hostile collectors, through the aggregator's receiver into its
 * tables, and out again as a snapshot and as pages for whatever somebody asks.
 *
 * Bit 0 of a message's kind: packets or a status.  Bit 1: a second passes first.  Bit 2: it is a
 * TableQuery.
 */
#include "any_endpoint.h"
#include "aggregate.h"
#include "batch_receiver.h"
#include "bus_message.h"
#include "clock.h"
#include "fuzz_bus.h"
#include "snapshot_maker.h"
#include "table_pages.h"

enum {
    FLOWS = 64,
    ADDRESSES = 32,
    QUEUE = 64,
    MAX_MESSAGES = 32,          /* fewer than the receiver takes in one turn */
};

static uint64_t ended_flows;

static void on_ended(const struct ended_flow *flow, void *arg)
{
    ended_flows += flow->packets > 0;
    flow_publisher_on_ended(flow, arg);
}

/* A snapshot can be made, and whoever gets it can read it. */
static void check_snapshot(const aggregate_t *aggregate)
{
    static struct snapshot snapshot, again;
    uint8_t *bytes;
    size_t size;

    memset(&snapshot, 0, sizeof snapshot);
    FUZZ_ASSERT(snapshot_maker_fill(aggregate, clock_boot_ns(), clock_wall_ns(), &snapshot) == 0);
    FUZZ_ASSERT(snapshot.active_flows <= FLOWS && snapshot.active_ips <= ADDRESSES);
    FUZZ_ASSERT(snapshot_encode(&snapshot, &bytes, &size) == 0);
    FUZZ_ASSERT(snapshot_decode(&again, bytes, size) == 0);
    FUZZ_ASSERT(again.collector_count == snapshot.collector_count);
    free(bytes);
    snapshot_clear(&again);
    snapshot_clear(&snapshot);
}

/* A query is answered, and whoever gets the page can read it. */
static void check_page(const aggregate_t *aggregate, const struct table_query *query)
{
    struct table_page page = { 0 }, again;
    uint8_t *bytes;
    size_t size;

    int rc = table_pages_answer(aggregate, query, clock_boot_ns(), clock_wall_ns(), &page);
    FUZZ_ASSERT(rc == 0);
    FUZZ_ASSERT(page.flow_count <= FLOWS && page.address_count <= ADDRESSES);
    FUZZ_ASSERT(table_page_encode(&page, &bytes, &size) == 0);
    FUZZ_ASSERT(table_page_decode(&again, bytes, size) == 0);
    free(bytes);
    table_page_clear(&again);
    table_page_clear(&page);
}

static void check_pages(const aggregate_t *aggregate)
{
    for (enum query_table table = QUERY_FLOWS; table <= QUERY_HISTORY; table++) {
        struct table_query query = { .table = table, .limit = 100, .seconds = 60 };
        check_page(aggregate, &query);
    }
}

static void ask(const aggregate_t *aggregate, const struct fuzz_message *message)
{
    struct table_query query;

    if (table_query_decode(&query, message->bytes, message->size) == 0)
        check_page(aggregate, &query);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const struct flow_limits limits = { .flows = FLOWS, .idle_s = 30, .flush_s = 60 };
    struct fuzz_script script = { bytes, bytes + size };
    struct fuzz_message message;
    char endpoint[64];

    zsys_handler_set(NULL);
    fuzz_bus_endpoint(endpoint, "events");
    zsock_t *collector = fuzz_bus_bind(ZMQ_XPUB, endpoint);
    zloop_t *loop = zloop_new();
    flow_publisher_t *flows = flow_publisher_new();
    aggregate_t *aggregate = aggregate_new(&limits, ADDRESSES, 42, on_ended, flows);
    batch_receiver_t *receiver = batch_receiver_new(aggregate, flows, NULL);
    FUZZ_ASSERT(receiver && batch_receiver_connect(receiver, loop, endpoint, QUEUE, "") == 0);
    flow_publisher_open(flows, collector, aggregate_collectors(aggregate));

    for (int i = 0; i < MAX_MESSAGES && fuzz_script_next(&script, &message); i++) {
        if (message.kind & 2) {
            fuzz_bus_turn(loop);
            batch_receiver_on_second(receiver);
        }
        if (message.kind & 4) {
            fuzz_bus_turn(loop);
            ask(aggregate, &message);
            continue;
        }
        fuzz_bus_hear(collector);
        fuzz_bus_publish(collector, message.kind & 1 ? TOPIC_STATUS : TOPIC_PACKETS, &message);
    }
    fuzz_bus_turn(loop);
    batch_receiver_on_second(receiver);
    check_snapshot(aggregate);
    check_pages(aggregate);

    batch_receiver_destroy(&receiver);
    aggregate_destroy(&aggregate);
    flow_publisher_destroy(&flows);
    zloop_destroy(&loop);
    zsock_destroy(&collector);
    return 0;
}
