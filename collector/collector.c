#include "collector.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "mock_source.h"
#include "reactor.h"
#include "replay_source.h"
#include "service_notify.h"
#include "stop_signal.h"
#include "tc_source.h"
#include "zsock_setup.h"

#define REPLAY_LINGER_MS 30000  /* a replay is over when its listeners have it */

struct collector {
    const struct config *config;
    const struct collector_options *options;
    stream_recorder_t *recorder;
    event_publisher_t *publisher;
    ip_list_t *lists;
    list_store_t *store;
    struct packet_source *source;       /* of one of the next three */
    tc_source_t *tc;
    mock_source_t *mock;
    replay_source_t *replay;
    list_keeper_t *keeper;
    list_commands_t *commands;
    remote_clients_t *remote;           /* NULL without bus.listen */
};

static int open_bus(collector_t *self, const char *endpoint)
{
    const struct config *config = self->config;
    char id[COLLECTOR_ID_SIZE];
    struct publisher_settings settings = {
        .collector_id = id, .batch = config->events.batch,
        .flush_ns = config->events.flush_ms * NS_PER_MS,
        .lossless = self->options->mock || self->options->replay,
    };

    event_publisher_make_id(config->bus.collector_id, id);
    int rc = event_publisher_open(&self->publisher, &settings, endpoint, (int) config->bus.queue);
    if (rc == -EADDRINUSE)
        log_error("another collector runs in %s: stop it, or choose another bus.directory",
                  config->bus.directory);
    else if (rc != 0)
        log_error("cannot open the bus in %s: %s; see bus.directory", config->bus.directory,
                  strerror(-rc));
    return rc;
}

static int open_recorder(collector_t *self)
{
    if (!self->options->record)
        return 0;
    int rc = stream_recorder_open(&self->recorder, self->options->record);
    if (rc != 0)
        log_error("cannot record to %s: %s", self->options->record, strerror(-rc));
    else
        log_info("recording to %s", self->options->record);
    return rc;
}

static int open_source(collector_t *self)
{
    const struct collector_options *options = self->options;
    char why[1024] = "out of memory";
    int rc = 0;

    self->lists = ip_list_new(self->config->network.hosts, self->config->network.prefixes);
    if (!self->lists) {
        rc = -ENOMEM;
    } else if (options->mock) {
        self->mock = mock_source_new(options->mock_seed, options->mock_rate,
                                     &self->config->network.bypass_ports, self->lists);
        self->source = self->mock ? mock_source_packets(self->mock) : NULL;
        rc = self->mock ? 0 : -ENOMEM;
    } else if (options->replay) {
        rc = replay_source_open(&self->replay, options->replay, options->replay_speed, why,
                                sizeof why);
        self->source = self->replay ? replay_source_packets(self->replay) : NULL;
    } else {
        rc = tc_source_open(&self->tc, self->config, why, sizeof why);
        self->source = self->tc ? tc_source_packets(self->tc) : NULL;
    }
    if (rc != 0)
        log_error("%s", why);
    else
        event_publisher_use(self->publisher, self->source->ledger, self->recorder);
    return rc;
}

static void on_list_report(const char *sentence, void *arg)
{
    (void) arg;
    log_warning("%s", sentence);
}

static int load_lists(collector_t *self)
{
    const char *path = self->config->persistence.path;
    char why[1024];
    int rc = list_store_open(&self->store, path);

    if (rc != 0) {
        log_error("cannot keep the lists in %s: %s; see persistence.path", path, strerror(-rc));
        return rc;
    }
    rc = list_store_load(self->store, self->lists, clock_boot_ns(), clock_wall_offset_ns(),
                         on_list_report, NULL, why, sizeof why);
    if (rc != 0) {
        log_error("%s", rc == -ENOMEM ? "out of memory" : why);
        return rc;
    }
    log_info("lists: %u addresses and %u prefixes black, %u and %u white, from %s",
             ip_list_hosts(self->lists, NTC_BLACK), ip_list_prefixes(self->lists, NTC_BLACK),
             ip_list_hosts(self->lists, NTC_WHITE), ip_list_prefixes(self->lists, NTC_WHITE), path);
    return 0;
}

/* Changes whose time to be confirmed was over while no collector ran. */
static void undo_unconfirmed(collector_t *self)
{
    struct list_answer answer;
    uint32_t undone = list_keeper_undo_due(self->keeper, clock_boot_ns(), clock_wall_offset_ns(),
                                           &answer);

    if (undone > 0)
        log_warning("list changes that nobody confirmed in time are undone: %u", undone);
    if (answer.code != LIST_OK)
        log_error("%s", answer.error);
}

/* The lists are in the maps before the programs are attached. */
static int attach(collector_t *self)
{
    if (!self->tc)
        return 0;
    int rc = tc_source_fill_lists(self->tc, self->lists);
    if (rc != 0) {
        log_error("cannot write the lists into the kernel: %s", strerror(-rc));
        return rc;
    }
    log_info("%s", tc_source_taken_over(self->tc) ? "going on with the maps of the last collector"
                                                  : "new maps: counters begin at 0");
    rc = tc_source_attach(self->tc);
    if (rc != 0)
        log_warning("cannot pin the maps in %s: %s; after a crash the counters begin at 0",
                    self->config->network.pin_path, strerror(-rc));
    return 0;
}

