#include "replay_source.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bus_message.h"
#include "clock.h"
#include "stream_reader.h"
#include "suite.h"
#include "zsock_setup.h"

#define WAIT_MS 5000
#define START_NS (1000 * NS_PER_S + 300 * NS_PER_MS)
#define MAX_MESSAGES 4096

static char folder[64], endpoint[128], path[128], why[1024];
static stream_recorder_t *recorder;
static uint64_t recorded_records, recorded_packets;
static size_t recorded_ends[MAX_MESSAGES];      /* file size behind each batch */
static int recorded_batches;

static void setup(void)
{
    strcpy(folder, "/tmp/ntc-test-replay-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/stream", folder);
    ck_assert_int_eq(zsock_setup_endpoint(endpoint, folder, BUS_EVENTS), 0);
    recorded_records = recorded_packets = 0;
    recorded_batches = 0;
}

static void teardown(void)
{
    char command[128];

    stream_recorder_destroy(&recorder);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    ck_assert_int_eq(system(command), 0);
}

static size_t file_size(void)
{
    struct stat info;

    return stat(path, &info) == 0 ? (size_t) info.st_size : 0;
}

/* Record `count` records that begin at `from_ns`, one every `step_ns`, as one batch. */
static int record_batch(uint64_t from_ns, uint64_t step_ns, uint32_t count)
{
    packet_batch_t *batch = packet_batch_new(count);
    struct batch_header header = { .collector_id = "attic", .boot_id = 4711,
                                   .first_seq = 1 + recorded_records,
                                   .packets_before = recorded_packets, .wall_offset_ns = 12345 };
    uint8_t *bytes;
    size_t size;

    for (uint32_t i = 0; i < count; i++) {
        struct packet_record record = { .first_ns = from_ns + i * step_ns, .bytes = 80,
                                        .packets = 2, .protocol = i % 2 ? 6 : 17,
                                        .ip_version = 4, .src_port = (uint16_t) i,
                                        .direction = i % 3 == 0, .action = i % 4 };
        record.last_ns = record.first_ns + 10;
        packet_batch_add(batch, &record);
    }
    ck_assert_int_eq(packet_batch_encode(batch, &header, &bytes, &size), 0);
    int rc = stream_recorder_write(recorder, bytes, size);
    if (rc == 0) {
        recorded_records += count;
        recorded_packets += 2 * count;
        recorded_ends[recorded_batches++] = file_size();
    }
    free(bytes);
    packet_batch_destroy(&batch);
    return rc;
}

/* Three seconds of traffic in batches of 10 records. */
static void record_stream(void)
{
    ck_assert_int_eq(stream_recorder_open(&recorder, path), 0);
    for (int i = 0; i < 60; i++)
        ck_assert_int_eq(record_batch(START_NS + (uint64_t) i * 50 * NS_PER_MS, NS_PER_MS, 10), 0);
    stream_recorder_destroy(&recorder);
}

/* ---- what a listener hears ---- */

struct heard {
    int count;
    struct {
        bool is_status;
        size_t size;
        uint8_t *bytes;
        struct collector_status status;
    } messages[MAX_MESSAGES];
};

static void hear_one(struct heard *heard, zsock_t *listener)
{
    struct bus_message message;

    while (bus_message_receive(listener, &message) == 0) {
        ck_assert_int_lt(heard->count, MAX_MESSAGES);
        size_t size = zmq_msg_size(&message.body);
        heard->messages[heard->count].is_status = strcmp(message.topic, TOPIC_STATUS) == 0;
        heard->messages[heard->count].size = size;
        heard->messages[heard->count].bytes = malloc(size);
        memcpy(heard->messages[heard->count].bytes, zmq_msg_data(&message.body), size);
        if (heard->messages[heard->count].is_status)
            ck_assert_int_eq(collector_status_decode(&heard->messages[heard->count].status,
                                                     zmq_msg_data(&message.body), size), 0);
        heard->count++;
        bus_message_release(&message);
    }
}

static void forget(struct heard *heard)
{
    for (int i = 0; i < heard->count; i++)
        free(heard->messages[i].bytes);
    free(heard);
}

static void send_report(struct packet_source *source, event_publisher_t *publisher)
{
    struct collector_status status = { 0 };

    source->report(source->self, publisher, &status);
    snprintf(status.source, sizeof status.source, "%s", source->name);
    snprintf(status.version, sizeof status.version, "1");
    while (event_publisher_status(publisher, &status) == -EAGAIN)
        ;
}

