/* tc_attachment - keeps our programs on every interface that the configuration names.
 *
 * Listens to rtnetlink: an interface that appears, or returns under a new index, gets the programs
 * at once.  Programs of others, and a clsact that carries them, are never touched.
 */
#ifndef TC_ATTACHMENT_H
#define TC_ATTACHMENT_H

#include "collector_status.h"
#include "kernel_source.h"

typedef struct tc_attachment tc_attachment_t;

/* Can an interface of this link type (ARPHRD_*) be watched? */
bool tc_attachment_can_watch(unsigned link_type);

/* Open the rtnetlink socket.  `network`, which must stay, names the interfaces (names and globs;
 * none = the device of the default route, IPv4 first, followed when the route moves), the folder
 * for links and the way onto them.  Nothing is attached yet.  Returns 0 or -errno. */
int tc_attachment_open(tc_attachment_t **ret_self, const struct config_network *network,
                       const kernel_source_t *source);

/* Attach to every matching interface that exists now, replacing an earlier collector's programs in
 * place.  Failures are logged and kept in the states.  Returns how many are attached. */
uint32_t tc_attachment_attach(tc_attachment_t *self);

/* Readable when links have changed; call tc_attachment_on_links() then.  Never blocks. */
int tc_attachment_fd(const tc_attachment_t *self);
void tc_attachment_on_links(tc_attachment_t *self);

/* Put back what somebody has removed: nothing tells when a link of tcx is taken off.  Some system
 * calls per interface. */
void tc_attachment_check(tc_attachment_t *self);

/* Write the state of every interface we know, names that are away included, into `states`.
 * Returns how many, at most STATUS_MAX_INTERFACES. */
uint32_t tc_attachment_states(const tc_attachment_t *self, struct interface_state *states);

/* Take our programs off every interface; remove a clsact only if we made it and it is empty. */
void tc_attachment_detach(tc_attachment_t *self);

/* Close the socket, leave the programs where they are, set *self_p to NULL. */
void tc_attachment_destroy(tc_attachment_t **self_p);

#endif
