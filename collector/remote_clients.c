#include "remote_clients.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bus_endpoint.h"
#include "client_keys.h"
#include "clock.h"
#include "log.h"
#include "tcp_connections.h"
#include "zsock_setup.h"

#define ZAP_ENDPOINT "inproc://zeromq.zap.01"
#define LOCAL "localhost"       /* libzmq's address of a peer over ipc begins so */
#define ZAP_VERSION "1.0"
#define TELL_AGAIN_NS (10 * NS_PER_S)   /* strangers must not fill the journal */

enum {
    REQUESTS_AT_ONCE = 64,
    ZAP_FRAMES = 7,             /* version, request, domain, address, identity, mechanism, key */
    REFUSED_MAX = 16,           /* keys that were refused and told */
};

struct remote_clients {
    const struct config *config;
    struct peer_key_pair own;
    client_keys_t *keys;
    zsock_t *zap;               /* REP */
    zsock_t *events, *commands; /* sockets of others that listen, NULL = not yet */
    tcp_connections_t *connections;
    bool waits_for_address;
    struct peer_key refused[REFUSED_MAX];
    unsigned next_refused;
    uint64_t told_ns;           /* CLOCK_MONOTONIC of the last word about a stranger, 0 = none */
    unsigned untold;
    bool has_flood;             /* of connections, in the last second */
};

/* ---- the folder ---- */

static void on_report(const char *sentence, void *arg)
{
    (void) arg;
    log_warning("%s", sentence);
}

static void refresh(remote_clients_t *self)
{
    unsigned gone = client_keys_refresh(self->keys, on_report, NULL);

    if (gone == 0)
        return;
    tcp_connections_cut(self->connections);     /* who still has a key is back at once */
    log_info("%u key%s gone from %s/clients: cut off", gone, gone == 1 ? " is" : "s are",
             self->config->bus.keys);
}

/* ---- who may connect ---- */

static void tell_refused(remote_clients_t *self, const struct peer_key *key, const char *address)
{
    uint64_t now_ns = clock_monotonic_ns();
    char text[PEER_KEY_TEXT_SIZE];

    for (unsigned i = 0; i < REFUSED_MAX; i++)
        if (memcmp(&self->refused[i], key, sizeof *key) == 0)
            return;
    if (self->told_ns != 0 && now_ns - self->told_ns < TELL_AGAIN_NS) {
        self->untold++;
        return;
    }
    peer_key_format(key, text);
    log_warning("refused %s, whose key %s is in no file of %s/clients", address, text,
                self->config->bus.keys);
    if (self->untold > 0)
        log_warning("refused %u more attempts with unknown keys", self->untold);
    self->told_ns = now_ns;
    self->untold = 0;
    self->refused[self->next_refused] = *key;
    self->next_refused = (self->next_refused + 1) % REFUSED_MAX;
}

static bool may_connect(remote_clients_t *self, const struct peer_key *key, const char *address)
{
    refresh(self);              /* not only every second: who was let in wants to come at once */
    struct client_key *client = client_keys_find(self->keys, key);

    if (!client) {
        tell_refused(self, key, address);
        return false;
    }
    if (!client->is_greeted)
        log_info("client %s is connected, from %s%s", client->name, address,
                 client->is_read_only ? "; it may not change the lists" : "");
    client->is_greeted = true;
    return true;
}

static bool is_text(zmsg_t *message, const char *text)
{
    zframe_t *frame = zmsg_next(message);

    return frame && zframe_streq(frame, text);
}

/* Take a request apart.  Returns the address of the peer, which the caller frees, or NULL when it
 * is none for CURVE.  `*ret_request` goes into the answer, also then. */
static char *parse_request(zmsg_t *message, zframe_t **ret_request, struct peer_key *ret_key)
{
    bool is_good = zmsg_size(message) == ZAP_FRAMES;

    zmsg_first(message);
    is_good &= zframe_streq(zmsg_first(message), ZAP_VERSION);
    *ret_request = zmsg_next(message);
    zmsg_next(message);                         /* the domain: there is one */
    zframe_t *address = zmsg_next(message);
    zmsg_next(message);                         /* the identity: what the peer calls itself */
    is_good &= is_text(message, "CURVE");
    zframe_t *key = zmsg_next(message);
    is_good &= key && zframe_size(key) == sizeof ret_key->bytes;
    if (!is_good)
        return NULL;
    memcpy(ret_key->bytes, zframe_data(key), sizeof ret_key->bytes);
    return zframe_strdup(address);
}

/* The key goes along with every message of the connection, as its User-Id. */
static void answer(remote_clients_t *self, zmsg_t *message)
{
    struct peer_key key;
    char text[PEER_KEY_TEXT_SIZE] = "";
    zframe_t *request = NULL;
    char *address = parse_request(message, &request, &key);
    bool is_allowed = address && may_connect(self, &key, address);
    zmsg_t *reply = zmsg_new();

    if (is_allowed)
        peer_key_format(&key, text);
    zmsg_addstr(reply, ZAP_VERSION);
    zmsg_addmem(reply, request ? zframe_data(request) : NULL, request ? zframe_size(request) : 0);
    zmsg_addstr(reply, is_allowed ? "200" : "400");
    zmsg_addstr(reply, is_allowed ? "OK" : "unknown key");
    zmsg_addstr(reply, text);
    zmsg_addmem(reply, NULL, 0);
    zmsg_send(&reply, self->zap);
    zmsg_destroy(&reply);
    free(address);
}

