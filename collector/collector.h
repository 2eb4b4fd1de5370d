/* collector - the parts of the collector, started and stopped in the right order.
 *
 * Order of start: the bus (so that a second collector touches nothing), the source with its maps,
 * the lists file, the lists in the kernel, and only then the programs on the interfaces: no packet
 * of a listed address passes between two of these steps.
 */
#ifndef COLLECTOR_H
#define COLLECTOR_H

#include "collector_options.h"

typedef struct collector collector_t;

/* Start everything; what fails is logged.  `config` and `options` must outlive the collector.
 * Returns 0 or -errno: then nothing has been attached. */
int collector_start(collector_t **ret_self, const struct config *config,
                    const struct collector_options *options);

/* Run until a signal comes on `stop_fd` or the source ends, then stop cleanly: detach if the
 * configuration says so and the signal is not that of a restart (SIGUSR1), drain, report a last
 * time.  Returns 0 or -errno, logged. */
int collector_run(collector_t *self, int stop_fd);

/* Close everything; what is queued on the bus is delivered for at most its linger time. */
void collector_destroy(collector_t **self_p);

#endif
