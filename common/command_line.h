/* command_line - the options that all three programs share.
 *
 * --config FILE, --set KEY=VALUE, --check-config, --help, --version; a program adds its own.
 */
#ifndef COMMAND_LINE_H
#define COMMAND_LINE_H

#include "config.h"

struct command_option {
    const char *name;           /* without the dashes; NULL ends the table */
    const char *value;          /* what the value is called in --help ("FILE"), NULL = a flag */
    const char *help;           /* one line */
    /* Take the value ("" for a flag).  Returns 0, or -EINVAL after writing a sentence to `why`. */
    int (*take)(const char *value, void *arg, char *why, size_t why_size);
};

struct command_line {
    const char *program;        /* "ntc-collector" */
    const char *purpose;        /* one sentence for --help */
    const struct command_option *options;   /* the program's own, or NULL */
    void *arg;                  /* handed to take() */
};

enum { COMMAND_LINE_GO_ON = -1 };

/* Read the arguments and the configuration into `config`.  Without --config, /etc/ntc/ntc.yaml is
 * read if it exists.  --help, --version and --check-config print to stdout.  Mistakes go to stderr.
 * Returns COMMAND_LINE_GO_ON, or the code the process should exit with: 0, or 2 for bad usage or
 * configuration. */
int command_line_read(const struct command_line *self, int argc, char **argv,
                      struct config *config);

#endif
