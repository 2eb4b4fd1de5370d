/* query_params - the parameters behind the "?" of a request, decoded strictly.
 *
 * What is not exactly right is refused with a sentence, so that a misspelt filter never shows
 * everything.  An empty value ("port=") counts as absent: forms send such.
 */
#ifndef QUERY_PARAMS_H
#define QUERY_PARAMS_H

#include <stddef.h>
#include <stdint.h>

#define QUERY_MAX_TEXT 1024     /* longest query and its NUL */
#define QUERY_MAX_PARAMS 16
#define QUERY_WHY_SIZE 256      /* room for a sentence */

struct query_params {
    uint32_t count;
    const char *names[QUERY_MAX_PARAMS];
    const char *values[QUERY_MAX_PARAMS];
    char text[QUERY_MAX_TEXT];  /* backs both */
};

/* Decode `query` (without the "?"; NULL = none).  `known` are the names taken, ended by NULL.
 * Returns 0, or -EINVAL with a sentence in `why` when the query is too long, has an unknown or
 * repeated name, a bad %-escape, or a control character. */
int query_params_parse(struct query_params *ret_params, const char *query, const char *const *known,
                       char why[QUERY_WHY_SIZE]);

/* The value of `name`, valid as long as the parameters; NULL when absent or empty. */
const char *query_params_get(const struct query_params *self, const char *name);

/* Read the value of `name` as a decimal number from `min` to `max`; `fallback` when absent.
 * Returns 0, or -EINVAL with a sentence in `why`. */
int query_params_number(const struct query_params *self, const char *name, uint32_t min,
                        uint32_t max, uint32_t fallback, uint32_t *ret_value,
                        char why[QUERY_WHY_SIZE]);

/* Read the value of `name` as one of `words`, in any case.  *ret_index is -1 when absent.
 * Returns 0, or -EINVAL with a sentence in `why`. */
int query_params_word(const struct query_params *self, const char *name, const char *const *words,
                      int word_count, int *ret_index, char why[QUERY_WHY_SIZE]);

/* Read printable ASCII into `text` of `size` bytes; "" when it is absent.
 * Returns 0, or -EINVAL with a sentence in `why`. */
int query_params_ascii(const struct query_params *self, const char *name, char *text, size_t size,
                       char why[QUERY_WHY_SIZE]);

#endif
