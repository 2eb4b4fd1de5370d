/* config - the effective configuration of NTC: one file, read by all three processes.
 *
 * Every key has a default, the shortest valid file is empty.  The keys, their ranges and defaults
 * are one table in config.c; configs/ntc.yaml explains them to people.
 */
#ifndef CONFIG_H
#define CONFIG_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define CONFIG_MAX_ITEMS 256    /* entries of bus.collectors; other lists have 64 */
#define CONFIG_ITEM_SIZE 128    /* one entry and its NUL */

struct config_list {
    uint32_t size;
    char items[CONFIG_MAX_ITEMS][CONFIG_ITEM_SIZE];
};

struct config_numbers {
    uint32_t size;
    uint32_t items[CONFIG_MAX_ITEMS];
};

struct config {
    struct {
        uint32_t port;                  /* server.port: 0 = any free one */
        char listen[64];                /* server.listen: an IPv4 address */
        char timezone[64];              /* server.timezone: "" = the system's */
        char base_path[128];            /* server.base_path: begins and ends with "/" */
        uint32_t sse_clients;           /* server.sse_clients: at once; 503 beyond */
        uint32_t connections;           /* server.connections: HTTP connections served at once */
        uint32_t connections_per_ip;    /* server.connections_per_ip */
        struct config_list trusted_proxies; /* server.trusted_proxies: addresses or prefixes */
        struct config_list allowed_hosts;   /* server.allowed_hosts: Host names for changes */
        char token_file[PATH_MAX];      /* server.token_file: "" = beside the lists file */
        char read_token[CONFIG_ITEM_SIZE];  /* server.read_token: "" = reads are open */
    } server;
    struct config_network {
        struct config_list interfaces;  /* network.interfaces: none = default route */
        struct config_numbers bypass_ports; /* network.bypass_ports */
        bool keep_on_stop;              /* network.on_stop: detach | keep */
        bool clsact_only;               /* network.attach: auto | clsact */
        char pin_path[PATH_MAX];        /* network.pin_path: folder on a bpffs */
        uint32_t hosts;                 /* network.hosts: list capacity, single addresses */
        uint32_t prefixes;              /* network.prefixes: list capacity, prefixes */
    } network;
    struct {
        char path[PATH_MAX];            /* persistence.path: the lists file */
    } persistence;
    struct {
        uint32_t per_second;            /* events.per_second: single records per CPU, 0 = none */
        uint32_t batch;                 /* events.batch: records per message, at most 4096 */
        uint32_t flush_ms;              /* events.flush_ms */
        uint32_t ring_mib;              /* events.ring_mib: a power of two */
    } events;
    struct {
        uint32_t flows;                 /* aggregator.flows: table capacity */
        uint32_t addresses;             /* aggregator.addresses */
        uint32_t idle_s;                /* aggregator.idle_s */
        uint32_t flush_s;               /* aggregator.flush_s */
    } aggregator;
    struct {
        char directory[96];             /* bus.directory: holds the ipc sockets */
        char collector_id[64];          /* bus.collector_id: "" = host name */
        struct config_list collectors;  /* bus.collectors: endpoints; none = own */
        char listen[CONFIG_ITEM_SIZE];  /* bus.listen: a tcp endpoint, "" = this host only */
        char keys[1024];                /* bus.keys: folder, see peer_keys.h */
        struct config_numbers command_uids; /* bus.command_uids: may change lists, besides 0, own */
        uint32_t queue;                 /* bus.queue: messages kept per subscriber */
    } bus;
};

/* Fill `config` with the defaults. */
void config_defaults(struct config *config);

/* Called once per mistake; `line` is 1-based, 0 when there is none.  `file` is the path as given,
 * "--set" for an assignment, NULL for what concerns several keys.  `message` names the key and
 * quotes the value. */
typedef void config_mistake_fn(const char *file, unsigned line, const char *message, void *arg);

/* Read `path` over what `config` holds.  All mistakes are reported, not only the first.
 * Returns 0, -EINVAL when there was at least one mistake (config is unspecified then), or -errno
 * when the file cannot be read. */
int config_read_file(struct config *config, const char *path, config_mistake_fn *mistake,
                     void *arg);

/* Apply one "block.key=value" as from the command line; the value is YAML ("[eth0, wlan*]").
 * Returns 0 or -EINVAL, reported as above. */
int config_set(struct config *config, const char *assignment, config_mistake_fn *mistake,
               void *arg);

/* Check what concerns several keys together.  Call it after the last file and assignment.
 * Returns 0 or -EINVAL, reported as above. */
int config_check(const struct config *config, config_mistake_fn *mistake, void *arg);

/* Write all effective values as YAML that config_read_file() would take.  Secrets are shown as
 * "(set)" unless `with_secrets`.  Returns 0 or -ENOMEM. */
int config_print(const struct config *config, FILE *file, bool with_secrets);

/* Call `visit` for every key in file order with its value as YAML text, secrets hidden.
 * Returns 0 or -ENOMEM. */
typedef void config_visit_fn(const char *block, const char *key, const char *value, void *arg);
int config_visit(const struct config *config, config_visit_fn *visit, void *arg);

#endif
