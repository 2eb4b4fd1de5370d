/* make_seeds - write honest messages of every kind as a start for the fuzz targets.
 *
 * Usage: make_seeds FOLDER.  Writes FOLDER/<target>/<n>.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "flow_batch.h"
#include "list_command.h"
#include "random_rows.h"
#include "table_query.h"

enum { SEEDS = 8 };

static const char *folder;

/* Write the bytes and free them.  `rc` is what the encoder returned. */
static void save(const char *target, int n, int rc, uint8_t *bytes, size_t size)
{
    char path[512];

    if (rc != 0)
        exit(EXIT_FAILURE);
    snprintf(path, sizeof path, "%s/%s", folder, target);
    if (mkdir(path, 0777) != 0 && errno != EEXIST) {
        perror(path);
        exit(EXIT_FAILURE);
    }
    snprintf(path, sizeof path, "%s/%s/%d", folder, target, n);
    FILE *file = fopen(path, "we");
    if (!file || fwrite(bytes, 1, size, file) != size || fclose(file) != 0) {
        perror(path);
        exit(EXIT_FAILURE);
    }
    free(bytes);
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
    int rc = collector_status_encode(&status, &bytes, &size);
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
    save("snapshot", n, rc, bytes, size);
}

static void save_lists(int n)
{
    struct list_request request = { .op = LIST_OP_ADD, .prefix = "192.0.2.1", .reason = "scan" };
    struct list_entry_row rows[SEEDS] = { 0 };
    struct list_reply reply = { .entry_count = (uint32_t) n, .entries = rows, .prefix = "::1" };
    uint8_t *bytes;
    size_t size;

    for (int i = 0; i < SEEDS; i++) {
        strcpy(rows[i].prefix, "2001:db8::/32");
        strcpy(rows[i].reason, "port scan");
    }
    int rc = list_request_encode(&request, &bytes, &size);
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
    int rc = table_query_encode(&query, &bytes, &size);
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
        save_packets(n);
        save_flows(n);
        save_status(n);
        save_snapshot(n);
        save_lists(n);
        save_tables(n);
    }
    return 0;
}