/* Replay the file with one listener to everything.  Returns what pump() said in the end. */
static int replay(double speed, struct heard **ret_heard, char *summary)
{
    struct publisher_settings settings = { .collector_id = "other", .batch = 512,
                                           .lossless = true };
    event_publisher_t *publisher;
    replay_source_t *replayed;
    struct heard *heard = calloc(1, sizeof *heard);
    int wish = 0;

    ck_assert_msg(replay_source_open(&replayed, path, speed, why, sizeof why) == 0, "%s", why);
    struct packet_source *source = replay_source_packets(replayed);
    ck_assert_int_eq(event_publisher_open(&publisher, &settings, endpoint, 8), 0);
    event_publisher_use(publisher, source->ledger, NULL);
    ck_assert_int_eq(source->pump(source->self, publisher), SOURCE_SLEEPS);

    zsock_t *listener = zsock_setup_connect(ZMQ_SUB, endpoint, 8);
    zmq_pollitem_t item = { zsock_resolve(event_publisher_socket(publisher)), 0, ZMQ_POLLIN, 0 };
    zsock_set_subscribe(listener, "");
    ck_assert_int_eq(zmq_poll(&item, 1, WAIT_MS), 1);
    event_publisher_on_subscription(publisher);
    while (wish != SOURCE_IS_DONE && wish != SOURCE_FAILED) {
        wish = source->pump(source->self, publisher);
        ck_assert_int_ne(wish, SOURCE_SLEEPS);
        if (wish == SOURCE_REPORTS)
            send_report(source, publisher);
        else if (wish > 0)
            usleep((useconds_t) wish * 1000);
        hear_one(heard, listener);
    }
    strcpy(why, source->problem);
    replay_source_summary(replayed, summary, 200);
    send_report(source, publisher);     /* its arrival tells that all before it has arrived */
    uint64_t clock_ns = 0;
    for (int before = heard->count; clock_ns == 0 || before != heard->count;) {
        zmq_pollitem_t more = { zsock_resolve(listener), 0, ZMQ_POLLIN, 0 };
        before = heard->count;
        if (zmq_poll(&more, 1, clock_ns == 0 ? WAIT_MS : 50) == 1)
            hear_one(heard, listener);
        clock_ns = 1;
    }
    zsock_destroy(&listener);
    event_publisher_destroy(&publisher);
    replay_source_destroy(&replayed);
    *ret_heard = heard;
    return wish;
}

/* The batches that were heard are, in this order, the bytes of the file. */
static int check_bytes(const struct heard *heard)
{
    static uint8_t file[1 << 20];
    FILE *stream = fopen(path, "r");
    size_t size = fread(file, 1, sizeof file, stream), at = 0;
    int batches = 0;

    fclose(stream);
    for (int i = 0; i < heard->count; i++) {
        if (heard->messages[i].is_status)
            continue;
        at += heard->messages[i].size < 128 ? 1 : 2;
        ck_assert_uint_le(at + heard->messages[i].size, size);
        ck_assert_int_eq(memcmp(file + at, heard->messages[i].bytes, heard->messages[i].size), 0);
        at += heard->messages[i].size;
        batches++;
    }
    return batches;
}

/* Every status stands between the batches it speaks of, and no later record is before its clock. */
static void check_statuses(const struct heard *heard)
{
    uint64_t next_seq = 1, packets = 0, clock_ns = 0;

    for (int i = 0; i < heard->count; i++) {
        if (!heard->messages[i].is_status) {
            struct packet_view view;
            ck_assert_int_eq(packet_view_open(&view, heard->messages[i].bytes,
                                              heard->messages[i].size), 0);
            for (uint32_t k = 0; k < view.size; k++)
                ck_assert_uint_ge(view.first_ns[k], clock_ns);
            next_seq += view.size;
            packets += view.sum_packets;
            packet_view_close(&view);
            continue;
        }
        const struct collector_status *status = &heard->messages[i].status;
        ck_assert_str_eq(status->collector_id, "attic");
        ck_assert_uint_eq(status->boot_id, 4711);
        ck_assert_str_eq(status->source, "replay");
        ck_assert_int_eq(status->wall_offset_ns, 12345);
        ck_assert_uint_eq(status->next_seq, next_seq);
        ck_assert_uint_eq(status->published_packets, packets);
        ck_assert_uint_eq(status->due_low, packets);
        ck_assert_uint_eq(status->due_high, packets);
        ck_assert_uint_ge(status->clock_ns, clock_ns);
        clock_ns = status->clock_ns;
    }
    ck_assert_uint_eq(next_seq, 1 + recorded_records);
}

