/* collector_options - what the command line of ntc-collector asks for, beside the configuration.
 */
#ifndef COLLECTOR_OPTIONS_H
#define COLLECTOR_OPTIONS_H

#include "command_line.h"

struct collector_options {
    bool mock;
    uint32_t mock_rate;         /* packets/s, MOCK_DEFAULT_RATE or MOCK_UNPACED */
    uint64_t mock_seed;
    const char *record;         /* file, NULL = none */
    const char *replay;         /* file, NULL = none */
    double replay_speed;        /* REPLAY_UNPACED or a factor */
    const char *needs_mock;     /* the option that makes sense only with --mock, if it was given */
    const char *needs_replay;
    bool doctor;                /* say what this machine has and lacks, then end */
    const char *make_keys;      /* folder to make keys in, then end; NULL = none */
    bool flush;                 /* empty the lists instead of running */
    struct config_numbers users;        /* uids that may change the lists, beside the configured */
};

/* What stands when nothing is said. */
#define COLLECTOR_OPTIONS_DEFAULT { .mock_seed = 1, .replay_speed = 1 }

/* The table for command_line_read(); its `arg` is a struct collector_options. */
extern const struct command_option COLLECTOR_OPTIONS[];

/* Add the users of the command line to `config->bus.command_uids`.
 * Returns 0, or -ENOSPC when there is no room for all of them. */
int collector_options_grant(const struct collector_options *self, struct config *config);

/* Check what concerns several options together.
 * Returns 0, or -EINVAL with a sentence in `why`. */
int collector_options_check(const struct collector_options *self, char *why, size_t why_size);

#endif
