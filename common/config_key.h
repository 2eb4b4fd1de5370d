/* config_key - one key of the configuration: how its text becomes a field and the field text again.
 */
#ifndef CONFIG_KEY_H
#define CONFIG_KEY_H

#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "config_rules.h"
#include "yaml_config.h"

enum config_kind {
    CONFIG_NUMBER,              /* uint32_t, min to max */
    CONFIG_TEXT,                /* char[max + 1] */
    CONFIG_CHOICE,              /* bool: false and true are the words `choices` */
    CONFIG_NUMBERS,             /* struct config_numbers without duplicates, each min to max */
    CONFIG_TEXTS,               /* struct config_list without duplicates */
};

struct config_key {
    const char *block, *name;
    enum config_kind kind;
    size_t offset;              /* of the field in struct config */
    uint32_t min, max;          /* of a number; max: longest text in bytes */
    uint32_t most;              /* entries of a list */
    const char *fallback;       /* the default; of a list its only entry, NULL = no entries */
    config_rule_fn *rule;       /* of each text or number, NULL = none */
    const char *choices[2];
    bool is_secret;             /* never shown */
};

/* The longest value as YAML text, and its NUL. */
#define CONFIG_VALUE_SIZE (CONFIG_MAX_ITEMS * (2 * CONFIG_ITEM_SIZE + 4) + 8)

/* Called with a sentence for people about the value. */
typedef void config_refuse_fn(const char *why, void *arg);

/* Store the value in its field of `config`.
 * Returns 0, or -EINVAL after at least one call of `refuse`; the field is unspecified then. */
int config_key_store(const struct config_key *key, struct config *config,
                     const struct yaml_value *value, config_refuse_fn *refuse, void *arg);

/* Store the default, which is known to be right. */
void config_key_store_fallback(const struct config_key *key, struct config *config);

/* Write the field as YAML text; a secret that is set is "(set)" unless `with_secrets`. */
void config_key_format(const struct config_key *key, const struct config *config, bool with_secrets,
                       char text[CONFIG_VALUE_SIZE]);

#endif