START_TEST(a_replay_is_the_very_same_bytes)
{
    struct heard *heard;
    char summary[200];

    record_stream();
    ck_assert_int_eq(replay(REPLAY_UNPACED, &heard, summary), SOURCE_IS_DONE);
    ck_assert_int_eq(check_bytes(heard), 60);
    check_statuses(heard);
    ck_assert_msg(strncmp(summary, "600 records (1,200 packets, 48,000 bytes) in 0.", 46) == 0,
                  "%s", summary);
    /* One status for every whole second of the recording, one at the end, one from us. */
    ck_assert_int_eq(heard->count, 60 + 3 + 2);
    ck_assert_uint_gt(heard->messages[heard->count - 1].status.clock_ns,
                      START_NS + 59 * 50 * NS_PER_MS + 9 * NS_PER_MS);
    forget(heard);
}
END_TEST

START_TEST(two_replays_are_the_same_messages_at_any_speed)
{
    struct heard *first, *second;
    char summary[200];

    record_stream();
    ck_assert_int_eq(replay(REPLAY_UNPACED, &first, summary), SOURCE_IS_DONE);
    ck_assert_int_eq(replay(20, &second, summary), SOURCE_IS_DONE);
    ck_assert_int_eq(first->count, second->count);
    for (int i = 0; i < first->count; i++) {
        ck_assert_int_eq(first->messages[i].is_status, second->messages[i].is_status);
        ck_assert_uint_eq(first->messages[i].size, second->messages[i].size);
        ck_assert_int_eq(memcmp(first->messages[i].bytes, second->messages[i].bytes,
                                first->messages[i].size), 0);
    }
    forget(first);
    forget(second);
}
END_TEST

START_TEST(the_pace_is_the_recorded_one_times_the_speed)
{
    struct heard *heard;
    char summary[200];

    record_stream();
    uint64_t start_ns = clock_monotonic_ns();
    ck_assert_int_eq(replay(10, &heard, summary), SOURCE_IS_DONE);
    double seconds = (double) (clock_monotonic_ns() - start_ns) / NS_PER_S;
    ck_assert_double_ge(seconds, 0.29);         /* 2.96 s of records */
    ck_assert_double_le(seconds, 3.0);          /* but surely not slower than recorded */
    forget(heard);
}
END_TEST

START_TEST(long_pauses_are_reported_second_by_second)
{
    struct heard *heard;
    char summary[200];

    ck_assert_int_eq(stream_recorder_open(&recorder, path), 0);
    record_batch(START_NS, NS_PER_MS, 5);
    record_batch(START_NS + 60 * NS_PER_S, NS_PER_MS, 5);
    record_batch(START_NS + 86400 * NS_PER_S, NS_PER_MS, 5);
    ck_assert_int_eq(replay(REPLAY_UNPACED, &heard, summary), SOURCE_IS_DONE);
    check_statuses(heard);
    ck_assert_int_eq(heard->count, 3 + 60 + 3600 + 1 + 2);
    forget(heard);
}
END_TEST

/* A file that was cut at every length: all whole batches are replayed, then the place is named. */
START_TEST(a_cut_file_is_replayed_up_to_the_cut)
{
    struct heard *heard;
    char summary[200];

    ck_assert_int_eq(stream_recorder_open(&recorder, path), 0);
    for (uint64_t i = 0; i < 3; i++)
        record_batch(START_NS + i * 50 * NS_PER_MS, NS_PER_MS, 2);
    size_t cut = file_size() - 1 - (size_t) _i * 7;
    int whole = 0;
    while (whole < 3 && recorded_ends[whole] <= cut)
        whole++;
    ck_assert_int_eq(truncate(path, (off_t) cut), 0);
    size_t begins = whole > 0 ? recorded_ends[whole - 1] : 0;
    if (whole == 0) {
        replay_source_t *replayed = NULL;
        int rc = replay_source_open(&replayed, path, 1, why, sizeof why);
        ck_assert_int_eq(rc, -ENODATA);
        ck_assert_ptr_nonnull(strstr(why, "begins at byte 0"));
        return;
    }
    recorded_records = 2 * (uint64_t) whole;
    int wish = replay(REPLAY_UNPACED, &heard, summary);
    ck_assert_int_eq(check_bytes(heard), whole);
    check_statuses(heard);
    if (cut == begins) {
        ck_assert_int_eq(wish, SOURCE_IS_DONE);
    } else {
        char expected[64];
        snprintf(expected, sizeof expected, "begins at byte %zu", begins);
        ck_assert_int_eq(wish, SOURCE_FAILED);
        ck_assert_msg(strstr(why, "is cut") && strstr(why, expected), "%s", why);
    }
    forget(heard);
}
END_TEST

