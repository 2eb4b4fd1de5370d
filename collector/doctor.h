/* doctor - says in plain words what this machine has and lacks for watching real traffic.
 */
#ifndef DOCTOR_H
#define DOCTOR_H

#include <stdio.h>

#include "config.h"

/* Examine the machine for this configuration and write one line per finding to `file`, each that is
 * not good with what to do.  Changes nothing: what must be tried is tried in a network namespace of
 * its own.  Takes up to a second.
 * Returns how many findings would keep NTC from working. */
unsigned doctor_examine(const struct config *config, FILE *file);

#endif
