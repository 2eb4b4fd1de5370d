/* yaml_config - the one door to libyaml: reads a document of the form "block: {key: value}".
 *
 * It knows the form, not the keys.  A value is a scalar or a flat list of scalars, all of them
 * text.  Anchors, aliases, tags and further documents are mistakes: they make a file say other
 * things than a reader sees.
 */
#ifndef YAML_CONFIG_H
#define YAML_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define YAML_MAX_ITEMS 256              /* entries of a list */
#define YAML_MAX_BYTES (256 * 1024)     /* length of a document */
#define YAML_MAX_DEPTH 16               /* libyaml's time grows with the square of the depth */

struct yaml_value {
    unsigned line;                      /* 1-based */
    bool is_list;
    uint32_t size;                      /* items; 1 for a scalar */
    const char *items[YAML_MAX_ITEMS];  /* valid UTF-8 without control characters */
};

/* Lines are 1-based.  What is passed is valid only during the call. */
struct yaml_handler {
    /* A block begins.  Returns false to have it skipped. */
    bool (*on_block)(const char *block, unsigned line, void *arg);
    /* One key of a block that was not skipped. */
    void (*on_value)(const char *block, const char *key, const struct yaml_value *value, void *arg);
    /* A sentence for people.  Reading goes on behind it where the syntax allows. */
    void (*on_mistake)(unsigned line, const char *message, void *arg);
    void *arg;
};

/* Read a whole document of `size` bytes; more than YAML_MAX_BYTES is a mistake. */
void yaml_config_read(const char *text, size_t size, const struct yaml_handler *handler);

/* Read a single value and hand it on as the value of `block` and `key`. */
void yaml_config_read_value(const char *text, size_t size, const char *block, const char *key,
                            const struct yaml_handler *handler);

#endif