static int open_commands(collector_t *self, const char *endpoint)
{
    char id[COLLECTOR_ID_SIZE];

    self->keeper = list_keeper_new(self->lists, self->store,
                                   self->tc ? tc_source_list_kernel(self->tc) : NULL);
    int rc = !self->keeper ? -ENOMEM
        : list_commands_open(&self->commands, self->keeper, endpoint,
                             (int) self->config->bus.queue, &self->config->bus.command_uids,
                             self->tc ? surroundings_read : NULL);
    if (rc != 0) {
        log_error("cannot open %s: %s", endpoint, strerror(-rc));
        return rc;
    }
    event_publisher_make_id(self->config->bus.collector_id, id);
    list_commands_answer_as(self->commands, id);
    undo_unconfirmed(self);
    return 0;
}

static int open_remote(collector_t *self)
{
    char why[512] = "out of memory";

    if (self->config->bus.listen[0] == '\0')
        return 0;
    int rc = remote_clients_open(&self->remote, self->config, why, sizeof why);
    if (rc == 0) {
        list_commands_trust(self->commands, self->remote);
        rc = remote_clients_listen(self->remote, event_publisher_socket(self->publisher),
                                   list_commands_socket(self->commands), why, sizeof why);
    }
    if (rc != 0)
        log_error("%s", why);
    return rc;
}

static int start(collector_t *self)
{
    char events[128], commands[128], why[256];
    bool is_real = !self->options->mock && !self->options->replay;

    if (is_real && tc_source_check(why, sizeof why) != 0) {
        log_error("%s", why);
        return -EPERM;
    }
    if (zsock_setup_endpoint(events, self->config->bus.directory, BUS_EVENTS) != 0
        || zsock_setup_endpoint(commands, self->config->bus.directory, BUS_COMMANDS) != 0) {
        log_error("bus.directory \"%s\" is too long", self->config->bus.directory);
        return -ENAMETOOLONG;
    }
    int rc = open_bus(self, events);
    if (rc == 0)
        rc = open_recorder(self);
    if (rc == 0)
        rc = open_source(self);
    if (rc == 0)
        rc = load_lists(self);
    if (rc == 0)
        rc = open_commands(self, commands);
    if (rc == 0)
        rc = open_remote(self);
    if (rc == 0)
        rc = attach(self);      /* the last step: nothing fails with the programs in place */
    return rc;
}

int collector_start(collector_t **ret_self, const struct config *config,
                    const struct collector_options *options)
{
    assert(ret_self && config && options);

    collector_t *self = calloc(1, sizeof *self);
    if (!self) {
        log_error("out of memory");
        return -ENOMEM;
    }
    self->config = config;
    self->options = options;
    int rc = start(self);
    if (rc != 0)
        collector_destroy(&self);
    else
        *ret_self = self;
    return rc;
}

/* Detach first, so that the last report covers every packet that was counted. */
static void stop(collector_t *self, reactor_t *reactor, bool restarts)
{
    char text[200];
    bool keep = restarts || self->config->network.keep_on_stop;

    if (self->tc && !keep)
        tc_source_detach(self->tc);
    reactor_report(reactor);
    if (self->replay) {
        replay_source_summary(self->replay, text, sizeof text);
        log_info("replayed %s", text);
        event_publisher_set_linger(self->publisher, REPLAY_LINGER_MS);
    }
    if (!self->tc)
        log_info("stopped");
    else if (keep)
        log_info("stopped; the lists stay enforced (%s)",
                 restarts ? "SIGUSR1: a restart" : "network.on_stop: keep");
    else
        log_info("stopped; the programs are off the interfaces");
}

int collector_run(collector_t *self, int stop_fd)
{
    assert(self);

    reactor_t *reactor = reactor_new(&(struct reactor_parts) {
        .source = self->source, .publisher = self->publisher, .keeper = self->keeper,
        .commands = self->commands, .remote = self->remote, .recorder = self->recorder,
        .stop_fd = stop_fd });
    if (!reactor) {
        log_error("out of memory");
        return -ENOMEM;
    }
    log_info("running: source %s, bus %s", self->source->name, self->config->bus.directory);
    if (self->replay)
        log_info("the replay of %s begins when somebody listens to packets",
                 self->options->replay);
    service_notify_ready();     /* the lists are enforced: the network may come up */
    int rc = reactor_run(reactor);
    service_notify_stopping();
    stop(self, reactor, stop_signal_take(stop_fd) == SIGUSR1);
    if (rc != 0)
        log_error("%s", self->source->problem);
    reactor_destroy(&reactor);
    return rc;
}

void collector_destroy(collector_t **self_p)
{
    assert(self_p);

    collector_t *self = *self_p;
    if (!self)
        return;
    list_commands_destroy(&self->commands);
    list_keeper_destroy(&self->keeper);
    list_store_destroy(&self->store);
    event_publisher_destroy(&self->publisher);
    remote_clients_destroy(&self->remote);
    tc_source_destroy(&self->tc);
    mock_source_destroy(&self->mock);
    replay_source_destroy(&self->replay);
    ip_list_destroy(&self->lists);
    stream_recorder_destroy(&self->recorder);
    free(self);
    *self_p = NULL;
}
