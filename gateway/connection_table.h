/* connection_table - the connections that http_front holds, and whose turn it is.
 *
 * A connection waits for its request, is ready when that is there, is handed to civetweb, and
 * served by it.  Fixed in size; not locked: http_front does that.
 */
#ifndef CONNECTION_TABLE_H
#define CONNECTION_TABLE_H

#include "clock.h"
#include "http_front.h"

#define CONNECTION_SHARES 4096          /* a power of two */
#define CONNECTION_TURN_NS (NS_PER_S / 4)

enum connection_state { FREE = 0, WAITING, READY, HANDED, SERVED };

struct connection {
    struct http_client client;          /* first: http_front_release() gets its address */
    enum connection_state state;
    uint32_t addr;                      /* network order */
    uint64_t since_ns;                  /* of this state, CLOCK_MONOTONIC */
    int inner_fd;                       /* HANDED: our end of the connection to civetweb */
};

struct connection_table {
    uint32_t capacity;
    struct connection *connections;     /* capacity of them, the owner's, zeroed at first */
    uint32_t served;                    /* HANDED and SERVED */
    /* By a hash of the address: how many of those, and when the last of them began. */
    uint16_t shares[CONNECTION_SHARES];
    uint64_t begun_ns[CONNECTION_SHARES];
};

/* Give up the place of a connection that is closed. */
void connection_free(struct connection *connection);

/* End a connection that civetweb does not have. */
void connection_drop(struct connection *connection);

struct connection *connection_table_find_free(struct connection_table *self);

/* The one that is in this state for the longest, or NULL. */
struct connection *connection_table_oldest(struct connection_table *self,
                                           enum connection_state state);

/* Whose turn it is: of the addresses that civetweb serves least the one that is READY for the
 * longest, or NULL.  Who was served is as one that comes CONNECTION_TURN_NS later.  So one that
 * asks for much is in the way of nobody else. */
struct connection *connection_table_next(struct connection_table *self);

/* Note that civetweb has got the connection (one = 1), or given it back (-1). */
void connection_table_count_served(struct connection_table *self,
                                   const struct connection *connection, int one);

/* Make room: who has waited longest without a request goes.  If all have sent theirs, anyone: a
 * flood is hit in proportion to its share.  Returns the free place, or NULL. */
struct connection *connection_table_evict(struct connection_table *self);

/* How many are of this address, in network order. */
uint32_t connection_table_count_of(const struct connection_table *self, uint32_t addr);

#endif
