/* reactor - the loop of the collector: pumps the source, reports every second, answers commands.
 *
 * One thread, one zloop.  A source that sleeps costs nothing: then only the report of each second
 * is left, which also removes what has expired from the lists.
 */
#ifndef REACTOR_H
#define REACTOR_H

#include "list_commands.h"
#include "packet_source.h"
#include "remote_clients.h"

typedef struct reactor reactor_t;

/* What runs; all of it must outlive the reactor. */
struct reactor_parts {
    struct packet_source *source;
    event_publisher_t *publisher;
    list_keeper_t *keeper;
    list_commands_t *commands;
    remote_clients_t *remote;           /* NULL = none may connect */
    const stream_recorder_t *recorder;  /* NULL = none */
    int stop_fd;                        /* of stop_signal_open() */
};

/* Returns a reactor the caller destroys, or NULL when memory is short. */
reactor_t *reactor_new(const struct reactor_parts *parts);

void reactor_destroy(reactor_t **self_p);

/* Run until a signal comes or the source ends.  Returns 0, or -EIO when the source failed
 * (`source->problem` says why). */
int reactor_run(reactor_t *self);

/* Send a last status that covers every record. */
void reactor_report(reactor_t *self);

#endif
