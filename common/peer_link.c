#include "peer_link.h"

#include <assert.h>
#include <errno.h>

#include "bus_endpoint.h"
#include "clock.h"
#include "zsock_setup.h"

#define SILENT_NS (3 * NS_PER_S)
#define HASTEN_NS (NS_PER_S / 4)

enum { SERVER_REFUSES = 400 };  /* status of the ZeroMQ authentication protocol (RFC 27) */

struct peer_link {
    zsock_t *socket;
    void *monitor;              /* PAIR that tells what becomes of a tcp connection */
    bool is_tcp, is_chatty, is_heard;
    bool is_connected;          /* zmq_connect() was called for it: there is a key */
    bool is_up;                 /* tcp: encrypted, and not lost since */
    bool is_trying;             /* tcp: since the last connect no attempt has ended yet */
    bool is_closed;             /* the last event: an attempt has ended, if it is tried again */
    char endpoint[BUS_ENDPOINT_SIZE];
    char keys[sizeof(((struct config *) NULL)->bus.keys)];
    uint64_t tried_ns;          /* CLOCK_MONOTONIC of the last connect */
    uint64_t heard_ns;          /* of the last message, or of the last connect for want of one */
    char reason[PEER_LINK_PROBLEM_SIZE];    /* for what happened last */
    char problem[PEER_LINK_PROBLEM_SIZE];   /* as it was told */
};

/* ---- what becomes of a connection ---- */

static void note_refusal(peer_link_t *self, uint32_t status)
{
    struct peer_key_pair own;
    char why[PEER_LINK_PROBLEM_SIZE], key[PEER_KEY_TEXT_SIZE] = "of this host";

    if (peer_keys_read_own(self->keys, &own, why, sizeof why) == 0)
        peer_key_format(&own.public, key);
    explicit_bzero(&own, sizeof own);
    if (status == SERVER_REFUSES)
        snprintf(self->reason, sizeof self->reason, "it refuses our key: put the public key %s "
                 "into a file of its folder clients", key);
    else
        snprintf(self->reason, sizeof self->reason, "it refuses us with status %u", status);
}

static void note_event(peer_link_t *self, unsigned event, uint32_t value)
{
    switch (event) {
    case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
        self->is_up = true;
        self->reason[0] = '\0';
        break;
    case ZMQ_EVENT_DISCONNECTED:
        self->is_up = false;
        break;
    case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
        note_refusal(self, value);
        break;
    case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
        snprintf(self->reason, sizeof self->reason, "what answers there is no collector with "
                 "encryption");
        break;
    case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:  /* RFC 26: a wrong server key is not answered */
        snprintf(self->reason, sizeof self->reason, "it ends the connection before it is "
                 "encrypted: either its public.key is not the one in %.200s/collectors, or it is "
                 "no collector", self->keys);
        break;
    case ZMQ_EVENT_CONNECT_RETRIED:
        if (self->is_closed)
            snprintf(self->reason, sizeof self->reason, "nothing accepts connections there");
        break;
    default:
        break;
    }
    self->is_closed = event == ZMQ_EVENT_CLOSED;
    self->is_trying &= event == ZMQ_EVENT_CONNECT_RETRIED;
}

/* Two frames each: event and value in the first, the endpoint in the second. */
static void take_events(peer_link_t *self)
{
    uint8_t frame[6];
    uint16_t event;
    uint32_t value;
    char endpoint[BUS_ENDPOINT_SIZE];

    while (self->monitor
           && zmq_recv(self->monitor, frame, sizeof frame, ZMQ_DONTWAIT) == sizeof frame) {
        zmq_recv(self->monitor, endpoint, sizeof endpoint, ZMQ_DONTWAIT);
        memcpy(&event, frame, sizeof event);
        memcpy(&value, frame + 2, sizeof value);
        note_event(self, event, value);
    }
}

/* Only on_second() empties the monitor, and libzmq's thread waits when it is full. */
static int watch_events(peer_link_t *self)
{
    char endpoint[64];

    snprintf(endpoint, sizeof endpoint, "inproc://peer-link-%p", (void *) self);
    int events = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH
        | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL
        | ZMQ_EVENT_CLOSED | ZMQ_EVENT_CONNECT_RETRIED | ZMQ_EVENT_DISCONNECTED;
    if (zmq_socket_monitor(zsock_resolve(self->socket), endpoint, events) != 0)
        return -zmq_errno();
    self->monitor = zmq_socket(zsys_init(), ZMQ_PAIR);
    if (!self->monitor || zmq_connect(self->monitor, endpoint) != 0)
        return -zmq_errno();
    return 0;
}

/* ---- life ---- */

