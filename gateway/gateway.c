#include "gateway.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin_token.h"
#include "api_summary.h"
#include "bus_receiver.h"
#include "clock.h"
#include "http_server.h"
#include "zsock_setup.h"

enum { LIST_READERS_MAX = 16 };     /* from the first question to the end of the answer */

/* Events are shown in server.timezone, which main() has put into TZ; here is its name. */
static void find_timezone(struct gateway *self)
{
    char link[256];
    const char *name = self->config->server.timezone;

    if (name[0] == '\0')
        name = getenv("TZ");
    if (!name) {
        ssize_t length = readlink("/etc/localtime", link, sizeof link - 1);
        link[length > 0 ? length : 0] = '\0';
        name = strstr(link, "zoneinfo/") ? strstr(link, "zoneinfo/") + strlen("zoneinfo/") : "UTC";
    }
    snprintf(self->timezone, sizeof self->timezone, "%.63s", name);
}

/* The token goes beside the lists file, whose folder nobody may have made yet. */
static int open_access(struct gateway *self, char why[512])
{
    char folder[PATH_MAX], token[ADMIN_TOKEN_SIZE] = "";
    bool made;

    admin_token_path(self->config, self->token_path);
    strcpy(folder, self->token_path);
    if (strrchr(folder, '/')) {
        *strrchr(folder, '/') = '\0';
        mkdir(folder, 0750);
    }
    self->token_error = admin_token_open(self->token_path, token, &made);
    if (self->token_error == -EINVAL || self->token_error == -EPERM) {
        snprintf(why, 512, "the token file %.380s %s", self->token_path,
                 self->token_error == -EINVAL
                     ? "holds no token: write 16 to 128 visible characters, or remove it"
                     : "can be read by others: chmod 600 it");
        return self->token_error;
    }
    self->access = access_new(self->config, self->token_error < 0 ? "" : token);
    if (self->access)
        return 0;
    snprintf(why, 512, "out of memory");
    return -ENOMEM;
}

static int open_ui(struct gateway *self, const char *path, char why[512])
{
    char found[PATH_MAX];

    if (path && path[0] == '\0')
        path = ui_files_default(found, sizeof found) ? found : NULL;
    int rc = ui_files_open(path, &self->ui);
    if (rc < 0)
        snprintf(why, 512, "cannot read the web page in %.380s: %s", path ? path : "the program",
                 rc == -ENOENT ? "there is no index.html" : strerror(-rc));
    return rc;
}

static int open_queries(struct gateway *self, zloop_t *loop)
{
    char endpoint[128];
    int rc = zsock_setup_endpoint(endpoint, self->config->bus.directory, BUS_QUERIES);

    if (rc == 0)
        rc = bus_client_open(loop, endpoint, (int) self->config->bus.queue, self->config->bus.keys,
                             &self->queries);
    return rc;
}

static int open_bus(struct gateway *self, zloop_t *loop, char why[512])
{
    self->latest = latest_new();
    self->metrics_page = page_cache_new(METRICS_MAX);
    self->summary_page = page_cache_new(SUMMARY_MAX);
    int rc = self->latest && self->metrics_page && self->summary_page ? 0 : -ENOMEM;
    if (rc == 0)
        rc = sse_clients_open(self->config->server.sse_clients, self->latest, &self->sse);
    if (rc == 0)
        rc = collector_peers_open(loop, self->config, &self->peers);
    if (rc == 0)
        rc = open_queries(self, loop);
    if (rc == 0)
        rc = bus_receiver_open(loop, self->config, self->latest, self->sse, &self->receiver);
    if (rc < 0)
        snprintf(why, 512, "cannot open the bus in %s: %s", self->config->bus.directory,
                 strerror(-rc));
    return rc;
}

int gateway_open(struct gateway *self, zloop_t *loop, const struct config *config,
                 const char *ui_path, char why[512])
{
    assert(self && loop && config && why);

    *self = (struct gateway) { .config = config, .started_ns = clock_monotonic_ns() };
    sem_init(&self->list_readers, 0, LIST_READERS_MAX);
    find_timezone(self);
    int rc = open_access(self, why);
    if (rc == 0)
        rc = open_ui(self, ui_path, why);
    if (rc == 0)
        rc = open_bus(self, loop, why);
    if (rc == 0)
        rc = http_server_open(self, &self->server, why);
    return rc;
}

/* In this order: first whatever a thread may wait for, so that all threads end at once. */
void gateway_close(struct gateway *self)
{
    if (self->sse)
        sse_clients_stop(self->sse);
    if (self->peers)
        collector_peers_stop(self->peers);
    if (self->queries)
        bus_client_stop(self->queries);
    http_server_destroy(&self->server);
    bus_receiver_destroy(&self->receiver);
    collector_peers_destroy(&self->peers);
    bus_client_destroy(&self->queries);
    sse_clients_destroy(&self->sse);
    page_cache_destroy(&self->metrics_page);
    page_cache_destroy(&self->summary_page);
    latest_destroy(&self->latest);
    ui_files_destroy(&self->ui);
    access_destroy(&self->access);
    sem_destroy(&self->list_readers);
}