START_TEST(garbage_in_the_middle_is_named)
{
    struct heard *heard;
    char summary[200], expected[64];

    ck_assert_int_eq(stream_recorder_open(&recorder, path), 0);
    record_batch(START_NS, NS_PER_MS, 2);
    stream_recorder_destroy(&recorder);
    size_t size = file_size();
    FILE *file = fopen(path, "a");
    fprintf(file, "\x30garbage that is no batch of packets, whatever it says of its length");
    fclose(file);
    ck_assert_int_eq(replay(REPLAY_UNPACED, &heard, summary), SOURCE_FAILED);
    snprintf(expected, sizeof expected, "what begins at byte %zu is no batch", size);
    ck_assert_msg(strstr(why, expected) != NULL, "%s", why);
    ck_assert_int_eq(check_bytes(heard), 1);
    forget(heard);
}
END_TEST

START_TEST(nothing_to_replay_is_an_error_that_says_so)
{
    replay_source_t *replayed = NULL;

    ck_assert_int_eq(replay_source_open(&replayed, path, 1, why, sizeof why), -ENOENT);
    ck_assert_ptr_nonnull(strstr(why, "No such file"));
    ck_assert_int_eq(stream_recorder_open(&recorder, path), 0);
    ck_assert_int_eq(replay_source_open(&replayed, path, 1, why, sizeof why), -ENODATA);
    ck_assert_ptr_nonnull(strstr(why, "is empty"));
    ck_assert_int_eq(replay_source_open(&replayed, folder, 1, why, sizeof why), -EISDIR);
    ck_assert_ptr_null(replayed);
}
END_TEST

START_TEST(random_bytes_are_refused)
{
    uint8_t bytes[2000];
    replay_source_t *replayed = NULL;

    srandom((unsigned) _i);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t) random();
    FILE *file = fopen(path, "w");
    fwrite(bytes, 1, sizeof bytes, file);
    fclose(file);
    ck_assert_int_lt(replay_source_open(&replayed, path, 1, why, sizeof why), 0);
    ck_assert_ptr_null(replayed);
}
END_TEST

/* ---- recording ---- */

START_TEST(a_full_disk_stops_the_recording_behind_a_whole_batch)
{
    stream_reader_t *reader;
    struct packet_view view;
    const uint8_t *bytes;
    size_t size;
    int rc = 0, batches = 0;

    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &(struct rlimit) { 5000, 5000 }), 0);
    ck_assert_int_eq(stream_recorder_open(&recorder, path), 0);
    while ((rc = record_batch(START_NS, 1, 5)) == 0)
        ck_assert_int_lt(recorded_batches, 1000);
    ck_assert_int_eq(rc, -EFBIG);
    ck_assert_int_eq(stream_recorder_error(recorder), -EFBIG);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &(struct rlimit) { 5000, 5000 }), 0);
    ck_assert_int_eq(record_batch(START_NS, 1, 1), -EFBIG);     /* small enough, but too late */
    ck_assert_uint_eq(file_size(), recorded_ends[recorded_batches - 1]);

    ck_assert_int_eq(stream_reader_open(&reader, path), 0);
    while ((rc = stream_reader_next(reader, &view, &bytes, &size)) == 1) {
        packet_view_close(&view);
        batches++;
    }
    ck_assert_int_eq(rc, 0);
    ck_assert_int_eq(batches, recorded_batches);
    ck_assert_uint_eq(stream_reader_offset(reader), file_size());
    stream_reader_destroy(&reader);
}
END_TEST

START_TEST(recording_empties_the_file_first)
{
    record_stream();
    ck_assert_int_eq(stream_recorder_open(&recorder, path), 0);
    ck_assert_uint_eq(file_size(), 0);
    stream_recorder_destroy(&recorder);
    ck_assert_int_eq(stream_recorder_open(&recorder, folder), -EISDIR);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("replay_source");
    TCase *tcase = tcase_create("replay");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 20);
    tcase_add_test(tcase, a_replay_is_the_very_same_bytes);
    tcase_add_test(tcase, two_replays_are_the_same_messages_at_any_speed);
    tcase_add_test(tcase, the_pace_is_the_recorded_one_times_the_speed);
    tcase_add_test(tcase, long_pauses_are_reported_second_by_second);
    tcase_add_loop_test(tcase, a_cut_file_is_replayed_up_to_the_cut, 0, 60);
    tcase_add_test(tcase, garbage_in_the_middle_is_named);
    tcase_add_test(tcase, nothing_to_replay_is_an_error_that_says_so);
    tcase_add_loop_test(tcase, random_bytes_are_refused, 0, 8);
    tcase_add_test(tcase, a_full_disk_stops_the_recording_behind_a_whole_batch);
    tcase_add_test(tcase, recording_empties_the_file_first);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
