/* source_counters - the arithmetic of the kernel's counters: what is due, and how status shows it.
 */
#ifndef SOURCE_COUNTERS_H
#define SOURCE_COUNTERS_H

#include "collector_status.h"
#include "kernel_contract.h"

/* Count a record as the TC programs do. */
void source_counters_add(struct ntc_counters *counters, unsigned group, unsigned direction,
                         unsigned action, uint64_t packets, uint64_t bytes);

/* Packets (bytes) that were counted and have a record, delivered or lost. */
uint64_t source_counters_due_packets(const struct ntc_counters *counters);
uint64_t source_counters_due_bytes(const struct ntc_counters *counters);

/* Copy the counters into the status; the losses of the ring become its first row. */
void source_counters_show(const struct ntc_counters *counters, struct collector_status *status);

#endif
