/* flush - gives the network back: no address is blocked any more, whatever runs or does not.
 *
 * Empties the maps in the kernel by their pins, with nothing else of NTC needed; tells a collector
 * that runs; sets the lists file aside, so that a start does not bring the lists back.  The
 * programs stay attached and count.
 */
#ifndef FLUSH_H
#define FLUSH_H

#include <stdio.h>

#include "config.h"

/* Do it and say line by line on `file` what was done.
 * Returns 0, or -EIO when something could not be done: the lines say what. */
int flush_lists(const struct config *config, FILE *file);

#endif
