#include "zsock_setup.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>

#define IPC "ipc://"
#define TCP "tcp://"
#define LOCK_SUFFIX ".lock"
#define LOCK_TRIES 16           /* each lost race needs a peer that stops at that moment */

enum {
    MAX_IPC_PATH = sizeof(((struct sockaddr_un *) NULL)->sun_path) - 1,
    MAX_LOCK_PATH = MAX_IPC_PATH + sizeof LOCK_SUFFIX,
    OTHER_SOCKETS = 1024,           /* what libzmq and the system allow by themselves */
    LINGER_MS = 2000,
    HANDSHAKE_MS = 2000,
    RECONNECT_MS = 100,
    RECONNECT_MAX_TCP_MS = 5000,
    RECONNECT_MAX_IPC_MS = 500,     /* well within the second that a question waits for its peer */
    HEARTBEAT_MS = 2000,            /* tcp: a cable that is pulled tells nobody */
    HEARTBEAT_TIMEOUT_MS = 6000,
};

/* A connection is refused while nobody answers for its key, instead of let in: libzmq does as it
 * says since 4.3, but names the option among its drafts only. */
#define ENFORCE_ZAP_DOMAIN 93

int zsock_setup_endpoint(char endpoint[128], const char *directory, const char *name)
{
    assert(endpoint && directory && name);

    int length = snprintf(endpoint, 128, IPC "%s/%s", directory, name);
    return length - (int) strlen(IPC) > MAX_IPC_PATH ? -ENAMETOOLONG : 0;
}

static const char *ipc_path_of(const char *endpoint)
{
    return strncmp(endpoint, IPC, strlen(IPC)) == 0 ? endpoint + strlen(IPC) : NULL;
}

static bool is_tcp(const char *endpoint)
{
    return strncmp(endpoint, TCP, strlen(TCP)) == 0;
}

zsock_t *zsock_setup_new(int type, const char *endpoint, int queue)
{
    assert(endpoint && queue > 0);

    zsock_t *socket = zsock_new(type);

    if (!socket)
        return NULL;
    zsock_set_sndhwm(socket, queue);
    zsock_set_rcvhwm(socket, queue);
    zsock_set_maxmsgsize(socket, ZSOCK_MAX_MESSAGE);
    /* What a SUB would linger for is a subscription at a publisher that is not there. */
    zsock_set_linger(socket, type == ZMQ_SUB ? 0 : LINGER_MS);
    zsock_set_handshake_ivl(socket, HANDSHAKE_MS);
    zsock_set_reconnect_ivl(socket, RECONNECT_MS);
    zsock_set_reconnect_ivl_max(socket, ipc_path_of(endpoint) ? RECONNECT_MAX_IPC_MS
                                                              : RECONNECT_MAX_TCP_MS);
    if (type == ZMQ_REQ || type == ZMQ_DEALER)
        zsock_set_immediate(socket, 1);     /* do not keep questions for a peer that is away */
    if (type == ZMQ_REQ) {
        zsock_set_req_relaxed(socket, 1);
        zsock_set_req_correlate(socket, 1);
    }
    return socket;
}

/* Make the folder of `path` if it is missing.  Its own folder must be there. */
static int make_folder(const char *path)
{
    char folder[MAX_IPC_PATH + 1];
    const char *slash = strrchr(path, '/');

    if (!slash || slash == path)
        return 0;
    snprintf(folder, sizeof folder, "%.*s", (int) (slash - path), path);
    return mkdir(folder, 0750) == 0 || errno == EEXIST ? 0 : -errno;
}

/* Take the lock of `path`.  Whoever stops removes the file it holds, so what was locked may be gone
 * from the folder by then: only a lock on the file that is still there counts.
 * Returns the descriptor, -EADDRINUSE when another process holds it, or another -errno. */
static int take_lock(const char *path)
{
    char lock_path[MAX_LOCK_PATH];
    struct stat held, present;

    snprintf(lock_path, sizeof lock_path, "%s" LOCK_SUFFIX, path);
    for (int tries = 0; tries < LOCK_TRIES; tries++) {
        int fd = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
            return -errno;
        if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
            int error = errno == EWOULDBLOCK ? EADDRINUSE : errno;
            close(fd);
            return -error;
        }
        if (fstat(fd, &held) == 0 && stat(lock_path, &present) == 0
            && held.st_ino == present.st_ino && held.st_dev == present.st_dev)
            return fd;
        close(fd);
    }
    return -EADDRINUSE;
}

/* Remove the path and its lock file, in this order, and give up the lock. */
static void release_lock(int lock_fd, const char *path)
{
    char lock_path[MAX_LOCK_PATH];

    snprintf(lock_path, sizeof lock_path, "%s" LOCK_SUFFIX, path);
    unlink(path);
    unlink(lock_path);
    close(lock_fd);
}

/* A peer over tcp takes two links (events, commands), each of them a socket, two more that tell
 * what becomes of it, a descriptor for each and one for the connection. */
void zsock_setup_make_room(uint32_t peers, uint32_t others)
{
    rlim_t wanted = OTHER_SOCKETS + others + 8 * peers;
    struct rlimit limit;

    zsys_set_max_sockets(OTHER_SOCKETS + 6 * peers);
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    setrlimit(RLIMIT_NOFILE, &limit);
}

