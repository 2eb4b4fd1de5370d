/* port_set - which destination ports each owner has used in the last WINDOW_S seconds, exactly.
 *
 * One fixed table of (owner, port) with the second of its latest use.  A use of a known port writes
 * one number; a port that falls out of the window is met once, by the list of its
 * second.  So the count of an owner is always at hand and nothing is ever walked to get it.
 */
#ifndef PORT_SET_H
#define PORT_SET_H

#include <stdint.h>

#define PORT_SET_NONE UINT32_MAX

struct slot_bits;

typedef struct port_set port_set_t;

/* Make room for `capacity` ports of owners 0 to owners - 1; `seed` keys the hash.  Owners whose
 * count changes are added to `changed`, which must outlive the set.  Returns a set the caller
 * destroys, or NULL when memory is short.  Memory when full: 44 to 60 bytes a port. */
port_set_t *port_set_new(uint32_t capacity, uint32_t owners, uint64_t seed,
                         struct slot_bits *changed);

/* Free the set and set *self_p to NULL.  Does nothing when *self_p is NULL. */
void port_set_destroy(port_set_t **self_p);

/* `owner` uses `port` in `second`, which is in the window.  `hint` is what the last call for the
 * same pair returned, or PORT_SET_NONE; a stale hint costs a look-up.
 * Returns a hint, or PORT_SET_NONE when the set is full and the port is refused. */
uint32_t port_set_touch(port_set_t *self, uint32_t owner, uint16_t port, uint32_t second,
                        uint32_t hint);

/* Forget all ports of `owner`.  O(its ports). */
void port_set_forget(port_set_t *self, uint32_t owner);

/* Begin `second`: the next, or any later one while the set is empty. */
void port_set_step(port_set_t *self, uint32_t second);

uint32_t port_set_count(const port_set_t *self, uint32_t owner);    /* ports in the window */
uint32_t port_set_size(const port_set_t *self);         /* of all owners */
uint32_t port_set_capacity(const port_set_t *self);
uint64_t port_set_refused(const port_set_t *self);      /* calls that found no place */

#endif
