#include "config_key.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "near_miss.h"

#define WHY_SIZE 640

struct refusal {
    const struct config_key *key;
    config_refuse_fn *refuse;
    void *arg;
};

__attribute__((format(printf, 2, 3)))
static int refuse(const struct refusal *to, const char *format, ...)
{
    char why[WHY_SIZE];
    va_list args;

    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    to->refuse(why, to->arg);
    return -EINVAL;
}

static void *field_of(const struct config_key *key, struct config *config)
{
    return (char *) config + key->offset;
}

static const void *field_in(const struct config_key *key, const struct config *config)
{
    return (const char *) config + key->offset;
}

static int follow_rule(const struct config_key *key, const char *text, const struct refusal *to)
{
    char why[WHY_SIZE - 64];

    if (key->rule && key->rule(text, why, sizeof why) != 0)
        return refuse(to, "%s", why);
    return 0;
}

/* Decimal digits only: "010" would be eight to one reader and ten to the next. */
static int store_number(const struct config_key *key, uint32_t *ret_number, const char *text,
                        const struct refusal *to)
{
    size_t digits = strspn(text, "0123456789");
    uint64_t number = 0;

    for (size_t i = 0; i < digits && i < 10; i++)
        number = number * 10 + (uint64_t) (text[i] - '0');
    if (digits == 0 || digits > 10 || text[digits] != '\0' || (digits > 1 && text[0] == '0')
        || number < key->min || number > key->max)
        return refuse(to, "\"%.60s\" is not a number from %" PRIu32 " to %" PRIu32, text, key->min,
                      key->max);
    *ret_number = (uint32_t) number;
    return follow_rule(key, text, to);
}

static int store_text(const struct config_key *key, char *field, const char *text,
                      const struct refusal *to)
{
    size_t length = strlen(text);

    if (length > key->max && key->is_secret)
        return refuse(to, "is longer than %" PRIu32 " bytes", key->max);
    if (length > key->max)
        return refuse(to, "\"%.60s...\" is longer than %" PRIu32 " bytes", text, key->max);
    memcpy(field, text, length + 1);
    return follow_rule(key, text, to);
}

static int store_choice(const struct config_key *key, bool *field, const char *text,
                        const struct refusal *to)
{
    for (unsigned i = 0; i < 2; i++) {
        if (strcmp(text, key->choices[i]) == 0) {
            *field = i == 1;
            return 0;
        }
    }
    return refuse(to, "\"%.60s\" is neither %s nor %s", text, key->choices[0], key->choices[1]);
}

static int store_numbers(const struct config_key *key, struct config_numbers *field,
                         const struct yaml_value *value, const struct refusal *to)
{
    int rc = 0;

    memset(field, 0, sizeof *field);
    for (uint32_t i = 0; i < value->size; i++) {
        uint32_t number = 0;
        if (store_number(key, &number, value->items[i], to) != 0) {
            rc = -EINVAL;
            continue;
        }
        for (uint32_t other = 0; other < field->size; other++)
            if (field->items[other] == number)
                rc = refuse(to, "\"%" PRIu32 "\" is there twice: leave one out", number);
        field->items[field->size++] = number;
    }
    return rc;
}

static int store_texts(const struct config_key *key, struct config_list *field,
                       const struct yaml_value *value, const struct refusal *to)
{
    int rc = 0;

    memset(field, 0, sizeof *field);
    for (uint32_t i = 0; i < value->size; i++) {
        char *item = field->items[field->size];
        if (store_text(key, item, value->items[i], to) != 0) {
            rc = -EINVAL;
            continue;
        }
        for (uint32_t other = 0; other < field->size; other++)
            if (strcmp(field->items[other], item) == 0)
                rc = refuse(to, "\"%s\" is there twice: leave one out", item);
        field->size++;
    }
    return rc;
}

int config_key_store(const struct config_key *key, struct config *config,
                     const struct yaml_value *value, config_refuse_fn *refuse_fn, void *arg)
{
    assert(key && config && value && refuse_fn && value->size <= CONFIG_MAX_ITEMS);

    struct refusal to = { key, refuse_fn, arg };
    bool wants_list = key->kind == CONFIG_NUMBERS || key->kind == CONFIG_TEXTS;
    void *field = field_of(key, config);

    if (wants_list && !value->is_list)
        return refuse(&to, "\"%.60s\" is not a list: write [%.60s]", value->items[0],
                      value->items[0]);
    if (!wants_list && value->is_list)
        return refuse(&to, "must be a single value, not a list: leave out \"[\" and \"]\"");
    if (wants_list && value->size > key->most)
        return refuse(&to, "has more than %" PRIu32 " entries", key->most);
    switch (key->kind) {
    case CONFIG_NUMBER:
        return store_number(key, field, value->items[0], &to);
    case CONFIG_TEXT:
        return store_text(key, field, value->items[0], &to);
    case CONFIG_CHOICE:
        return store_choice(key, field, value->items[0], &to);
    case CONFIG_NUMBERS:
        return store_numbers(key, field, value, &to);
    case CONFIG_TEXTS:
        return store_texts(key, field, value, &to);
    }
    return -EINVAL;
}

static void on_wrong_fallback(const char *why, void *arg)
{
    const struct config_key *key = arg;

    fprintf(stderr, "%s.%s: %s\n", key->block, key->name, why);
}

void config_key_store_fallback(const struct config_key *key, struct config *config)
{
    struct yaml_value value = {
        .is_list = key->kind == CONFIG_NUMBERS || key->kind == CONFIG_TEXTS,
        .size = key->fallback ? 1 : 0,
        .items = { key->fallback },
    };

    int rc = config_key_store(key, config, &value, on_wrong_fallback, (void *) key);
    assert(rc == 0);
    (void) rc;
}

static char *put_quoted(char *end, const char *text)
{
    *end++ = '"';
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            *end++ = '\\';
        *end++ = *text;
    }
    *end++ = '"';
    *end = '\0';
    return end;
}

void config_key_format(const struct config_key *key, const struct config *config, bool with_secrets,
                       char text[CONFIG_VALUE_SIZE])
{
    const void *field = field_in(key, config);
    const struct config_numbers *numbers = field;
    const struct config_list *texts = field;
    char *end = text;
    bool is_hidden;

    switch (key->kind) {
    case CONFIG_NUMBER:
        sprintf(text, "%" PRIu32, *(const uint32_t *) field);
        return;
    case CONFIG_TEXT:
        is_hidden = key->is_secret && !with_secrets && *(const char *) field != '\0';
        put_quoted(text, is_hidden ? "(set)" : field);
        return;
    case CONFIG_CHOICE:
        strcpy(text, key->choices[*(const bool *) field]);
        return;
    case CONFIG_NUMBERS:
        *end++ = '[';
        for (uint32_t i = 0; i < numbers->size; i++)
            end += sprintf(end, "%s%" PRIu32, i > 0 ? ", " : "", numbers->items[i]);
        strcpy(end, "]");
        return;
    case CONFIG_TEXTS:
        *end++ = '[';
        for (uint32_t i = 0; i < texts->size; i++) {
            if (i > 0)
                end = stpcpy(end, ", ");
            end = put_quoted(end, texts->items[i]);
        }
        strcpy(end, "]");
        return;
    }
}
