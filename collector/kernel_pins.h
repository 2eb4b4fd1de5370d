/* kernel_pins - where maps and programs outlive the collector, for the next one to take over.
 *
 * One folder of a bpffs per layout of the maps.  A collector begins with the maps it finds there,
 * and pins its own when its programs are in place: until then a crash leaves the old state whole.
 */
#ifndef KERNEL_PINS_H
#define KERNEL_PINS_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "ntc.skel.h"

#define KERNEL_PINS_MAPS 16     /* the object has fewer */

struct kernel_pins {
    char path[PATH_MAX];        /* network.pin_path */
    char folder[PATH_MAX];      /* path and the layout version */
};

/* What an earlier collector has left. */
struct kernel_heritage {
    bool taken_over;            /* the counters, and all else that fitted, are used on */
    int ring_fd;                /* its ring, if ours has another size, or -1; the caller closes */
    int maps[KERNEL_PINS_MAPS]; /* in the order of the object: those of another capacity, or -1 */
};

/* Make the folder, and mount the standard bpffs if it is missing.
 * Returns 0, or -errno with a sentence for people in `why` (at least 256 bytes). */
int kernel_pins_open(struct kernel_pins *ret_self, const char *pin_path, char *why,
                     size_t why_size);

/* Let an object that is open but not loaded, its capacities set, use the maps that are pinned. */
void kernel_pins_adopt(const struct kernel_pins *self, struct ntc_bpf *skeleton,
                       struct kernel_heritage *ret_heritage);

/* Once it is loaded, copy what the maps of other capacities hold, as much as fits, and close
 * these. */
void kernel_pins_carry_over(struct ntc_bpf *skeleton, struct kernel_heritage *heritage);

/* Pin all maps and programs in place of those of an earlier collector.  Returns 0 or -errno. */
int kernel_pins_save(const struct kernel_pins *self, const struct ntc_bpf *skeleton);

void kernel_pins_remove(const struct kernel_pins *self);

#endif
