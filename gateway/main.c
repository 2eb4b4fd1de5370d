/* ntc-gateway - HTTP in front of the aggregator and the collector.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdlib.h>

#include "command_line.h"
#include "gateway.h"
#include "heap_limits.h"
#include "http_front.h"
#include "http_server.h"
#include "log.h"
#include "peer_keys.h"
#include "service_notify.h"
#include "stop_signal.h"
#include "zsock_setup.h"

/* Everything main() owns. */
struct process {
    struct config config;
    char ui_path[PATH_MAX];     /* --ui, "" = the default folder */
    struct gateway gateway;
    zloop_t *loop;
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

/* Say where the page is, with addresses that others can use. */
static void announce(const struct gateway *gateway)
{
    const char *listen = gateway->config->server.listen, *base = gateway->config->server.base_path;
    unsigned port = http_server_port(gateway->server);
    bool is_any = strcmp(listen, "0.0.0.0") == 0;
    char addr[INET_ADDRSTRLEN];
    struct ifaddrs *all = NULL;

    if (gateway->token_error < 0)
        log_warning("there is no admin token, cannot use %s: %s; lists can be changed only from "
                    "this host", gateway->token_path, strerror(-gateway->token_error));
    else
        log_info("the admin token is in %s", gateway->token_path);
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

static int run(struct process *self)
{
    char why[512];
    int rc = gateway_open(&self->gateway, self->loop, &self->config, self->ui_path, why);

    if (rc < 0) {
        log_error("%s", why);
    } else {
        announce(&self->gateway);
        service_notify_ready();
        zloop_start(self->loop);
        service_notify_stopping();
    }
    gateway_close(&self->gateway);
    return rc;
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

    char why[512];
    int code = command_line_read(&line, argc, argv, &self.config);
    if (code != COMMAND_LINE_GO_ON)
        return code;
    log_open("gateway");
    if (peer_keys_check(&self.config, why, sizeof why) != 0) {
        log_error("%s", why);
        return 2;
    }
    heap_limits_set(2);
    zsock_setup_make_room(self.config.bus.collectors.size,
                          HTTP_FRONT_WAITING + self.config.server.connections
                              + self.config.server.sse_clients);
    if (self.config.server.timezone[0] != '\0')
        setenv("TZ", self.config.server.timezone, 1);
    tzset();

    int stop_fd = stop_signal_open();
    self.loop = stop_fd < 0 ? NULL : zloop_new();
    if (!self.loop || stop_signal_watch(self.loop, stop_fd) < 0
        || service_notify_watch(self.loop) < 0) {
        log_error("cannot start: %s", strerror(errno));
        return 1;
    }
    int rc = run(&self);
    zloop_destroy(&self.loop);
    close(stop_fd);
    if (rc == 0)
        log_info("stopped");
    return rc == 0 ? 0 : 1;
}
