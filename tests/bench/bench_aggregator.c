/* bench_aggregator - records per second that the aggregator alone can take in.
 *
 * One thread, CPU time: decode, ledger, flow table, windows and ports, as the process does it for
 * every message.  Prints one line per case: name, flows, source addresses, records/s, ns per
 * record, milliseconds for a snapshot after everything has changed and for one after a thousand
 * records, resident MiB.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregate.h"
#include "clock.h"
#include "process_cost.h"
#include "snapshot_maker.h"

#define BATCH 512
#define RECORDS_PER_S 1000000ull    /* on the timeline of the records */

struct bench_case {
    const char *name;
    uint32_t flows;                 /* that send one packet after the other, in random order */
    uint32_t sources;               /* addresses that they come from */
    uint32_t flow_capacity;
    uint32_t address_capacity;
    uint32_t passes;                /* over all messages */
};

static const struct bench_case CASES[] = {
    { "10k flows", 10000, 1000, 65536, 16384, 20 },
    { "1M flows", 1000000, 16000, 1 << 20, 16384, 4 },
    { "1M flows and addresses", 1000000, 1000000, 1 << 20, 1 << 20, 4 },
    { "1M spoofed sources", 1000000, 1000000, 65536, 16384, 4 },
};

struct message {
    uint8_t *bytes;
    size_t size;
};

static uint64_t state = 88172645463325252ull;

static uint64_t next_random(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static void ignore_flow(const struct ended_flow *flow, void *arg)
{
    (void) flow;
    (void) arg;
}

static struct packet_record record_of(const struct bench_case *self, uint32_t flow, uint64_t n)
{
    uint32_t source = htonl(0x0a000000u + flow % self->sources);
    uint32_t target = htonl(0xc0a80000u + (flow * 2654435761u >> 16 & 0xff));
    struct packet_record record = {
        .first_ns = 1000 * NS_PER_S + n * NS_PER_S / RECORDS_PER_S,
        .packets = 1,
        .bytes = 60 + (flow & 1023),
        .ifindex = 2,
        .src_port = (uint16_t) (1024 + flow / self->sources),
        .dst_port = flow % 3 ? 443 : 53,
        .protocol = flow % 3 ? 6 : 17,
        .ip_version = 4,
        .tcp_flags = flow % 3 ? PACKET_TCP_ACK : 0,
        .direction = flow & 1,
    };

    record.last_ns = record.first_ns;
    record.src_addr[10] = record.src_addr[11] = record.dst_addr[10] = record.dst_addr[11] = 0xff;
    memcpy(record.src_addr + 12, &source, 4);
    memcpy(record.dst_addr + 12, &target, 4);
    return record;
}

/* The numbers of all flows in random order (Fisher and Yates). */
static uint32_t *shuffle(uint32_t count)
{
    uint32_t *order = calloc(count, sizeof *order);

    assert(order);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t j = (uint32_t) (next_random() % (i + 1));
        order[i] = order[j];
        order[j] = i;
    }
    return order;
}

/* Encode about a million records as a collector would. */
static struct message *make_messages(const struct bench_case *self, uint32_t count)
{
    uint32_t *order = shuffle(self->flows);
    struct message *messages = calloc(count, sizeof *messages);
    packet_batch_t *batch = packet_batch_new(BATCH);
    struct batch_header header = { .collector_id = "bench", .boot_id = 1, .first_seq = 1 };

    assert(messages && batch);
    for (uint32_t m = 0; m < count; m++) {
        packet_batch_clear(batch);
        for (uint32_t i = 0; i < BATCH; i++) {
            uint64_t n = (uint64_t) m * BATCH + i;
            struct packet_record record = record_of(self, order[n % self->flows], n);
            packet_batch_add(batch, &record);
        }
        int rc = packet_batch_encode(batch, &header, &messages[m].bytes, &messages[m].size);
        assert(rc == 0);
    }
    packet_batch_destroy(&batch);
    free(order);
    return messages;
}

/* What was added so far: the stream goes on from there. */
struct stream {
    uint64_t records, packets, bytes;
};