int zsock_setup_bind(struct bound_socket *ret_bound, int type, const char *endpoint, int queue)
{
    assert(ret_bound && endpoint && queue > 0);

    struct bound_socket bound = { .lock_fd = -1 };
    const char *path = ipc_path_of(endpoint);
    int rc = 0;

    if (path && strlen(path) > MAX_IPC_PATH)
        return -ENAMETOOLONG;
    if (path)
        strcpy(bound.path, path);
    if (path && (rc = make_folder(path)) != 0)
        return rc;
    if (path && (rc = bound.lock_fd = take_lock(path)) < 0)
        return rc;
    bound.socket = zsock_setup_new(type, endpoint, queue);
    if (bound.socket) {
        /* libzmq makes the path in this call, with what the umask leaves of 0777. */
        mode_t mask = umask(0117);
        rc = zsock_bind(bound.socket, "%s", endpoint) < 0 ? -zmq_errno() : 0;
        umask(mask);
    } else {
        rc = -ENOMEM;
    }
    if (rc < 0) {
        zsock_destroy(&bound.socket);
        if (path)
            release_lock(bound.lock_fd, path);
        return rc;
    }
    *ret_bound = bound;
    return 0;
}

void zsock_setup_unbind(struct bound_socket *bound)
{
    assert(bound);

    if (!bound->socket)
        return;
    zsock_destroy(&bound->socket);
    if (bound->lock_fd >= 0)
        release_lock(bound->lock_fd, bound->path);
    bound->lock_fd = -1;
}

/* What tcp needs beyond the bounds of every socket.  libzmq copies the options when it binds or
 * connects, so an ipc path that the socket has already stays as it is. */
static void set_tcp(zsock_t *socket, const char *endpoint, const struct peer_key_pair *own)
{
    void *handle = zsock_resolve(socket);

    zsock_set_heartbeat_ivl(socket, HEARTBEAT_MS);
    zsock_set_heartbeat_timeout(socket, HEARTBEAT_TIMEOUT_MS);
    zsock_set_heartbeat_ttl(socket, HEARTBEAT_TIMEOUT_MS);
    /* Only where an address says so: a name is looked up as IPv4, where 0.0.0.0 is listening. */
    zsock_set_ipv6(socket, endpoint[strlen(TCP)] == '[');
    zmq_setsockopt(handle, ZMQ_CURVE_SECRETKEY, own->secret.bytes, sizeof own->secret.bytes);
}

int zsock_setup_secure_bind(zsock_t *socket, const char *endpoint, const struct peer_key_pair *own)
{
    assert(socket && own && is_tcp(endpoint));

    int yes = 1;

    set_tcp(socket, endpoint, own);
    zsock_set_curve_server(socket, 1);
    zsock_set_zap_domain(socket, "ntc");
    if (zmq_setsockopt(zsock_resolve(socket), ENFORCE_ZAP_DOMAIN, &yes, sizeof yes) != 0
        || zsock_mechanism(socket) != ZMQ_CURVE)
        return -ENOTSUP;
    return zmq_bind(zsock_resolve(socket), endpoint) == 0 ? 0 : -zmq_errno();
}

int zsock_setup_secure_connect(zsock_t *socket, const char *endpoint,
                               const struct peer_key_pair *own, const struct peer_key *server)
{
    assert(socket && own && server && is_tcp(endpoint));

    void *handle = zsock_resolve(socket);

    set_tcp(socket, endpoint, own);
    zmq_setsockopt(handle, ZMQ_CURVE_PUBLICKEY, own->public.bytes, sizeof own->public.bytes);
    zmq_setsockopt(handle, ZMQ_CURVE_SERVERKEY, server->bytes, sizeof server->bytes);
    if (zsock_mechanism(socket) != ZMQ_CURVE)
        return -ENOTSUP;
    return zmq_connect(handle, endpoint) == 0 ? 0 : -zmq_errno();
}

zsock_t *zsock_setup_connect(int type, const char *endpoint, int queue)
{
    assert(endpoint && queue > 0);

    if (is_tcp(endpoint)) {
        errno = ENOKEY;
        return NULL;
    }
    zsock_t *socket = zsock_setup_new(type, endpoint, queue);
    if (!socket) {
        errno = ENOMEM;
        return NULL;
    }
    if (zsock_connect(socket, "%s", endpoint) != 0) {
        int error = zmq_errno();
        zsock_destroy(&socket);
        errno = error;
    }
    return socket;
}

int zsock_setup_watch(zloop_t *loop, zsock_t *socket, zloop_reader_fn *handler, void *arg)
{
    assert(loop && socket && handler);

    if (zloop_reader(loop, socket, handler, arg) != 0)
        return -ENOMEM;
    zloop_reader_set_tolerant(loop, socket);
    return 0;
}

int zsock_setup_watch_changes(zloop_t *loop, zsock_t *socket, zloop_fn *handler, void *arg)
{
    assert(loop && socket && handler);

    zmq_pollitem_t item = { .fd = zsock_fd(socket), .events = ZMQ_POLLIN };

    if (zloop_poller(loop, &item, handler, arg) != 0)
        return -ENOMEM;
    zloop_poller_set_tolerant(loop, &item);
    return 0;
}

/* libzmq writes "localhost:UID:GID:PID" from SO_PEERCRED; over tcp the text is a bare address. */
long zsock_setup_peer_uid(zmq_msg_t *message)
{
    const char *address = zmq_msg_gets(message, "Peer-Address");
    unsigned long uid, gid, pid;
    int end = 0;

    if (!address || sscanf(address, "localhost:%lu:%lu:%lu%n", &uid, &gid, &pid, &end) != 3
        || address[end] != '\0')
        return -ENODATA;
    return (long) uid;
}

struct ip_addr zsock_setup_peer_addr(zmq_msg_t *message)
{
    const char *text = zmq_msg_gets(message, "Peer-Address");
    struct ip_addr addr = { 0 };
    char why[160];

    if (text)
        ip_addr_parse(text, &addr, why, sizeof why);    /* a user's name is none */
    return addr;
}
