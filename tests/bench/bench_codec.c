/* bench_codec - nanoseconds per record to build, encode, decode and check a PacketBatch.
 *
 * Usage: bench_codec [ROUNDS].  CPU time of this thread, the median of the rounds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "packet_batch.h"

enum { RECORDS = 512, REPEATS = 400, MAX_ROUNDS = 99 };

enum phase { PHASE_ADD, PHASE_ENCODE, PHASE_OPEN, PHASE_RECORD, PHASES };

static const char *const PHASE_NAMES[PHASES] = {
    "add to columns", "encode", "decode and check", "put back together",
};

static double figures[PHASES][MAX_ROUNDS];      /* ns per record */

static void fill(struct packet_record records[RECORDS])
{
    srandom(1);
    for (int i = 0; i < RECORDS; i++) {
        struct packet_record *record = &records[i];
        memset(record, 0, sizeof *record);
        record->first_ns = record->last_ns = 1000000000ull * 3600 + (uint64_t) i * 5000;
        record->bytes = 60 + (uint64_t) random() % 1440;
        record->packets = 1;
        record->ifindex = 2;
        record->src_port = (uint16_t) random();
        record->dst_port = 443;
        record->protocol = 6;
        record->ip_version = 4;
        record->tcp_flags = PACKET_TCP_ACK;
        record->direction = random() & 1;
        memset(&record->src_addr[10], 0xff, 2);
        memset(&record->dst_addr[10], 0xff, 2);
        record->src_addr[15] = (uint8_t) random();
        record->dst_addr[15] = (uint8_t) random();
    }
}

static void add_time(double times[PHASES], enum phase phase, uint64_t *since)
{
    uint64_t now = clock_read_ns(CLOCK_THREAD_CPUTIME_ID);

    times[phase] += (double) (now - *since) / RECORDS / REPEATS;
    *since = now;
}

/* Run one batch REPEATS times through all phases.  Returns a sum, so that no work is left out. */
static uint64_t run_round(packet_batch_t *batch, const struct packet_record *records,
                          double times[PHASES], size_t *ret_size)
{
    struct batch_header header = { .collector_id = "bench", .boot_id = 1, .first_seq = 1 };
    uint64_t sum = 0;

    for (int repeat = 0; repeat < REPEATS; repeat++) {
        struct packet_view view;
        struct packet_record back;
        uint8_t *bytes;
        uint64_t since = clock_read_ns(CLOCK_THREAD_CPUTIME_ID);

        packet_batch_clear(batch);
        for (int i = 0; i < RECORDS; i++)
            packet_batch_add(batch, &records[i]);
        add_time(times, PHASE_ADD, &since);
        if (packet_batch_encode(batch, &header, &bytes, ret_size) != 0)
            exit(EXIT_FAILURE);
        add_time(times, PHASE_ENCODE, &since);
        if (packet_view_open(&view, bytes, *ret_size) != 0)
            exit(EXIT_FAILURE);
        add_time(times, PHASE_OPEN, &since);
        for (uint32_t i = 0; i < view.size; i++) {
            packet_view_record(&view, i, &back);
            sum += back.bytes + back.src_addr[15];
        }
        add_time(times, PHASE_RECORD, &since);
        packet_view_close(&view);
        free(bytes);
    }
    return sum;
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *) a, right = *(const double *) b;

    return (left > right) - (left < right);
}

int main(int argc, char **argv)
{
    static struct packet_record records[RECORDS];
    int rounds = argc > 1 ? atoi(argv[1]) : 15;
    packet_batch_t *batch = packet_batch_new(RECORDS);
    uint64_t sum = 0;
    size_t size = 0;

    if (!batch || rounds < 1 || rounds > MAX_ROUNDS) {
        fprintf(stderr, "usage: bench_codec [ROUNDS], 1 to %d\n", MAX_ROUNDS);
        return 2;
    }
    fill(records);
    for (int round = 0; round < rounds; round++) {
        double times[PHASES] = { 0 };
        sum += run_round(batch, records, times, &size);
        for (int phase = 0; phase < PHASES; phase++)
            figures[phase][round] = times[phase];
    }
    printf("PacketBatch of %d records, %zu bytes (%.1f per record), checksum %llu\n", RECORDS, size,
           (double) size / RECORDS, (unsigned long long) sum);
    for (int phase = 0; phase < PHASES; phase++) {
        qsort(figures[phase], (size_t) rounds, sizeof(double), compare);
        printf("%-20s %6.1f ns per record\n", PHASE_NAMES[phase], figures[phase][rounds / 2]);
    }
    packet_batch_destroy(&batch);
    return 0;
}
