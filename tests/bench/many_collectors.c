/* many_collectors - plays many collectors towards one aggregator, from one process.
 *
 * Each has its endpoint FOLDER/N/events, its own traffic, numbering and ledger, and says every
 * second what it has published, as ntc-collector does.  Batches leave every 100 ms, those of
 * different collectors at different moments.  What a full queue drops is not sent again: the
 * aggregator must count it.
 *
 *   many_collectors FOLDER COLLECTORS RECORDS_PER_S SECONDS
 *
 * RECORDS_PER_S is that of each collector.  Prints "ready" when all are bound, one line of JSON
 * when all records are sent, and then only sends statuses until it is ended.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "bus_message.h"
#include "clock.h"
#include "collector_status.h"
#include "mock_traffic.h"
#include "process_cost.h"
#include "zsock_setup.h"

enum { MAX_COLLECTORS = 256, BATCH = 512, FLUSH_MS = 100, QUEUE = 256, TICK_US = 1000 };

struct player {
    struct bound_socket bound;
    uint32_t index;
    bool has_reader;            /* the aggregator subscribes to both topics */
    bool has_packets, has_status;
    mock_traffic_t *traffic;
    packet_batch_t *batch;
    struct batch_header header;
    struct collector_status status;
    uint64_t flushed_ns;        /* CLOCK_BOOTTIME up to which records were made */
    uint64_t status_ns;         /* ... and at which it said so */
};

static struct player players[MAX_COLLECTORS];
static uint64_t records_sent, packets_sent;

static void open_player(struct player *self, const char *folder, uint32_t index, uint64_t now_ns)
{
    char path[200], endpoint[128];

    self->index = index;
    snprintf(path, sizeof path, "%s/%u", folder, index);
    mkdir(path, 0750);
    int rc = zsock_setup_endpoint(endpoint, path, BUS_EVENTS);
    if (rc == 0)
        rc = zsock_setup_bind(&self->bound, ZMQ_XPUB, endpoint, QUEUE);
    if (rc != 0) {
        fprintf(stderr, "many_collectors: cannot bind in %s: %s\n", path, strerror(-rc));
        exit(1);
    }
    self->traffic = mock_traffic_new(index + 1);
    self->batch = packet_batch_new(BATCH);
    assert(self->traffic && self->batch);
    self->header = (struct batch_header) { .boot_id = now_ns + index, .first_seq = 1,
                                           .wall_offset_ns = clock_wall_offset_ns() };
    snprintf(self->header.collector_id, sizeof self->header.collector_id, "c%03u", index);
    self->status = (struct collector_status) {
        .boot_id = self->header.boot_id, .version = NTC_VERSION, .source = "mock",
        .started_ns = now_ns, .interface_count = 1,
        .interfaces = { { .name = "eth0", .ifindex = 2, .attached = true } },
    };
    strcpy(self->status.collector_id, self->header.collector_id);
    self->flushed_ns = now_ns;
    self->status_ns = now_ns + index * NS_PER_S / MAX_COLLECTORS;
}

static void read_subscriptions(struct player *self)
{
    char message[32];
    int size;

    while ((size = zmq_recv(zsock_resolve(self->bound.socket), message, sizeof message,
                            ZMQ_DONTWAIT)) > 0) {
        self->has_packets |= size == 8 && memcmp(message, "\1packets", 8) == 0;
        self->has_status |= size == 7 && memcmp(message, "\1status", 7) == 0;
    }
    self->has_reader = self->has_packets && self->has_status;
}

/* Networks behind different collectors have different addresses; the servers are the same. */
static void place(uint8_t addr[16], uint32_t index)
{
    if (addr[12] == 192 && addr[13] == 168)
        addr[14] = (uint8_t) index;
    else if (addr[0] == 0x20 && addr[5] == 1)
        addr[7] = (uint8_t) index;
}

static void flush(struct player *self)
{
    uint32_t records = packet_batch_size(self->batch);
    uint8_t *bytes;
    size_t size;

    if (records == 0)
        return;
    int rc = packet_batch_encode(self->batch, &self->header, &bytes, &size);
    assert(rc == 0);
    bus_message_send(self->bound.socket, TOPIC_PACKETS, bytes, size);
    records_sent += records;
    packets_sent += packet_batch_packets(self->batch);
    self->header.first_seq += records;
    self->header.packets_before += packet_batch_packets(self->batch);
    self->header.bytes_before += packet_batch_bytes(self->batch);
    packet_batch_clear(self->batch);
}

