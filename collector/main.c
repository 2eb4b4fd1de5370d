/* ntc-collector - takes the records of the packet path, keeps the lists, feeds the bus. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "collector.h"
#include "doctor.h"
#include "flush.h"
#include "heap_limits.h"
#include "log.h"
#include "peer_keys.h"
#include "stop_signal.h"

struct context {
    struct config config;
    struct collector_options options;
    collector_t *collector;
};

/* Make a key pair, and say what to do with it. */
static int make_keys(const char *folder)
{
    struct peer_key public;
    char key[PEER_KEY_TEXT_SIZE], host[HOST_NAME_MAX + 1] = "thishost", why[512];

    if (peer_keys_make(folder, &public, why, sizeof why) != 0) {
        fprintf(stderr, "ntc-collector: %s\n", why);
        return 1;
    }
    peer_key_format(&public, key);
    gethostname(host, sizeof host - 1);
    printf("The keys of this host are in %s.  secret.key stays here; public.key is\n"
           "  %s\n"
           "To let aggregator and gateway of this host in, run on each host with a collector:\n"
           "  echo %s | sudo tee %s/clients/%s.key\n"
           "To use the collector of this host, run on the host with aggregator and gateway\n"
           "(call the file as this host is called in bus.collectors there):\n"
           "  echo %s | sudo tee %s/collectors/%s.key\n",
           folder, key, key, folder, host, key, folder, host);
    return 0;
}

int main(int argc, char **argv)
{
    static struct context self = { .options = COLLECTOR_OPTIONS_DEFAULT };
    struct command_line line = {
        .program = "ntc-collector",
        .purpose = "Watches and controls the packets of network interfaces, and feeds the bus.",
        .options = COLLECTOR_OPTIONS, .arg = &self.options,
    };
    struct peer_key_pair pair;
    char why[512];

    heap_limits_set(1);
    log_open("collector");
    int code = command_line_read(&line, argc, argv, &self.config);
    if (code != COMMAND_LINE_GO_ON)
        return code;
    if (collector_options_check(&self.options, why, sizeof why) != 0) {
        fprintf(stderr, "ntc-collector: %s\n", why);
        return 2;
    }
    if (collector_options_grant(&self.options, &self.config) != 0) {
        fprintf(stderr, "ntc-collector: --allow-user and bus.command_uids name more than %d users "
                "together\n", CONFIG_MAX_ITEMS);
        return 2;
    }
    if (self.options.make_keys)
        return make_keys(self.options.make_keys);
    if (self.options.flush)
        return flush_lists(&self.config, stdout) == 0 ? 0 : 1;
    if (self.options.doctor)
        return doctor_examine(&self.config, stdout) == 0 ? 0 : 1;
    if (self.config.bus.listen[0] != '\0'
        && peer_keys_read_own(self.config.bus.keys, &pair, why, sizeof why) != 0) {
        log_error("%s", why);
        return 2;
    }
    explicit_bzero(&pair, sizeof pair);
    signal(SIGXFSZ, SIG_IGN);   /* a file size limit is an error to tell, not a reason to die */
    int stop_fd = stop_signal_open();
    if (stop_fd < 0) {
        log_error("cannot receive signals: %s", strerror(-stop_fd));
        return 1;
    }
    int rc = collector_start(&self.collector, &self.config, &self.options);
    if (rc == 0)
        rc = collector_run(self.collector, stop_fd);
    collector_destroy(&self.collector);
    close(stop_fd);
    return rc == 0 ? 0 : 1;
}
