#include "config.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config_key.h"
#include "near_miss.h"
#include "yaml_config.h"

_Static_assert(CONFIG_MAX_ITEMS == YAML_MAX_ITEMS, "a list that can be read can be stored");

#define FIELD(member) offsetof(struct config, member)
#define NUMBER(member, low, high, value)                                                           \
    .kind = CONFIG_NUMBER, .offset = FIELD(member), .min = (low), .max = (high), .fallback = (value)
#define TEXT(member, value)                                                                        \
    .kind = CONFIG_TEXT, .offset = FIELD(member),                                                  \
    .max = sizeof(((struct config *) NULL)->member) - 1, .fallback = (value)
#define TEXTS(member, count)                                                                       \
    .kind = CONFIG_TEXTS, .offset = FIELD(member), .max = CONFIG_ITEM_SIZE - 1, .most = (count)

/* Every key, in the order of configs/ntc.yaml; the keys of a block stand together. */
static const struct config_key KEYS[] = {
    { "server", "port", NUMBER(server.port, 0, 65535, "8086") },
    { "server", "listen", TEXT(server.listen, "0.0.0.0"), .rule = config_rule_ipv4 },
    { "server", "timezone", TEXT(server.timezone, ""), .rule = config_rule_timezone },
    { "server", "base_path", TEXT(server.base_path, "/"), .rule = config_rule_base_path },
    { "server", "sse_clients", NUMBER(server.sse_clients, 1, 4096, "256") },
    { "server", "connections", NUMBER(server.connections, 8, 1024, "64") },
    { "server", "connections_per_ip", NUMBER(server.connections_per_ip, 1, 1024, "32") },
    { "server", "trusted_proxies", TEXTS(server.trusted_proxies, 64), .rule = config_rule_prefix },
    { "server", "allowed_hosts", TEXTS(server.allowed_hosts, 64), .rule = config_rule_host },
    { "server", "token_file", TEXT(server.token_file, "") },
    { "server", "read_token", TEXT(server.read_token, ""), .rule = config_rule_secret,
      .is_secret = true },
    { "network", "interfaces", TEXTS(network.interfaces, 64), .rule = config_rule_interface },
    { "network", "bypass_ports", .kind = CONFIG_NUMBERS, .offset = FIELD(network.bypass_ports),
      .min = 1, .max = 65535, .most = 64, .fallback = "22" },
    { "network", "on_stop", .kind = CONFIG_CHOICE, .offset = FIELD(network.keep_on_stop),
      .choices = { "detach", "keep" }, .fallback = "detach" },
    { "network", "attach", .kind = CONFIG_CHOICE, .offset = FIELD(network.clsact_only),
      .choices = { "auto", "clsact" }, .fallback = "auto" },
    { "network", "pin_path", TEXT(network.pin_path, "/sys/fs/bpf/ntc"),
      .rule = config_rule_absolute_path },
    { "network", "hosts", NUMBER(network.hosts, 16, 4194304, "65536") },
    { "network", "prefixes", NUMBER(network.prefixes, 16, 1048576, "16384") },
    { "persistence", "path", TEXT(persistence.path, "./data/lists.json"),
      .rule = config_rule_file },
    { "events", "batch", NUMBER(events.batch, 1, 4096, "512") },
    { "events", "flush_ms", NUMBER(events.flush_ms, 1, 1000, "10") },
    { "events", "per_second", NUMBER(events.per_second, 0, 100000000, "20000") },
    { "events", "ring_mib", NUMBER(events.ring_mib, 1, 512, "8"),
      .rule = config_rule_power_of_two },
    { "aggregator", "flows", NUMBER(aggregator.flows, 16, 16777216, "65536") },
    { "aggregator", "addresses", NUMBER(aggregator.addresses, 16, 4194304, "16384") },
    { "aggregator", "idle_s", NUMBER(aggregator.idle_s, 1, 3600, "30") },
    { "aggregator", "flush_s", NUMBER(aggregator.flush_s, 1, 3600, "60") },
    { "bus", "directory", TEXT(bus.directory, "/run/ntc"), .rule = config_rule_bus_directory },
    { "bus", "collector_id", TEXT(bus.collector_id, ""), .rule = config_rule_id },
    { "bus", "collectors", TEXTS(bus.collectors, CONFIG_MAX_ITEMS), .rule = config_rule_endpoint },
    { "bus", "listen", TEXT(bus.listen, ""), .rule = config_rule_listen },
    { "bus", "keys", TEXT(bus.keys, "/etc/ntc/keys"), .rule = config_rule_absolute_path },
    { "bus", "command_uids", .kind = CONFIG_NUMBERS, .offset = FIELD(bus.command_uids),
      .min = 0, .max = UINT32_MAX - 1, .most = 64 },  /* (uid_t) -1 means "nobody" to the kernel */
    { "bus", "queue", NUMBER(bus.queue, 16, 65536, "256") },
};

