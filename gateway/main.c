/* ntc-gateway - HTTP in front of the aggregator and the collector.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <malloc.h>
#include <net/if.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "admin_token.h"
#include "bus_receiver.h"
#include "clock.h"
#include "command_line.h"
#include "gateway.h"
#include "http_server.h"
#include "log.h"
#include "stop_signal.h"
#include "zsock_setup.h"

/* Everything main() owns. */
struct process {
    struct config config;
    char ui_path[PATH_MAX];     /* --ui, "" = the default folder */
    struct gateway gateway;
    zloop_t *loop;
    bus_receiver_t *receiver;
    http_server_t *server;
};

static int take_ui(const char *value, void *arg, char *why, size_t why_size)
{
    struct process *self = arg;

    if (value[0] == '\0' || strlen(value) >= sizeof self->ui_path) {
        snprintf(why, why_size, "\"%.60s\" is no folder", value);
        return -EINVAL;
    }
    strcpy(self->ui_path, value);
    return 0;
}

static const struct command_option OPTIONS[] = {
    { "ui", "DIR", "serve the web page from DIR", take_ui },
    { 0 },
};

/* Connections and clients for live events each need a descriptor. */
static void raise_descriptor_limit(const struct config *config)
{
    struct rlimit limit;
    rlim_t wanted = 1024 + config->server.connections + config->server.sse_clients;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    setrlimit(RLIMIT_NOFILE, &limit);
}

/* Events are shown in this zone.  Set before the first thread. */
static void set_timezone(struct process *self)
{
    char link[256] = "";
    const char *name = self->config.server.timezone;

    if (name[0] != '\0') {
        setenv("TZ", name, 1);
    } else if (!(name = getenv("TZ"))) {
        ssize_t length = readlink("/etc/localtime", link, sizeof link - 1);
        link[length > 0 ? length : 0] = '\0';
        name = strstr(link, "zoneinfo/") ? strstr(link, "zoneinfo/") + strlen("zoneinfo/") : "UTC";
    }
    tzset();
    snprintf(self->gateway.timezone, sizeof self->gateway.timezone, "%.63s", name);
}

/* The token goes beside the lists file, whose folder nobody may have made yet. */
static int open_access(struct process *self)
{
    char path[PATH_MAX], folder[PATH_MAX], token[ADMIN_TOKEN_SIZE] = "";
    bool made = false;

    admin_token_path(&self->config, path);
    snprintf(folder, sizeof folder, "%s", path);
    if (strrchr(folder, '/')) {
        *strrchr(folder, '/') = '\0';
        mkdir(folder, 0750);
    }
    int rc = admin_token_open(path, token, &made);
    if (rc == -EINVAL || rc == -EPERM) {
        log_error("the token file %s %s", path,
                  rc == -EINVAL ? "holds no token: write 16 to 128 visible characters, or remove it"
                                : "can be read by others: chmod 600 it");
        return rc;
    }
    if (rc < 0)
        log_warning("cannot %s the token file %s: %s; changes are possible only from this host",
                    made ? "make" : "read", path, strerror(-rc));
    else
        log_info("the admin token is in %s", path);
    self->gateway.access = access_new(&self->config, rc < 0 ? "" : token);
    return self->gateway.access ? 0 : -ENOMEM;
}

static int open_ui(struct process *self)
{
    char path[PATH_MAX];
    bool has_path = true;

    if (self->ui_path[0] != '\0')
        strcpy(path, self->ui_path);
    else
        has_path = ui_files_default(path, sizeof path);
    int rc = ui_files_open(has_path ? path : NULL, &self->gateway.ui);
    if (rc < 0)
        log_error("cannot read the web page in %s: %s", has_path ? path : "the program",
                  strerror(-rc));
    return rc;
}

static int open_peer(struct process *self, const char *name, bus_client_t **ret_client)
{
    char endpoint[128];
    int rc = zsock_setup_endpoint(endpoint, self->config.bus.directory, name);

    if (rc == 0)
        rc = bus_client_open(self->loop, endpoint, (int) self->config.bus.queue, ret_client);
    return rc;
}

