/* collector_table - the collectors that were heard of, each with its stream, clock and last status.
 */
#ifndef COLLECTOR_TABLE_H
#define COLLECTOR_TABLE_H

#include "loss_ledger.h"
#include "snapshot.h"

#define COLLECTOR_AWAY_S 3      /* silent for this long: away */
#define COLLECTOR_BOOTS 4       /* earlier boot_ids that are known again */

struct collector {
    char id[COLLECTOR_ID_SIZE];
    uint32_t index;             /* flow_key.collector */
    bool is_away;
    bool has_status;
    bool has_clock;             /* offset_s was fixed by a record of this stream */
    uint32_t flips;             /* times in a row that an earlier boot_id came back */
    uint64_t past_boot_ids[COLLECTOR_BOOTS];    /* a ring; past_count of them, the newest last */
    uint32_t past_count;
    uint64_t conflict_ns;       /* local time of the last new boot_id or refused rival */
    uint64_t rival_ns;          /* local time of the last refused rival, 0 = never */
    uint64_t heard_ns;          /* local time of the last message */
    uint64_t status_ns;         /* local time of the last status */
    uint64_t moved_ns;          /* local time at which its counters were seen to have moved last */
    uint32_t restarts;          /* boot_ids that were new */
    uint64_t restarted_ns;      /* local time of the last one */
    uint32_t returns;           /* times it came back from being away */
    uint64_t returned_ns;       /* local time of the last one */
    uint64_t newest_ns;         /* latest time of its own clock */
    int64_t offset_s;           /* timeline - its clock */
    int64_t wall_offset_ns;     /* unix time - its clock */
    struct loss_ledger ledger;
    struct collector_status status;     /* the last one, if has_status */
};

typedef struct collector_table collector_table_t;

/* Make an empty table for SNAPSHOT_MAX_COLLECTORS.  Returns a table the caller destroys, or NULL
 * when memory is short. */
collector_table_t *collector_table_new(void);

/* Free the table and set *self_p to NULL.  Does nothing when *self_p is NULL. */
void collector_table_destroy(collector_table_t **self_p);

/* The collector of this name, a new zeroed one (heard_ns is 0), or NULL when the table is full.
 * Collectors stay where they are. */
struct collector *collector_table_find(collector_table_t *self, const char *id);

/* The collector of this name, or NULL. */
const struct collector *collector_table_known(const collector_table_t *self, const char *id);

uint32_t collector_table_size(const collector_table_t *self);
const struct collector *collector_table_at(const collector_table_t *self, uint32_t index);

/* Mark those away that were heard of last before `since_ns` of local time, and call `on_away` once
 * for each. */
typedef void collector_away_fn(const struct collector *collector, void *arg);
void collector_table_mark_away(collector_table_t *self, uint64_t since_ns,
                               collector_away_fn *on_away, void *arg);

bool collector_table_all_away(const collector_table_t *self);   /* false when there is none */

#endif
