/* fuzz_http_routes - requests of any method, path, query, headers and body through the table of
 * endpoints and all handlers, with collectors and an aggregator that answer.
 *
 * The first byte says who asks: this host, a trusted proxy, or one of some strangers; bit 6: there
 * are two collectors; bit 7: collectors and aggregator are away.  The rest is the request's text.
 * Every answer is one whole HTTP answer with the headers of all, and nobody changes a list who may
 * not.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <sys/socket.h>
#include <unistd.h>

#include "civetweb_stand_in.h"
#include "clock.h"
#include "fuzz.h"
#include "gateway.h"
#include "http_server.h"
#include "list_command.h"
#include "random_rows.h"
#include "socket_takeover.h"
#include "table_query.h"
#include "zsock_setup.h"

#include "full_snapshot.h"

#define TOKEN "fuzzing-the-admin-token"

static struct config config;
static struct gateway gateway;
static collector_peers_t *one_peer, *two_peers;
static int peers_are_away, changes;
static int client_fd = -1;

/* ---- the peers on the bus: bus_client's functions, answered at once ---- */

uint64_t bus_client_request_id(void) { return 7; }

static int answer_lists(const struct list_request *request, uint8_t **ret_answer, size_t *ret_size)
{
    static struct list_entry_row rows[2];
    struct list_reply reply = { .request_id = request->request_id, .list_version = 3,
                                .collector_id = "c0" };

    if (request->op == LIST_OP_LIST || request->op == LIST_OP_UNCONFIRMED) {
        strcpy(rows[0].prefix, "192.0.2.1");
        strcpy(rows[1].prefix, "2001:db8::/32");
        strcpy(rows[1].reason, "\"quoted\" \x01 \xc3\xa9");
        reply.entries = rows;
        reply.entry_count = 2;
    } else {
        changes++;
        snprintf(reply.prefix, sizeof reply.prefix, "%s", "192.0.2.1");
        reply.changed = true;
        reply.unconfirmed_until_unix_ns = request->confirm_s * NS_PER_S;
        reply.code = request->ttl_s % 8 < 6 ? (enum list_code) (request->ttl_s % 8) : LIST_OK;
        if (reply.code != LIST_OK)
            strcpy(reply.error, "the collector says \"no\"");
    }
    return list_reply_encode(&reply, ret_answer, ret_size);
}

static int answer_tables(const struct table_query *query, uint8_t **ret_answer, size_t *ret_size)
{
    struct flow_row flow = { 0 };
    struct address_row address = { 0 };
    struct table_page page = { .total = 1 };

    random_flow(&flow);
    random_address(&address);
    if (query->table == QUERY_FLOWS)
        page = (struct table_page) { .total = 1, .flow_count = 1, .flows = &flow };
    else if (query->table == QUERY_ADDRESSES)
        page = (struct table_page) { .total = 1, .address_count = 1, .addresses = &address };
    return table_page_encode(&page, ret_answer, ret_size);
}

struct bus_client {
    int is_collector;
};

int bus_client_open(zloop_t *loop, const char *endpoint, int queue, const char *keys,
                    bus_client_t **ret_client)
{
    (void) loop;
    (void) keys;
    (void) queue;
    *ret_client = calloc(1, sizeof **ret_client);
    (*ret_client)->is_collector = strstr(endpoint, BUS_QUERIES) == NULL;
    return 0;
}

void bus_client_stop(bus_client_t *self) { (void) self; }

void bus_client_destroy(bus_client_t **self_p)
{
    free(*self_p);
    *self_p = NULL;
}

int bus_client_call(bus_client_t *self, const uint8_t *question, size_t size,
                    uint8_t **ret_answer, size_t *ret_answer_size)
{
    struct list_request request;
    struct table_query query;

    if (peers_are_away)
        return -EHOSTUNREACH;
    if (self->is_collector) {
        FUZZ_ASSERT(list_request_decode(&request, question, size) == 0);
        return answer_lists(&request, ret_answer, ret_answer_size);
    }
    FUZZ_ASSERT(table_query_decode(&query, question, size) == 0);
    return answer_tables(&query, ret_answer, ret_answer_size);
}

void bus_client_begin(bus_client_t *self, struct bus_call *call, const uint8_t *question,
                      size_t size)
{
    *call = (struct bus_call) { 0 };
    call->rc = bus_client_call(self, question, size, &call->answer, &call->answer_size);
}

int bus_client_end(bus_client_t *self, struct bus_call *call, uint8_t **ret_answer,
                   size_t *ret_answer_size)
{
    (void) self;
    *ret_answer = call->answer;
    *ret_answer_size = call->answer_size;
    return call->rc;
}

/* ---- the connection: socket_takeover's functions over a pair of sockets ---- */

int socket_takeover_find(int end, const char *peer_addr, uint16_t peer_port, uint16_t port)
{
    (void) end;
    (void) peer_addr;
    (void) peer_port;
    (void) port;
    return client_fd;
}

int socket_takeover_copy(int fd, int base)
{
    (void) base;
    return dup(fd);
}

int socket_takeover_detach(int fd)
{
    (void) fd;
    return 0;
}

bool socket_takeover_peer(int fd, uint16_t port, struct takeover_peer *ret_peer)
{
    (void) fd;
    (void) port;
    (void) ret_peer;
    return false;
}

/* ---- the target ---- */

static char folder[] = "/dev/shm/ntc-fuzz-XXXXXX";