static int connect_tcp(peer_link_t *self)
{
    struct peer_key_pair own;
    struct peer_key server;
    char why[PEER_LINK_PROBLEM_SIZE];
    int rc = peer_keys_read_own(self->keys, &own, why, sizeof why);

    if (rc == 0)
        rc = peer_keys_read_collector(self->keys, self->endpoint, &server, why, sizeof why);
    bool has_keys = rc == 0;
    if (has_keys)
        rc = zsock_setup_secure_connect(self->socket, self->endpoint, &own, &server);
    else
        memcpy(self->reason, why, sizeof why);      /* and go on: the key may come later */
    self->is_connected = self->is_trying = rc == 0;
    explicit_bzero(&own, sizeof own);
    return has_keys ? rc : 0;
}

static int connect_again(peer_link_t *self)
{
    self->tried_ns = clock_monotonic_ns();
    if (self->is_tcp)
        return connect_tcp(self);
    self->is_connected = zsock_connect(self->socket, "%s", self->endpoint) == 0;
    return self->is_connected ? 0 : -zmq_errno();
}

int peer_link_open(peer_link_t **ret_self, int type, const char *endpoint, int queue,
                   const char *keys, bool is_chatty)
{
    assert(ret_self && endpoint && queue > 0 && keys);

    struct bus_endpoint parsed;
    char why[512];
    int rc = bus_endpoint_parse(endpoint, &parsed, why, sizeof why);
    if (rc != 0)
        return rc;
    peer_link_t *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;

    self->is_tcp = parsed.is_tcp;
    self->is_chatty = is_chatty;
    snprintf(self->endpoint, sizeof self->endpoint, "%s", endpoint);
    snprintf(self->keys, sizeof self->keys, "%s", keys);
    self->socket = zsock_setup_new(type, endpoint, queue);
    rc = self->socket ? 0 : -ENOMEM;
    if (rc == 0 && self->is_tcp)
        rc = watch_events(self);
    if (rc == 0)
        rc = connect_again(self);
    self->heard_ns = self->tried_ns;
    if (rc == 0)
        *ret_self = self;
    else
        peer_link_destroy(&self);
    return rc;
}

void peer_link_destroy(peer_link_t **self_p)
{
    assert(self_p);

    peer_link_t *self = *self_p;
    if (!self)
        return;
    if (self->monitor) {
        zmq_socket_monitor(zsock_resolve(self->socket), NULL, 0);
        zmq_close(self->monitor);
    }
    zsock_destroy(&self->socket);
    free(self);
    *self_p = NULL;
}

zsock_t *peer_link_socket(const peer_link_t *self) { return self->socket; }
const char *peer_link_endpoint(const peer_link_t *self) { return self->endpoint; }
bool peer_link_is_heard(const peer_link_t *self) { return self->is_heard; }
const char *peer_link_problem(const peer_link_t *self) { return self->problem; }

/* ---- staying connected ---- */

bool peer_link_needs_seconds(const peer_link_t *self) { return self->is_chatty || self->is_tcp; }

void peer_link_heard(peer_link_t *self)
{
    self->heard_ns = clock_monotonic_ns();
    self->is_heard = true;
    self->reason[0] = self->problem[0] = '\0';
}

uint64_t peer_link_silence(const peer_link_t *self)
{
    return clock_monotonic_ns() - self->heard_ns;
}

void peer_link_reconnect(peer_link_t *self)
{
    if (self->is_connected)
        zsock_disconnect(self->socket, "%s", self->endpoint);
    connect_again(self);
}

void peer_link_hasten(peer_link_t *self)
{
    take_events(self);
    if (self->is_tcp && !self->is_up && !self->is_trying
        && clock_monotonic_ns() - self->tried_ns >= HASTEN_NS)
        peer_link_reconnect(self);
}

/* Whether the peer is silent, or away, for as long as it takes to connect anew. */
static bool is_missing(peer_link_t *self)
{
    uint64_t now_ns = clock_monotonic_ns();

    if (!self->is_chatty && (self->is_up || !self->is_tcp))
        self->heard_ns = now_ns;
    return now_ns - self->heard_ns >= SILENT_NS && !(zsock_events(self->socket) & ZMQ_POLLIN);
}

const char *peer_link_on_second(peer_link_t *self)
{
    char reason[PEER_LINK_PROBLEM_SIZE];

    take_events(self);
    if (!self->is_chatty && self->is_up)
        self->problem[0] = '\0';
    if (!is_missing(self))
        return NULL;
    self->is_heard = false;
    memcpy(reason, self->reason, sizeof reason);
    self->reason[0] = '\0';     /* what the next attempt meets */
    peer_link_reconnect(self);
    self->heard_ns = self->tried_ns;
    if (reason[0] == '\0' && self->is_tcp)
        snprintf(reason, sizeof reason, "it does not answer");
    if (strcmp(reason, self->problem) == 0)
        return NULL;
    memcpy(self->problem, reason, sizeof reason);
    return self->problem[0] != '\0' ? self->problem : NULL;
}
