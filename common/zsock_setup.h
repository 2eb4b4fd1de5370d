/* zsock_setup - the one place where ZeroMQ sockets are made, so that all have the same bounds.
 *
 * Every socket has a queue limit, a message limit, time-outs for silent peers and, where it sends,
 * a linger that lets a clean stop deliver.  libzmq lets a second process steal an ipc path in
 * silence, hence the lock file beside each bound path.
 */
#ifndef ZSOCK_SETUP_H
#define ZSOCK_SETUP_H

#include <czmq.h>
#include <sys/un.h>

#include "peer_keys.h"

#include "ip_addr.h"

#define ZSOCK_MAX_MESSAGE (1024 * 1024)     /* bytes; a peer that announces more is cut off */

/* Socket names inside bus.directory, as endpoint suffixes. */
#define BUS_EVENTS "events"
#define BUS_COMMANDS "commands"
#define BUS_SNAPSHOTS "snapshots"
#define BUS_QUERIES "queries"

/* Write "ipc://DIRECTORY/NAME" into `endpoint`.
 * Returns 0, or -ENAMETOOLONG when it does not fit a sockaddr_un. */
int zsock_setup_endpoint(char endpoint[128], const char *directory, const char *name);

/* A socket that is bound, and the lock that keeps its path ours. */
struct bound_socket {
    zsock_t *socket;
    int lock_fd;                /* -1 = it has no path */
    char path[sizeof(((struct sockaddr_un *) NULL)->sun_path)];
};

/* Make a socket of `type` (ZMQ_XPUB, ZMQ_REP, ...) with `queue` messages per peer, and bind it.
 * The folder is made if missing (0750); the path is 0660.
 * Returns 0, -EADDRINUSE when another process holds the path, or another -errno. */
int zsock_setup_bind(struct bound_socket *ret_bound, int type, const char *endpoint, int queue);

/* Close the socket, remove its path and lock.  Does nothing twice. */
void zsock_setup_unbind(struct bound_socket *bound);

/* Make a socket of `type` and connect it; the peer need not be there yet.  The send of a ZMQ_REQ or
 * ZMQ_DEALER socket fails with EAGAIN while no peer is connected, instead of queueing for one that
 * may come much later; a ZMQ_REQ socket may send again without an answer (late ones are dropped).
 * Returns the socket, which the caller destroys, or NULL (errno is set; ENOKEY: a tcp endpoint). */
zsock_t *zsock_setup_connect(int type, const char *endpoint, int queue);

/* Make room for the sockets and descriptors that connections to `peers` collectors take, beside
 * `others` descriptors, as far as the system allows.  Call it before the first socket is made. */
void zsock_setup_make_room(uint32_t peers, uint32_t others);

/* Make a socket of `type` for `endpoint`, not connected yet.
 * Returns the socket, which the caller destroys, or NULL when memory is short. */
zsock_t *zsock_setup_new(int type, const char *endpoint, int queue);

/* Bind `socket` also to a tcp endpoint, encrypted with CURVE by our own pair.  Who may connect is
 * asked of the handler at inproc://zeromq.zap.01, which must be bound before; without one nobody
 * gets in.
 * Returns 0, -EADDRINUSE when the port is taken, -EADDRNOTAVAIL when the address is not (yet) one
 * of this host, -ENOTSUP when libzmq has no CURVE, or another -errno. */
int zsock_setup_secure_bind(zsock_t *socket, const char *endpoint,
                            const struct peer_key_pair *own);

/* Connect `socket` to a tcp endpoint, encrypted with CURVE; only the owner of the key `server` can
 * answer there.  Returns 0, -ENOTSUP when libzmq has no CURVE, or another -errno. */
int zsock_setup_secure_connect(zsock_t *socket, const char *endpoint,
                               const struct peer_key_pair *own, const struct peer_key *server);

/* Call `handler` when `socket` has something to read.  Returns 0 or -ENOMEM. */
int zsock_setup_watch(zloop_t *loop, zsock_t *socket, zloop_reader_fn *handler, void *arg);

/* Call `handler` when something about `socket` has changed.  It costs less: zloop asks what it
 * watches as above twice in every round.  But a change is told once, so the handler must take all
 * there is or look again, and so must who has sent on the socket.  Returns 0 or -ENOMEM. */
int zsock_setup_watch_changes(zloop_t *loop, zsock_t *socket, zloop_fn *handler, void *arg);

/* The uid of the process that sent `message` over ipc, or -ENODATA when the transport has none. */
long zsock_setup_peer_uid(zmq_msg_t *message);

/* Address of the peer that sent it by tcp://; all zeros when it is not known. */
struct ip_addr zsock_setup_peer_addr(zmq_msg_t *message);

#endif
