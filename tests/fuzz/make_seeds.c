/* make_seeds - write honest messages of every kind as a start for the fuzz targets.
 *
 * Usage: make_seeds FOLDER.  Writes FOLDER/<target>/<n>: each message for its decoder, and for the
 * receivers several of them as in fuzz_script.h.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "flow_batch.h"
#include "list_command.h"
#include "random_rows.h"
#include "table_query.h"

enum { SEEDS = 4 };

static const char *const APPENDED[] = { "batch_receiver", "bus_receiver", "list_commands",
                                        "stream_reader" };
static const char *folder;

/* Open FOLDER/<target>/<n>. */
static FILE *open_seed(const char *target, int n, const char *mode)
{
    char path[512];

    snprintf(path, sizeof path, "%s/%s", folder, target);
    if (mkdir(path, 0777) != 0 && errno != EEXIST) {
        perror(path);
        exit(EXIT_FAILURE);
    }
    snprintf(path, sizeof path, "%s/%s/%d", folder, target, n);
    FILE *file = fopen(path, mode);
    if (!file) {
        perror(path);
        exit(EXIT_FAILURE);
    }
    return file;
}

/* Write the bytes and free them.  `rc` is what the encoder returned. */
static void save(const char *target, int n, int rc, uint8_t *bytes, size_t size)
{
    if (rc != 0)
        exit(EXIT_FAILURE);
    FILE *file = open_seed(target, n, "we");
    fwrite(bytes, 1, size, file);
    fclose(file);
    free(bytes);
}

/* Append the bytes as a message of `kind` to what a receiver gets. */
static void append(const char *receiver, uint8_t kind, int n, const uint8_t *bytes, size_t size)
{
    const uint8_t head[3] = { kind, (uint8_t) size, (uint8_t) (size >> 8) };
    FILE *file = open_seed(receiver, n, "ae");

    fwrite(head, 1, sizeof head, file);
    fwrite(bytes, 1, size, file);
    fclose(file);
}

/* Append a batch to a recording: its length in groups of seven bits, and itself. */
static void record(int n, const uint8_t *bytes, size_t size)
{
    FILE *file = open_seed("stream_reader", n, "ae");

    for (size_t rest = size; rest > 0; rest >>= 7)
        fputc((int) (rest & 0x7f) | (rest > 0x7f ? 0x80 : 0), file);
    fwrite(bytes, 1, size, file);
    fclose(file);
}

static void save_packets(int n)
{
    struct batch_header header = { .collector_id = "seed", .boot_id = 1, .first_seq = 1 };
    packet_batch_t *batch = packet_batch_new(1u << n);
    uint8_t *bytes;
    size_t size;

    for (int i = 0; batch && i < 1 << n; i++) {
        struct packet_record record = { .first_ns = 5, .last_ns = 9, .bytes = 60, .packets = 1,
                                        .dst_port = 443, .vlan = n == 3 ? 7 : 0, .protocol = 6,
                                        .ip_version = 6, .tcp_flags = 2, .action = i & 3 };
        random_bytes(record.src_addr, 16);
        packet_batch_add(batch, &record);
    }
    int rc = packet_batch_encode(batch, &header, &bytes, &size);
    append("batch_receiver", 0, n, bytes, size);
    append("bus_receiver", 1, n, bytes, size);
    record(n, bytes, size);
    save("packet_batch", n, rc, bytes, size);
    packet_batch_destroy(&batch);
}

static void save_flows(int n)
{
    struct ended_flow flows[SEEDS] = { 0 };
    uint8_t *bytes;
    size_t size;

    for (int i = 0; i < SEEDS; i++)
        flows[i] = (struct ended_flow) { .first_ns = 1, .last_ns = 2, .packets = 3, .bytes = 180,
                                         .ip_version = 4, .reason = (uint8_t) (i % 5 + 1) };
    int rc = flow_batch_encode("seed", 1, flows, (uint32_t) n + 1, &bytes, &size);
    save("flow_batch", n, rc, bytes, size);
}

