/* fuzz_bus_receiver - a hostile aggregator and hostile collectors, through the gateway's receiver
 * into the last snapshot and the live events.
 *
 * Bits 0 and 1 of a message's kind: 0 = a snapshot, 1 = packets, 2 = a status, 3 = a snapshot's
 * topic where events come.
 */
#include "any_endpoint.h"
#include "bus_message.h"
#include "bus_receiver.h"
#include "clock.h"
#include "fuzz_bus.h"
#include "metrics_page.h"
#include "zsock_setup.h"

enum { MAX_MESSAGES = 32 };

static char events_endpoint[64], snapshots_endpoint[64];

int __wrap_zsock_setup_endpoint(char endpoint[128], const char *directory, const char *name);

/* The sockets of this process instead of those in a folder. */
int __wrap_zsock_setup_endpoint(char endpoint[128], const char *directory, const char *name)
{
    (void) directory;
    strcpy(endpoint, strcmp(name, BUS_EVENTS) == 0 ? events_endpoint : snapshots_endpoint);
    return 0;
}

/* Whatever came: it can be shown. */
static void check_latest(latest_t *latest, sse_clients_t *sse)
{
    struct latest_view view = latest_take(latest, clock_monotonic_ns());
    struct metrics_input input = { .view = view, .sse_clients = sse_clients_count(sse) };
    struct text_buffer page = text_buffer_of(1 << 20);

    metrics_page_write(&page, &input);
    FUZZ_ASSERT(page.failed || page.size > 0);
    text_buffer_free(&page);
    latest_release(&view);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct config config;
    static const struct event_filter EVERYTHING;
    static const uint8_t CLIENT[16];
    struct fuzz_script script = { bytes, bytes + size };
    struct fuzz_message message;
    bus_receiver_t *receiver = NULL;
    sse_clients_t *sse = NULL;

    zsys_handler_set(NULL);
    config_defaults(&config);
    fuzz_bus_endpoint(snapshots_endpoint, BUS_SNAPSHOTS);
    fuzz_bus_endpoint(events_endpoint, BUS_EVENTS);
    zsock_t *snapshots = fuzz_bus_bind(ZMQ_XPUB, snapshots_endpoint);
    zsock_t *events = fuzz_bus_bind(ZMQ_XPUB, events_endpoint);
    zloop_t *loop = zloop_new();
    latest_t *latest = latest_new();
    FUZZ_ASSERT(loop && latest && sse_clients_open(4, latest, &sse) == 0);
    FUZZ_ASSERT(bus_receiver_open(loop, &config, latest, sse, &receiver) == 0);
    int slot = sse_clients_reserve(sse, &EVERYTHING, CLIENT, 0);
    FUZZ_ASSERT(slot >= 0);
    fuzz_bus_turn(loop);        /* somebody watches: it subscribes */

    for (int i = 0; i < MAX_MESSAGES && fuzz_script_next(&script, &message); i++) {
        fuzz_bus_hear(snapshots);
        fuzz_bus_hear(events);
        switch (message.kind & 3) {
        case 0:
            fuzz_bus_publish(snapshots, TOPIC_SNAPSHOT, &message);
            break;
        case 1:
            fuzz_bus_publish(events, TOPIC_PACKETS, &message);
            break;
        case 2:
            fuzz_bus_publish(events, TOPIC_STATUS, &message);
            break;
        default:
            fuzz_bus_publish(events, TOPIC_SNAPSHOT, &message);
        }
        fuzz_bus_turn(loop);
        check_latest(latest, sse);
    }
    sse_clients_cancel(sse, slot);
    sse_clients_stop(sse);
    bus_receiver_destroy(&receiver);
    sse_clients_destroy(&sse);
    latest_destroy(&latest);
    zloop_destroy(&loop);
    zsock_destroy(&events);
    zsock_destroy(&snapshots);
    return 0;
}
