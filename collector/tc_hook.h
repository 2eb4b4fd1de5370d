/* tc_hook - one of our programs on one direction of one interface.
 *
 * There are two ways onto an interface.  tcx, since Linux 6.6: a link of our own, pinned so that
 * it outlives this process, ahead of everybody else's programs; no qdisc is needed and a packet is
 * there sooner (docs/performance.md).  clsact, for older kernels: a filter with our own handle.
 * Either swaps an earlier collector's program in place: there is no moment without one.
 */
#ifndef TC_HOOK_H
#define TC_HOOK_H

#include <stdbool.h>
#include <stdint.h>

#include "packet_record.h"

struct tc_hook {
    const char *pin_path;       /* folder on a bpffs for links; outlives the layouts of the maps */
    uint32_t ifindex;
    enum packet_direction direction;
    bool clsact_only;           /* network.attach: clsact */
};

/* Whether this kernel has tcx. */
bool tc_hook_has_tcx(void);

/* Put the program there, in place of an earlier one; what stands there the other way goes after it.
 * *ret_made_clsact is set to true when the interface had no clsact and has one now.
 * Returns 0, or -errno: -ENOENT or -EOPNOTSUPP without sch_ingress or cls_bpf, -EINVAL when a
 * filter of another kind has our priority, -EPERM. */
int tc_hook_attach(const struct tc_hook *self, int program_fd, bool *ret_made_clsact);

/* Whether this very program runs there. */
bool tc_hook_is_attached(const struct tc_hook *self, int program_fd);

/* Take our program off, whichever way it stands there.  Returns 0 (also when there was none) or
 * -errno. */
int tc_hook_detach(const struct tc_hook *self);

/* Forget the links of interfaces that no longer exist. */
void tc_hook_remove_stale(const char *pin_path);

#endif