static void save_status(int n)
{
    struct collector_status status;
    uint8_t *bytes;
    size_t size;

    random_status(&status);
    status.interface_count %= 4;
    strcpy(status.collector_id, "seed");
    status.boot_id = 1;
    int rc = collector_status_encode(&status, &bytes, &size);
    append("batch_receiver", (uint8_t) (n & 1 ? 3 : 1), n, bytes, size);
    append("bus_receiver", 2, n, bytes, size);
    save("collector_status", n, rc, bytes, size);
}

static void save_snapshot(int n)
{
    static struct snapshot snapshot;
    struct collector_state state = { .age_s = 1 };
    uint8_t *bytes;
    size_t size;

    random_status(&state.status);
    state.status.interface_count %= 3;
    snapshot.collectors = &state;
    snapshot.collector_count = n & 1;
    snapshot.top_packets.size = 1;
    random_address(&snapshot.top_packets.rows[0]);
    snapshot.top_flow_count = 1;
    random_flow(&snapshot.top_flows[0]);
    snapshot.table_count = 1;
    strcpy(snapshot.tables[0].name, "flows");
    int rc = snapshot_encode(&snapshot, &bytes, &size);
    append("bus_receiver", 0, n, bytes, size);
    save("snapshot", n, rc, bytes, size);
}

static void save_lists(int n)
{
    struct list_request request = { .request_id = 7, .op = (enum list_op) ((n + 1) % 3),
                                    .list = (enum list_name) (n & 1), .limit = 10,
                                    .prefix = "192.0.2.1", .reason = "scan" };
    struct list_entry_row rows[SEEDS] = { 0 };
    struct list_reply reply = { .entry_count = (uint32_t) n, .entries = rows, .prefix = "::1" };
    uint8_t *bytes;
    size_t size;

    for (int i = 0; i < SEEDS; i++) {
        strcpy(rows[i].prefix, "2001:db8::/32");
        strcpy(rows[i].reason, "port scan");
    }
    int rc = list_request_encode(&request, &bytes, &size);
    append("list_commands", 1, n, bytes, size);
    append("list_commands", (uint8_t) (n & 2), n, bytes, size);
    save("list_request", n, rc, bytes, size);
    rc = list_reply_encode(&reply, &bytes, &size);
    save("list_reply", n, rc, bytes, size);
}

static void save_tables(int n)
{
    struct table_query query = { .sort = "bytes", .limit = 10, .has_addr = true, .addr_bits = 64 };
    struct flow_row flow = { 0 };
    struct address_row address = { 0 };
    struct table_page page = { .flow_count = 1, .flows = &flow, .address_count = 1,
                               .addresses = &address };
    uint8_t *bytes;
    size_t size;

    random_flow(&flow);
    random_address(&address);
    if (history_reserve(&page.history, 2, (uint32_t) n) != 0)
        exit(EXIT_FAILURE);
    strcpy(page.history.series[0].name, "tcp");
    strcpy(page.history.series[1].name, "udp");
    query.table = (enum query_table) (n % 3);
    int rc = table_query_encode(&query, &bytes, &size);
    append("batch_receiver", 4, n, bytes, size);
    save("table_query", n, rc, bytes, size);
    rc = table_page_encode(&page, &bytes, &size);
    save("table_page", n, rc, bytes, size);
    free(page.history.values);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: make_seeds FOLDER\n");
        return 2;
    }
    folder = argv[1];
    if (mkdir(folder, 0777) != 0 && errno != EEXIST) {
        perror(folder);
        return 1;
    }
    for (int n = 0; n < SEEDS; n++) {
        srandom((unsigned) n);
        for (size_t i = 0; i < sizeof APPENDED / sizeof APPENDED[0]; i++)
            fclose(open_seed(APPENDED[i], n, "we"));        /* what others append to is new */
        save_packets(n);
        save_flows(n);
        save_status(n);
        save_snapshot(n);
        save_lists(n);
        save_tables(n);
    }
    return 0;
}
