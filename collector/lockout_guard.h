/* lockout_guard - whether a change of the lists would cut off somebody who is needed.
 *
 * Needed are this host's own addresses, its default gateways, its DNS servers and whoever asks for
 * the change.  Cut off is who is blacklisted for longer than whitelisted.  Pure: reads no clock
 * and no system.
 */
#ifndef LOCKOUT_GUARD_H
#define LOCKOUT_GUARD_H

#include "ip_list.h"
#include "surroundings.h"

struct list_edit {
    enum ntc_list list;
    struct ip_prefix prefix;
    bool is_removal;
    uint64_t expires_ns;        /* of what is added; CLOCK_BOOTTIME, 0 = never */
};

/* Whose wish it is: the client, and the peer that brought it over the network.  All zeros = not
 * known. */
#define LOCKOUT_ASKERS 2

/* Would this edit of `lists` cut off an address that is not cut off at `now_ns` already?
 * Returns false, or true with an ASCII sentence in `why` (as much as fits of who and why). */
bool lockout_guard_refuses(const ip_list_t *lists, const struct list_edit *edit,
                           const struct surroundings *surroundings,
                           const struct ip_addr askers[LOCKOUT_ASKERS], uint64_t now_ns,
                           char *why, size_t why_size);

#endif
