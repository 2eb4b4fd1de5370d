/* fuzz_list_commands - requests of hostile peers for the collector's lists: by the socket, and by
 * its answering function in the name of a user who may change them.
 *
 * Bit 0 of a message's kind: in the name of root.  Else by the socket, as one frame or, bit 1, two.
 * Whatever was asked: memory, kernel and file say the same afterwards.
 */
#include "clock.h"
#include "fuzz_bus.h"
#include "fuzz_lists.h"
#include "list_commands.h"

enum { HOSTS = 64, PREFIXES = 16, QUEUE = 64, MAX_MESSAGES = 32 };

static char endpoint[64];

/* Stands in for the maps: counts what is in there. */
static int kernel_put(void *arg, const struct kernel_list_item *item)
{
    (void) arg;
    FUZZ_ASSERT(ip_prefix_version(&item->prefix) == 4 || ip_prefix_version(&item->prefix) == 6);
    return 0;
}

static int kernel_remove(void *arg, const struct kernel_list_item *item)
{
    (void) arg;
    (void) item;
    return 0;
}

static int kernel_hits(void *arg, const struct kernel_list_item *item,
                       struct kernel_list_hits *ret_hits)
{
    (void) arg;
    (void) item;
    *ret_hits = (struct kernel_list_hits) { 0 };
    return 0;
}

static void add_address(struct address_list *list, const char *text)
{
    struct ip_prefix prefix;
    char why[160];

    FUZZ_ASSERT(ip_prefix_parse(text, &prefix, why, sizeof why) == 0);
    list->items[list->size++] = prefix.addr;
}

/* A host whose own address, gateway and name server must not be cut off. */
static void read_surroundings(struct surroundings *ret_surroundings)
{
    *ret_surroundings = (struct surroundings) { 0 };
    add_address(&ret_surroundings->host, "198.51.100.1");
    add_address(&ret_surroundings->gateways, "198.51.100.2");
    add_address(&ret_surroundings->name_servers, "2001:db8::53");
}

static void on_problem(const char *sentence, void *arg)
{
    (void) arg;
    fprintf(stderr, "the lists file: %s\n", sentence);
    abort();
}

/* What has been saved is what is in memory. */
static void check_file(const char *path, const ip_list_t *lists)
{
    ip_list_t *saved = ip_list_new(HOSTS, PREFIXES);
    list_store_t *store;
    char why[512];

    FUZZ_ASSERT(saved && list_store_open(&store, path) == 0);
    FUZZ_ASSERT(list_store_load(store, saved, 0, clock_wall_offset_ns(), on_problem, NULL, why,
                                sizeof why) == 0);
    fuzz_same_lists(lists, saved);
    list_store_destroy(&store);
    ip_list_destroy(&saved);
}

static void ask(list_commands_t *commands, const struct fuzz_message *message)
{
    struct list_reply reply;
    uint8_t *bytes = NULL;
    size_t size;

    int rc = list_commands_answer(commands, message->bytes, message->size, 0, &bytes, &size);
    FUZZ_ASSERT(rc == 0);
    FUZZ_ASSERT(list_reply_decode(&reply, bytes, size) == 0);
    FUZZ_ASSERT(reply.code == LIST_OK || reply.error[0] != '\0');
    list_reply_clear(&reply);
    free(bytes);
}

static void ask_by_socket(list_commands_t *commands, const struct fuzz_message *message)
{
    zsock_t *peer = zsock_new(ZMQ_DEALER);
    struct list_reply reply;
    zmq_msg_t part;
    int parts = 0;

    zsock_set_linger(peer, 0);
    FUZZ_ASSERT(zsock_connect(peer, "%s", endpoint) == 0);
    fuzz_bus_send(peer, "", 0, ZMQ_SNDMORE);
    if (message->kind & 2)
        fuzz_bus_send(peer, message->bytes, message->size, ZMQ_SNDMORE);
    fuzz_bus_send(peer, message->bytes, message->size, 0);
    zsock_events(list_commands_socket(commands));       /* libzmq takes in what was sent */
    /* The fuzzer's alarm clock interrupts calls; ntc-collector takes signals as messages. */
    do {
        errno = 0;
        FUZZ_ASSERT(!list_commands_on_request(commands));
    } while (errno == EINTR);

    zmq_msg_init(&part);
    zsock_events(peer);
    do
        if (zmq_msg_recv(&part, zsock_resolve(peer), ZMQ_DONTWAIT) >= 0 && parts++ == 1) {
            FUZZ_ASSERT(list_reply_decode(&reply, zmq_msg_data(&part), zmq_msg_size(&part)) == 0);
            list_reply_clear(&reply);
        }
    while (parts < 2 && (zmq_msg_more(&part) || errno == EINTR));
    FUZZ_ASSERT(parts == 2 && !zmq_msg_more(&part));     /* every request is answered */
    zmq_msg_close(&part);
    zsock_destroy(&peer);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const struct config_numbers NOBODY;
    const struct list_kernel kernel = { kernel_put, kernel_remove, kernel_hits, NULL };
    struct fuzz_script script = { bytes, bytes + size };
    struct fuzz_message message;
    list_store_t *store;
    list_commands_t *commands;
    char why[512], path[128];

    zsys_handler_set(NULL);
    fuzz_lists_path(path);
    fuzz_empty_folder();
    fuzz_bus_endpoint(endpoint, "commands");
    ip_list_t *lists = ip_list_new(HOSTS, PREFIXES);
    FUZZ_ASSERT(lists && list_store_open(&store, path) == 0);
    FUZZ_ASSERT(list_store_load(store, lists, clock_boot_ns(), clock_wall_offset_ns(), on_problem,
                                NULL, why, sizeof why) == 0);
    list_keeper_t *keeper = list_keeper_new(lists, store, &kernel);
    FUZZ_ASSERT(keeper && list_commands_open(&commands, keeper, endpoint, QUEUE, &NOBODY,
                                             read_surroundings) == 0);

    for (int i = 0; i < MAX_MESSAGES && fuzz_script_next(&script, &message); i++)
        if (message.kind & 1)
            ask(commands, &message);
        else
            ask_by_socket(commands, &message);
    check_file(path, lists);

    list_commands_destroy(&commands);
    list_keeper_destroy(&keeper);
    list_store_destroy(&store);
    ip_list_destroy(&lists);
    return 0;
}