static void remove_folder(void)
{
    unlink(config.server.token_file);
    rmdir(folder);
}

static void write_token(void)
{
    FUZZ_ASSERT(mkdtemp(folder));
    atexit(remove_folder);
    snprintf(config.server.token_file, sizeof config.server.token_file, "%s/admin.token", folder);
    int fd = open(config.server.token_file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    FUZZ_ASSERT(fd >= 0 && write(fd, TOKEN, strlen(TOKEN)) == (ssize_t) strlen(TOKEN));
    close(fd);
}

/* The whole gateway; its sockets find nobody, and nothing runs in its loop. */
static void open_gateway(void)
{
    static zloop_t *loop;
    struct config_list *collectors = &config.bus.collectors;
    char why[512];

    zsys_handler_set(NULL);
    loop = zloop_new();
    config_defaults(&config);
    write_token();
    strcpy(config.bus.directory, folder);
    strcpy(config.server.listen, "127.0.0.1");
    config.server.port = 0;
    config.server.sse_clients = 8;
    strcpy(config.server.trusted_proxies.items[config.server.trusted_proxies.size++], "10.0.0.0/8");
    FUZZ_ASSERT(gateway_open(&gateway, loop, &config, NULL, why) == 0);
    FUZZ_ASSERT(latest_put(gateway.latest, full_snapshot(2), clock_monotonic_ns()) == 0);
    one_peer = gateway.peers;
    strcpy(collectors->items[collectors->size++], "tcp://192.0.2.1:7386");
    strcpy(collectors->items[collectors->size++], "tcp://192.0.2.2:7386");
    FUZZ_ASSERT(collector_peers_open(loop, &config, &two_peers) == 0);
    collectors->size = 0;
}

/* The value of a header line of the answer, or NULL. */
static const char *header_of(const char *head, const char *name)
{
    const char *at = strstr(head, name);

    return at ? at + strlen(name) : NULL;
}

/* Follow the chunks; returns whether they end where the answer ends. */
static int are_chunks(const char *at, const char *end)
{
    char *behind;

    for (;;) {
        unsigned long size = strtoul(at, &behind, 16);
        if (behind == at || end - behind < 2 || memcmp(behind, "\r\n", 2) != 0)
            return 0;
        at = behind + 2;
        if (size == 0)
            return end - at == 2 && memcmp(at, "\r\n", 2) == 0;
        if ((unsigned long) (end - at) < size + 2 || memcmp(at + size, "\r\n", 2) != 0)
            return 0;
        at += size + 2;
    }
}

static void check_json(int status, const char *body, size_t size)
{
    json_error_t error;
    json_t *value = json_loadb(body, size, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, &error);

    FUZZ_ASSERT(value);
    if (status >= 400 && status != 503) {
        FUZZ_ASSERT(json_is_false(json_object_get(value, "ok")));
        FUZZ_ASSERT(json_string_length(json_object_get(value, "error")) > 0);
    }
    json_decref(value);
}

static void check_answer(const struct stand_in_answer *answer, int is_head_request)
{
    int status = 0;
    const char *body = strstr(answer->bytes, "\r\n\r\n");

    FUZZ_ASSERT(body && sscanf(answer->bytes, "HTTP/1.1 %d ", &status) == 1);
    body += 4;
    size_t size = answer->size - (size_t) (body - answer->bytes);
    char *head = strndup(answer->bytes, (size_t) (body - answer->bytes) - 2);
    FUZZ_ASSERT(header_of(head, "\r\nContent-Security-Policy: ")
                && header_of(head, "\r\nX-Content-Type-Options: nosniff\r\n"));
    FUZZ_ASSERT(!header_of(head, "\r\nAccess-Control-"));
    const char *length = header_of(head, "\r\nContent-Length: ");
    if (header_of(head, "\r\nTransfer-Encoding: chunked\r\n"))
        FUZZ_ASSERT(is_head_request || are_chunks(body, body + size));
    else if (length && !is_head_request)
        FUZZ_ASSERT(strtoul(length, NULL, 10) == size);
    const char *type = header_of(head, "\r\nContent-Type: ");
    FUZZ_ASSERT(type);
    if (length && !is_head_request && strncmp(type, "application/json\r", 17) == 0)
        check_json(status, body, size);
    free(head);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct stand_in_answer answer;
    char peer[32] = "127.0.0.1";
    int ends[2];

    if (size < 1)
        return 0;
    if (!gateway.config)
        open_gateway();
    if ((bytes[0] & 3) == 1)
        strcpy(peer, "10.0.0.1");
    else if ((bytes[0] & 3) > 1)
        snprintf(peer, sizeof peer, "192.0.2.%d", bytes[0] & 0x3f);
    gateway.peers = bytes[0] & 0x40 ? two_peers : one_peer;
    peers_are_away = bytes[0] >> 7;
    changes = 0;
    FUZZ_ASSERT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    shutdown(ends[1], SHUT_WR);         /* the client has said everything */
    client_fd = ends[0];
    if (stand_in_serve(peer, bytes + 1, size - 1, &answer) == 0) {
        check_answer(&answer, size > 5 && memcmp(bytes + 1, "HEAD ", 5) == 0);
        if ((bytes[0] & 3) > 1 && !memmem(bytes, size, TOKEN, strlen(TOKEN)))
            FUZZ_ASSERT(changes == 0 || memmem(bytes, size, "ntc_session", 11));
    }
    close(ends[0]);
    close(ends[1]);
    return 0;
}