static int open_bus(struct process *self)
{
    struct gateway *gateway = &self->gateway;

    gateway->latest = latest_new();
    int rc = gateway->latest ? 0 : -ENOMEM;
    if (rc == 0)
        rc = sse_clients_open(self->config.server.sse_clients, gateway->latest, &gateway->sse);
    if (rc == 0)
        rc = open_peer(self, BUS_COMMANDS, &gateway->commands);
    if (rc == 0)
        rc = open_peer(self, BUS_QUERIES, &gateway->queries);
    if (rc == 0)
        rc = bus_receiver_open(self->loop, &self->config, gateway->latest, gateway->sse,
                               &self->receiver);
    if (rc < 0)
        log_error("cannot open the bus in %s: %s", self->config.bus.directory, strerror(-rc));
    return rc;
}

/* Say where the page is, with an address that others can use. */
static void announce(const struct process *self)
{
    const char *listen = self->config.server.listen, *base = self->config.server.base_path;
    unsigned port = http_server_port(self->server);
    bool is_any = strcmp(listen, "0.0.0.0") == 0;
    char addr[INET_ADDRSTRLEN];
    struct ifaddrs *all = NULL;

    log_info("serving http://%s:%u%s", is_any ? "127.0.0.1" : listen, port, base);
    if (!is_any || getifaddrs(&all) < 0)
        return;
    for (const struct ifaddrs *one = all; one; one = one->ifa_next) {
        if (!one->ifa_addr || one->ifa_addr->sa_family != AF_INET
            || (one->ifa_flags & (IFF_UP | IFF_LOOPBACK)) != IFF_UP)
            continue;
        const struct sockaddr_in *in = (const struct sockaddr_in *) (const void *) one->ifa_addr;
        inet_ntop(AF_INET, &in->sin_addr, addr, sizeof addr);
        log_info("serving http://%s:%u%s on %s", addr, port, base, one->ifa_name);
    }
    freeifaddrs(all);
}

static int open_http(struct process *self)
{
    char why[256];
    int rc = http_server_open(&self->gateway, &self->server, why);

    if (rc < 0)
        log_error("%s", why);
    else
        announce(self);
    return rc;
}

/* In this order: first whatever a thread may wait for, so that all threads end at once. */
static void close_all(struct process *self)
{
    struct gateway *gateway = &self->gateway;

    if (gateway->sse)
        sse_clients_stop(gateway->sse);
    if (gateway->commands)
        bus_client_stop(gateway->commands);
    if (gateway->queries)
        bus_client_stop(gateway->queries);
    http_server_destroy(&self->server);
    bus_receiver_destroy(&self->receiver);
    bus_client_destroy(&gateway->commands);
    bus_client_destroy(&gateway->queries);
    sse_clients_destroy(&gateway->sse);
    latest_destroy(&gateway->latest);
    ui_files_destroy(&gateway->ui);
    access_destroy(&gateway->access);
    zloop_destroy(&self->loop);
}

int main(int argc, char **argv)
{
    static struct process self;     /* too large for a stack */
    const struct command_line line = {
        .program = "ntc-gateway",
        .purpose = "Serve the web page, live events, metrics and lists over HTTP.",
        .options = OPTIONS,
        .arg = &self,
    };

    int code = command_line_read(&line, argc, argv, &self.config);
    if (code != COMMAND_LINE_GO_ON)
        return code;
    log_open("gateway");
    mallopt(M_ARENA_MAX, 2);        /* a heap for each of many threads would cost more than it gains */
    mallopt(M_MMAP_THRESHOLD, 128 * 1024);
    raise_descriptor_limit(&self.config);
    set_timezone(&self);
    int stop_fd = stop_signal_open();
    self.loop = stop_fd < 0 ? NULL : zloop_new();
    self.gateway.config = &self.config;
    self.gateway.started_ns = clock_monotonic_ns();

    bool is_open = self.loop && stop_signal_watch(self.loop, stop_fd) == 0 && open_access(&self) == 0
                   && open_ui(&self) == 0 && open_bus(&self) == 0 && open_http(&self) == 0;
    if (is_open)
        zloop_start(self.loop);
    close_all(&self);
    if (stop_fd >= 0)
        close(stop_fd);
    if (is_open)
        log_info("stopped");
    return is_open ? 0 : 1;
}