/* Make the message one of a stream that goes on: its columns are this process's own memory. */
static void renumber(struct packet_view *view, const struct stream *stream, uint64_t shift_ns)
{
    uint64_t *first_ns = (uint64_t *) view->first_ns;

    view->header.first_seq = 1 + stream->records;
    view->header.packets_before = stream->packets;
    view->header.bytes_before = stream->bytes;
    for (uint32_t i = 0; i < view->size; i++)
        first_ns[i] += shift_ns;
}

static double snapshot_ms(const aggregate_t *aggregate)
{
    uint64_t start_ns = clock_read_ns(CLOCK_PROCESS_CPUTIME_ID);
    struct snapshot snapshot;
    uint8_t *bytes = NULL;
    size_t size;
    int rc = snapshot_maker_fill(aggregate, 1000 * NS_PER_S, 0, &snapshot);

    assert(rc == 0);
    rc = snapshot_encode(&snapshot, &bytes, &size);
    assert(rc == 0);
    free(bytes);
    snapshot_clear(&snapshot);
    return (double) (clock_read_ns(CLOCK_PROCESS_CPUTIME_ID) - start_ns) / 1e6;
}

static void take(aggregate_t *aggregate, const struct message *messages, uint32_t m,
                 struct stream *stream)
{
    struct packet_view view;
    int rc = packet_view_open(&view, messages[m].bytes, messages[m].size);

    assert(rc == 0);
    renumber(&view, stream, (stream->records - (uint64_t) m * BATCH) * (NS_PER_S / RECORDS_PER_S));
    enum hearing hearing = aggregate_take_batch(aggregate, &view, 1000 * NS_PER_S);
    assert(hearing == (stream->records == 0 ? HEARING_FIRST : HEARING_GOES_ON));
    stream->records += view.size;
    stream->packets += view.sum_packets;
    stream->bytes += view.sum_bytes;
    packet_view_close(&view);
}

static void run(const struct bench_case *self)
{
    uint32_t count = 1 + 1000000 / BATCH;
    struct message *messages = make_messages(self, count);
    struct flow_limits limits = { .flows = self->flow_capacity, .idle_s = 30, .flush_s = 60 };
    uint64_t resident = process_cost_read().resident_bytes;
    aggregate_t *aggregate = aggregate_new(&limits, self->address_capacity, 42, ignore_flow, NULL);
    struct stream stream = { 0 };
    uint64_t start_ns = 0;

    assert(aggregate);
    /* The first pass fills the tables and is not measured. */
    for (uint32_t pass = 0; pass <= self->passes; pass++) {
        if (pass == 1) {
            snapshot_ms(aggregate);
            start_ns = clock_read_ns(CLOCK_PROCESS_CPUTIME_ID);
        }
        for (uint32_t m = 0; m < count; m++)
            take(aggregate, messages, m, &stream);
    }
    double cpu_ns = (double) (clock_read_ns(CLOCK_PROCESS_CPUTIME_ID) - start_ns);
    double measured = (double) self->passes * count * BATCH;
    resident = process_cost_read().resident_bytes - resident;
    assert(flow_table_accounted(accounting_flows(aggregate_accounting(aggregate)), 0).packets
           == stream.packets);
    double all_ms = snapshot_ms(aggregate);
    take(aggregate, messages, 0, &stream);
    take(aggregate, messages, 1, &stream);
    printf("%-24s %8u flows %8u sources %10.0f records/s %6.1f ns  snapshots %6.2f %6.3f ms  "
           "%6.1f MiB\n",
           self->name, flow_table_size(accounting_flows(aggregate_accounting(aggregate))),
           ip_window_size(accounting_window(aggregate_accounting(aggregate))),
           measured / cpu_ns * 1e9, cpu_ns / measured, all_ms, snapshot_ms(aggregate),
           (double) resident / 1048576);

    aggregate_destroy(&aggregate);
    for (uint32_t m = 0; m < count; m++)
        free(messages[m].bytes);
    free(messages);
}

int main(int argc, char **argv)
{
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++)
        if (argc < 2 || strstr(CASES[i].name, argv[1]))
            run(&CASES[i]);
    return EXIT_SUCCESS;
}
