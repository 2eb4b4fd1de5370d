/* tc_source - real traffic: the TC programs, their maps and their interfaces as a packet source.
 */
#ifndef TC_SOURCE_H
#define TC_SOURCE_H

#include "config.h"
#include "ip_list.h"
#include "list_keeper.h"
#include "packet_source.h"

typedef struct tc_source tc_source_t;

/* Does this process have the capabilities?  Returns 0, or -EPERM with a sentence in `why`. */
int tc_source_check(char *why, size_t why_size);

/* Load the programs and find or make their maps.  Nothing is attached yet.
 * Returns 0, or -errno with a sentence in `why` (at least 256 bytes). */
int tc_source_open(tc_source_t **ret_self, const struct config *config, char *why, size_t why_size);

/* Make the maps hold exactly these lists.  Returns 0 or -errno. */
int tc_source_fill_lists(tc_source_t *self, const ip_list_t *lists);

/* Put the programs on the interfaces, then leave the maps where the next collector finds them.
 * Returns 0, or -errno when they could not be pinned: then a restart loses the counters. */
int tc_source_attach(tc_source_t *self);

/* Take the programs off the interfaces and remove the pins.  What is in the ring can still be
 * drained. */
void tc_source_detach(tc_source_t *self);

/* Close everything; programs that are attached stay. */
void tc_source_destroy(tc_source_t **self_p);

/* Both are ours and valid until the source is destroyed. */
struct packet_source *tc_source_packets(tc_source_t *self);
const struct list_kernel *tc_source_list_kernel(const tc_source_t *self);

/* True when the maps of an earlier collector are used. */
bool tc_source_taken_over(const tc_source_t *self);

#endif