bool remote_clients_on_request(remote_clients_t *self)
{
    for (int i = 0; i < REQUESTS_AT_ONCE; i++) {
        if (!(zsock_events(self->zap) & ZMQ_POLLIN))
            return false;
        zmsg_t *message = zmsg_recv(self->zap);     /* inproc: all frames are there */
        if (!message)
            return false;
        answer(self, message);
        zmsg_destroy(&message);
    }
    return true;
}

/* Asked with every message: the file may have gone, or changed, since the handshake.  Over tcp it
 * is us who set the User-Id; a local process could call itself anything. */
bool remote_clients_may_change(remote_clients_t *self, zmq_msg_t *message)
{
    const char *address = zmq_msg_gets(message, "Peer-Address");
    const char *user = zmq_msg_gets(message, "User-Id");
    struct peer_key key;

    if (!self || !address || strncmp(address, LOCAL, strlen(LOCAL)) == 0 || !user
        || !peer_key_parse(user, &key))
        return false;
    refresh(self);
    const struct client_key *client = client_keys_find(self->keys, &key);
    return client && !client->is_read_only;
}

/* ---- listening ---- */

static int listen_at(remote_clients_t *self, zsock_t *socket, const char *endpoint, char *why,
                     size_t why_size)
{
    int rc = zsock_setup_secure_bind(socket, endpoint, &self->own);

    if (rc == -EADDRINUSE)
        snprintf(why, why_size, "cannot listen on %s: another program has the port, see bus.listen "
                 "(ss -tlnp shows which; NTC takes this port and the next)", endpoint);
    else if (rc == -EAFNOSUPPORT || rc == -EPERM || rc == -EACCES)
        snprintf(why, why_size, "cannot listen on %s: %s; the service may not use the network "
                 "before it is told so, see docs/remote.md", endpoint, strerror(-rc));
    else if (rc != 0)
        snprintf(why, why_size, "cannot listen on %s: %s; see bus.listen", endpoint,
                 strerror(-rc));
    return rc;
}

/* Both or none. */
static int listen_at_both(remote_clients_t *self, char *why, size_t why_size)
{
    const char *events = self->config->bus.listen;
    char commands[BUS_ENDPOINT_SIZE];

    if (bus_endpoint_commands(commands, events) != 0)
        return -EINVAL;
    int rc = listen_at(self, self->events, events, why, why_size);
    if (rc != 0)
        return rc;
    rc = listen_at(self, self->commands, commands, why, why_size);
    if (rc != 0)
        zsock_unbind(self->events, "%s", events);
    else
        log_info("listening on %s and %s for %u known client%s", events, commands,
                 client_keys_size(self->keys), client_keys_size(self->keys) == 1 ? "" : "s");
    return rc;
}

int remote_clients_listen(remote_clients_t *self, zsock_t *events, zsock_t *commands, char *why,
                          size_t why_size)
{
    assert(self && events && commands);

    self->events = events;
    self->commands = commands;
    int rc = listen_at_both(self, why, why_size);
    if (rc != -EADDRNOTAVAIL)
        return rc;
    log_warning("%s is no address of this host yet: waiting for it", self->config->bus.listen);
    self->waits_for_address = true;     /* at boot we are there before the network */
    return 0;
}

static void thin_out(remote_clients_t *self)
{
    unsigned cut = tcp_connections_thin_out(self->connections);

    if (cut > 0 && !self->has_flood)
        log_warning("too many connections from one address: ended %u; a firewall should keep "
                    "strangers away from the ports of bus.listen", cut);
    self->has_flood = cut > 0;
}

void remote_clients_on_second(remote_clients_t *self)
{
    char why[512] = "";

    refresh(self);
    thin_out(self);
    if (!self->waits_for_address)
        return;
    int rc = listen_at_both(self, why, sizeof why);
    self->waits_for_address = rc == -EADDRNOTAVAIL;
    if (rc != 0 && rc != -EADDRNOTAVAIL)
        log_error("%s", why);
}

/* ---- life ---- */

int remote_clients_open(remote_clients_t **ret_self, const struct config *config, char *why,
                        size_t why_size)
{
    assert(ret_self && config);

    struct bus_endpoint endpoint;
    remote_clients_t *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    self->config = config;
    int rc = bus_endpoint_parse(config->bus.listen, &endpoint, why, why_size);
    if (rc == 0)
        rc = tcp_connections_open(&self->connections, endpoint.port);
    if (rc != 0)
        snprintf(why, why_size, "cannot look after connections: %s", strerror(-rc));
    if (rc == 0)
        rc = peer_keys_read_own(config->bus.keys, &self->own, why, why_size);
    if (rc == 0)
        rc = (self->keys = client_keys_new(config->bus.keys)) ? 0 : -ENOMEM;
    if (rc == 0) {
        self->zap = zsock_new(ZMQ_REP);
        if (!self->zap || zsock_bind(self->zap, ZAP_ENDPOINT) != 0) {
            rc = -zmq_errno();
            snprintf(why, why_size, "cannot answer for keys: %s", strerror(-rc));
        }
    }
    if (rc == 0) {
        refresh(self);
        *ret_self = self;
    } else {
        remote_clients_destroy(&self);
    }
    return rc;
}

void remote_clients_destroy(remote_clients_t **self_p)
{
    assert(self_p);

    remote_clients_t *self = *self_p;
    if (!self)
        return;
    zsock_destroy(&self->zap);
    client_keys_destroy(&self->keys);
    tcp_connections_destroy(&self->connections);
    explicit_bzero(&self->own, sizeof self->own);
    free(self);
    *self_p = NULL;
}

zsock_t *remote_clients_socket(const remote_clients_t *self) { return self->zap; }
