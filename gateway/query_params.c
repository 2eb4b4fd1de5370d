#include "query_params.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

__attribute__((format(printf, 2, 3)))
static int refuse(char why[QUERY_WHY_SIZE], const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(why, QUERY_WHY_SIZE, format, args);
    va_end(args);
    return -EINVAL;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Decode one name or value in place.  Returns false when an escape or a character is bad. */
static bool decode(char *text)
{
    char *end = text;

    for (const char *from = text; *from != '\0'; from++) {
        int c = *from == '+' ? ' ' : (unsigned char) *from;
        if (c == '%') {
            int high = hex_digit(from[1]), low = high < 0 ? -1 : hex_digit(from[2]);
            if (low < 0)
                return false;
            c = high << 4 | low;
            from += 2;
        }
        if (c < 0x20 || c == 0x7f)
            return false;
        *end++ = (char) c;
    }
    *end = '\0';
    return true;
}

/* Write the known names as "a, b, c". */
static void join(const char *const *words, int count, char *text, size_t size)
{
    size_t length = 0;

    text[0] = '\0';
    for (int i = 0; count < 0 ? words[i] != NULL : i < count; i++) {
        int more = snprintf(text + length, size - length, "%s%s", i > 0 ? ", " : "", words[i]);
        length += (size_t) more;
        if (length >= size)
            return;
    }
}

static bool is_known(const char *const *known, const char *name)
{
    for (; *known; known++)
        if (strcmp(*known, name) == 0)
            return true;
    return false;
}

static int add_param(struct query_params *self, char *pair, const char *const *known, char *why)
{
    char *equals = strchr(pair, '=');
    char names[160];

    if (equals)
        *equals = '\0';
    char *value = equals ? equals + 1 : pair + strlen(pair);
    if (!decode(pair) || !decode(value))
        return refuse(why,
                      "a parameter has a bad %%-escape or a control character: write %%XX with "
                      "two hexadecimal digits");
    if (!is_known(known, pair)) {
        join(known, -1, names, sizeof names);
        return refuse(why, "\"%.40s\" is no parameter here%s%s", pair,
                      known[0] ? ": there are " : ": there are none", names);
    }
    for (uint32_t i = 0; i < self->count; i++)
        if (strcmp(self->names[i], pair) == 0)
            return refuse(why, "\"%.40s\" is there twice: write it once", pair);
    if (self->count == QUERY_MAX_PARAMS)
        return refuse(why, "there are more than %d parameters", QUERY_MAX_PARAMS);
    self->names[self->count] = pair;
    self->values[self->count++] = value;
    return 0;
}

int query_params_parse(struct query_params *ret_params, const char *query, const char *const *known,
                       char why[QUERY_WHY_SIZE])
{
    assert(ret_params && known && why);

    ret_params->count = 0;
    if (!query)
        return 0;
    if (strlen(query) >= sizeof ret_params->text)
        return refuse(why, "the query is longer than %d bytes", QUERY_MAX_TEXT - 1);
    strcpy(ret_params->text, query);
    for (char *pair = ret_params->text, *next; pair; pair = next) {
        next = strchr(pair, '&');
        if (next)
            *next++ = '\0';
        int rc = *pair == '\0' ? 0 : add_param(ret_params, pair, known, why);
        if (rc < 0)
            return rc;
    }
    return 0;
}

const char *query_params_get(const struct query_params *self, const char *name)
{
    for (uint32_t i = 0; i < self->count; i++)
        if (strcmp(self->names[i], name) == 0)
            return self->values[i][0] != '\0' ? self->values[i] : NULL;
    return NULL;
}

int query_params_number(const struct query_params *self, const char *name, uint32_t min,
                        uint32_t max, uint32_t fallback, uint32_t *ret_value,
                        char why[QUERY_WHY_SIZE])
{
    const char *text = query_params_get(self, name);
    uint64_t value = 0;

    *ret_value = fallback;
    if (!text)
        return 0;
    size_t digits = strspn(text, "0123456789");
    for (size_t i = 0; i < digits && i < 11; i++)
        value = value * 10 + (uint64_t) (text[i] - '0');
    if (digits == 0 || digits > 10 || text[digits] != '\0' || value < min || value > max)
        return refuse(why, "%s: \"%.40s\" is no number from %u to %u", name, text, min, max);
    *ret_value = (uint32_t) value;
    return 0;
}

int query_params_ascii(const struct query_params *self, const char *name, char *text, size_t size,
                       char why[QUERY_WHY_SIZE])
{
    const char *value = query_params_get(self, name);

    text[0] = '\0';
    for (const char *c = value; c && *c != '\0'; c++)
        if (*c < ' ' || *c > '~' || (size_t) (c - value) + 1 >= size)
            return refuse(why, "%s: \"%.40s\" cannot be: write at most %zu ASCII characters", name,
                          value, size - 1);
    if (value)
        strcpy(text, value);
    return 0;
}

int query_params_word(const struct query_params *self, const char *name, const char *const *words,
                      int word_count, int *ret_index, char why[QUERY_WHY_SIZE])
{
    const char *text = query_params_get(self, name);
    char choices[160];

    *ret_index = -1;
    if (!text)
        return 0;
    for (int i = 0; i < word_count; i++)
        if (strcasecmp(words[i], text) == 0)
            *ret_index = i;
    if (*ret_index >= 0)
        return 0;
    join(words, word_count, choices, sizeof choices);
    return refuse(why, "%s: \"%.40s\" is none of %s", name, text, choices);
}