enum { KEY_COUNT = sizeof KEYS / sizeof KEYS[0] };

/* One reading of one file or assignment. */
struct reading {
    struct config *config;
    const char *file;               /* as it is named in mistakes, NULL = none */
    bool has_lines;
    unsigned seen[KEY_COUNT];       /* line where the key was found, 0 = not yet */
    unsigned seen_block[KEY_COUNT]; /* likewise, at the block's first key */
    const struct config_key *key;   /* being stored, at `line` */
    unsigned line;
    unsigned mistakes;
    config_mistake_fn *mistake;
    void *arg;
};

static void on_mistake(unsigned line, const char *message, void *arg)
{
    struct reading *self = arg;

    self->mistakes++;
    self->mistake(self->file, self->has_lines ? line : 0, message, self->arg);
}

__attribute__((format(printf, 3, 4)))
static void report(struct reading *self, unsigned line, const char *format, ...)
{
    char message[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    for (char *c = message; *c != '\0'; c++)    /* one mistake is one line */
        if ((unsigned char) *c < 0x20 || *c == 0x7f)
            *c = '?';
    on_mistake(line, message, self);
}

static const struct config_key *find_block(const char *block)
{
    for (size_t i = 0; i < KEY_COUNT; i++)
        if (strcmp(KEYS[i].block, block) == 0)
            return &KEYS[i];
    return NULL;
}

static const struct config_key *find_key(const char *block, const char *name)
{
    for (size_t i = 0; i < KEY_COUNT; i++)
        if (strcmp(KEYS[i].block, block) == 0 && strcmp(KEYS[i].name, name) == 0)
            return &KEYS[i];
    return NULL;
}

/* The key that somebody who wrote `block`.`name` most likely meant, or NULL. */
static const struct config_key *guess_key(const char *block, const char *name)
{
    const struct config_key *best = NULL;
    unsigned best_distance = NEAR_MISS_FAR;

    for (size_t i = 0; i < KEY_COUNT; i++) {
        unsigned distance = near_miss_distance(name, KEYS[i].name);
        if (!near_miss_is_likely(name, distance))
            continue;
        distance += strcmp(block, KEYS[i].block) != 0;      /* the right word in the wrong block */
        if (distance < best_distance) {
            best = &KEYS[i];
            best_distance = distance;
        }
    }
    return best;
}

static void report_unknown_block(struct reading *self, unsigned line, const char *block)
{
    const char *best = NULL;
    unsigned best_distance = NEAR_MISS_FAR;

    for (size_t i = 0; i < KEY_COUNT; i++) {
        unsigned distance = near_miss_distance(block, KEYS[i].block);
        if (distance < best_distance && near_miss_is_likely(block, distance)) {
            best = KEYS[i].block;
            best_distance = distance;
        }
    }
    if (best)
        report(self, line, "%.64s: is no block of keys: did you mean %s?", block, best);
    else
        report(self, line, "%.64s: is no block of keys: there are server, network, persistence, "
               "events, aggregator and bus", block);
}

static void report_unknown_key(struct reading *self, unsigned line, const char *block,
                               const char *name)
{
    const struct config_key *guess = guess_key(block, name);
    char known[512];
    size_t length = 0;

    if (guess) {
        report(self, line, "%.64s.%.64s: is no known key: did you mean %s.%s?", block, name,
               guess->block, guess->name);
        return;
    }
    known[0] = '\0';
    for (size_t i = 0; i < KEY_COUNT; i++)
        if (strcmp(KEYS[i].block, block) == 0)
            length += (size_t) snprintf(known + length, sizeof known - length, "%s%s",
                                        length > 0 ? ", " : "", KEYS[i].name);
    report(self, line, "%.64s.%.64s: is no known key: %.64s has %s", block, name, block, known);
}

static bool on_block(const char *block, unsigned line, void *arg)
{
    struct reading *self = arg;
    const struct config_key *first = find_block(block);

    if (!first) {
        report_unknown_block(self, line, block);
        return false;
    }
    unsigned *seen = &self->seen_block[first - KEYS];
    if (*seen > 0) {
        report(self, line, "%s: is there twice, first in line %u: write its keys in one place",
               block, *seen);
        return true;
    }
    *seen = line;
    return true;
}

static void on_refused(const char *why, void *arg)
{
    struct reading *self = arg;

    report(self, self->line, "%s.%s: %s", self->key->block, self->key->name, why);
}

static void on_value(const char *block, const char *name, const struct yaml_value *value, void *arg)
{
    struct reading *self = arg;
    const struct config_key *key = find_key(block, name);

    if (!key) {
        report_unknown_key(self, value->line, block, name);
        return;
    }
    unsigned *seen = &self->seen[key - KEYS];
    if (*seen > 0) {
        report(self, value->line, "%s.%s: is there twice, first in line %u", block, name, *seen);
        return;
    }
    *seen = value->line;
    self->key = key;
    self->line = value->line;
    config_key_store(key, self->config, value, on_refused, self);
}

static struct yaml_handler handler_of(struct reading *self)
{
    return (struct yaml_handler) { on_block, on_value, on_mistake, self };
}

void config_defaults(struct config *config)
{
    assert(config);

    memset(config, 0, sizeof *config);
    for (size_t i = 0; i < KEY_COUNT; i++)
        config_key_store_fallback(&KEYS[i], config);
}

/* Read at most `size` bytes of the file.  Returns how many there were, or -errno. */
static ssize_t read_bytes(const char *path, char *bytes, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t length = 0;
    ssize_t got = 0;

    if (fd < 0)
        return -errno;
    while (length < size && (got = read(fd, bytes + length, size - length)) != 0) {
        if (got < 0 && errno != EINTR)
            break;
        length += got > 0 ? (size_t) got : 0;
    }
    int error = errno;
    close(fd);
    return got < 0 ? -error : (ssize_t) length;
}

int config_read_file(struct config *config, const char *path, config_mistake_fn *mistake,
                     void *arg)
{
    assert(config && path && mistake);

    struct reading self = { .config = config, .file = path, .has_lines = true,
                            .mistake = mistake, .arg = arg };
    struct yaml_handler handler = handler_of(&self);
    char *text = malloc(YAML_MAX_BYTES + 1);
    if (!text)
        return -ENOMEM;

    ssize_t length = read_bytes(path, text, YAML_MAX_BYTES + 1);
    if (length >= 0)
        yaml_config_read(text, (size_t) length, &handler);
    free(text);
    if (length < 0)
        return (int) length;
    return self.mistakes > 0 ? -EINVAL : 0;
}

int config_set(struct config *config, const char *assignment, config_mistake_fn *mistake, void *arg)
{
    assert(config && assignment && mistake);

    struct reading self = { .config = config, .file = "--set", .mistake = mistake, .arg = arg };
    struct yaml_handler handler = handler_of(&self);
    const char *equals = strchr(assignment, '=');
    const char *dot = strchr(assignment, '.');
    char block[48], name[48];

    if (!equals || !dot || dot > equals || dot == assignment || equals - dot < 2
        || dot - assignment >= (ptrdiff_t) sizeof block || equals - dot > (ptrdiff_t) sizeof name) {
        report(&self, 0, "\"%.60s\" is no assignment: write block.key=value, such as "
               "server.port=8086", assignment);
        return -EINVAL;
    }
    snprintf(block, sizeof block, "%.*s", (int) (dot - assignment), assignment);
    snprintf(name, sizeof name, "%.*s", (int) (equals - dot - 1), dot + 1);
    if (!find_block(block))
        report_unknown_block(&self, 0, block);
    else if (!find_key(block, name))
        report_unknown_key(&self, 0, block, name);
    else
        yaml_config_read_value(equals + 1, strlen(equals + 1), block, name, &handler);
    return self.mistakes > 0 ? -EINVAL : 0;
}

int config_check(const struct config *config, config_mistake_fn *mistake, void *arg)
{
    assert(config && mistake);

    struct reading self = { .mistake = mistake, .arg = arg };

    if (config->server.connections_per_ip > config->server.connections)
        report(&self, 0, "server.connections_per_ip: %u is more than server.connections, which is "
               "%u: write at most that", config->server.connections_per_ip,
               config->server.connections);
    return self.mistakes > 0 ? -EINVAL : 0;
}

int config_print(const struct config *config, FILE *file, bool with_secrets)
{
    char *text = malloc(CONFIG_VALUE_SIZE);     /* too long for the stack of some threads */
    const char *block = "";

    for (size_t i = 0; text && i < KEY_COUNT; i++) {
        if (strcmp(block, KEYS[i].block) != 0)
            fprintf(file, "%s:\n", KEYS[i].block);
        block = KEYS[i].block;
        config_key_format(&KEYS[i], config, with_secrets, text);
        fprintf(file, "  %s: %s\n", KEYS[i].name, text);
    }
    free(text);
    return text ? 0 : -ENOMEM;
}

int config_visit(const struct config *config, config_visit_fn *visit, void *arg)
{
    char *text = malloc(CONFIG_VALUE_SIZE);

    for (size_t i = 0; text && i < KEY_COUNT; i++) {
        config_key_format(&KEYS[i], config, false, text);
        visit(KEYS[i].block, KEYS[i].name, text, arg);
    }
    free(text);
    return text ? 0 : -ENOMEM;
}