/* Make `count` records between flushed_ns and now_ns, and send them. */
static void publish(struct player *self, uint32_t count, uint64_t now_ns)
{
    uint64_t span_ns = now_ns - self->flushed_ns;

    for (uint32_t i = 0; i < count; i++) {
        struct packet_record record;
        uint32_t path;
        mock_traffic_next(self->traffic, &record, &path);
        record.first_ns = record.last_ns = self->flushed_ns + span_ns * i / count;
        record.ifindex = 2;
        record.action = PACKET_PASS;
        place(record.src_addr, self->index);
        place(record.dst_addr, self->index);
        unsigned counter = status_counter_index(packet_group_of(record.protocol), record.direction,
                                                record.action);
        self->status.packets[counter] += record.packets;
        self->status.bytes[counter] += record.bytes;
        packet_batch_add(self->batch, &record);
        if (packet_batch_is_full(self->batch))
            flush(self);
    }
    flush(self);
    self->flushed_ns = now_ns;
}

static void tell(struct player *self, uint64_t now_ns)
{
    struct collector_status *status = &self->status;
    uint8_t *bytes;
    size_t size;

    status->next_seq = self->header.first_seq;
    status->clock_ns = now_ns;
    status->wall_offset_ns = clock_wall_offset_ns();
    status->published_packets = status->due_low = status->due_high = self->header.packets_before;
    status->published_bytes = self->header.bytes_before;
    int rc = collector_status_encode(status, &bytes, &size);
    assert(rc == 0);
    bus_message_send(self->bound.socket, TOPIC_STATUS, bytes, size);
    self->status_ns += NS_PER_S;
}

/* What is due at `rate` records a second, and the status if its second is over. */
static void play(struct player *self, uint32_t rate, uint64_t now_ns)
{
    uint64_t span_ns = now_ns - self->flushed_ns;

    if (span_ns >= FLUSH_MS * NS_PER_MS && span_ns * rate >= NS_PER_S)
        publish(self, (uint32_t) (span_ns * rate / NS_PER_S), now_ns);
    if (now_ns >= self->status_ns) {
        self->flushed_ns = rate > 0 ? self->flushed_ns : now_ns;
        tell(self, rate > 0 ? self->flushed_ns : now_ns);
    }
}

static void wait_for_readers(uint32_t count)
{
    for (uint32_t ready = 0; ready < count; usleep(10 * TICK_US)) {
        ready = 0;
        for (uint32_t i = 0; i < count; i++) {
            read_subscriptions(&players[i]);
            ready += players[i].has_reader;
        }
    }
}

int main(int argc, char **argv)
{
    uint32_t count = argc == 5 ? (uint32_t) atoi(argv[2]) : 0;

    if (count < 1 || count > MAX_COLLECTORS) {
        fprintf(stderr, "usage: many_collectors FOLDER COLLECTORS RECORDS_PER_S SECONDS\n");
        return 2;
    }
    uint32_t rate = (uint32_t) atoi(argv[3]);
    zsys_handler_set(NULL);
    for (uint32_t i = 0; i < count; i++)
        open_player(&players[i], argv[1], i, clock_boot_ns());
    printf("ready\n");
    fflush(stdout);
    wait_for_readers(count);

    uint64_t start_ns = clock_boot_ns(), end_ns = start_ns + (uint64_t) atoi(argv[4]) * NS_PER_S;
    double cpu_s = process_cost_read().cpu_seconds;
    for (uint32_t i = 0; i < count; i++) {
        players[i].flushed_ns = start_ns - i * FLUSH_MS * NS_PER_MS / count;
        players[i].status_ns = start_ns + i * NS_PER_S / count;
    }
    bool is_done = false;
    for (;;) {
        uint64_t now_ns = clock_boot_ns();
        for (uint32_t i = 0; i < count; i++)
            play(&players[i], now_ns < end_ns ? rate : 0, now_ns);
        if (now_ns >= end_ns && !is_done) {
            printf("{\"records\": %" PRIu64 ", \"packets\": %" PRIu64 ", \"seconds\": %.3f, "
                   "\"cpu_s\": %.3f}\n", records_sent, packets_sent,
                   (double) (now_ns - start_ns) / NS_PER_S,
                   process_cost_read().cpu_seconds - cpu_s);
            fflush(stdout);
            is_done = true;
        }
        usleep(TICK_US);
    }
}
