#include "collector_options.h"

#include <errno.h>
#include <math.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "mock_source.h"
#include "replay_source.h"

#define MAX_SPEED 1e6

static int take_mock(const char *value, void *arg, char *why, size_t why_size)
{
    (void) value, (void) why, (void) why_size;
    ((struct collector_options *) arg)->mock = true;
    return 0;
}

static int take_rate(const char *value, void *arg, char *why, size_t why_size)
{
    struct collector_options *self = arg;
    char *end;
    unsigned long long rate = strtoull(value, &end, 10);

    self->needs_mock = "--mock-rate";
    self->mock_rate = MOCK_UNPACED;
    if (strcmp(value, "max") == 0)
        return 0;
    if (strspn(value, "0123456789") != strlen(value) || value == end || rate < 1
        || rate > MOCK_MAX_RATE) {
        snprintf(why, why_size, "\"%.40s\" is no rate: write packets per second, 1 to %u, or "
                 "\"max\"", value, MOCK_MAX_RATE);
        return -EINVAL;
    }
    self->mock_rate = (uint32_t) rate;
    return 0;
}

static int take_seed(const char *value, void *arg, char *why, size_t why_size)
{
    struct collector_options *self = arg;
    char *end;

    errno = 0;
    self->needs_mock = "--mock-seed";
    self->mock_seed = strtoull(value, &end, 10);
    if (strspn(value, "0123456789") == strlen(value) && value != end && errno == 0)
        return 0;
    snprintf(why, why_size, "\"%.40s\" is no seed: write a whole number from 0 to 2^64 - 1", value);
    return -EINVAL;
}

static int take_file(const char **file, const char *value, char *why, size_t why_size)
{
    if (value[0] == '\0') {
        snprintf(why, why_size, "names no file");
        return -EINVAL;
    }
    *file = value;
    return 0;
}

static int take_record(const char *value, void *arg, char *why, size_t why_size)
{
    return take_file(&((struct collector_options *) arg)->record, value, why, why_size);
}

static int take_replay(const char *value, void *arg, char *why, size_t why_size)
{
    return take_file(&((struct collector_options *) arg)->replay, value, why, why_size);
}

static int take_speed(const char *value, void *arg, char *why, size_t why_size)
{
    struct collector_options *self = arg;
    char *end;

    self->needs_replay = "--replay-speed";
    self->replay_speed = REPLAY_UNPACED;
    if (strcmp(value, "max") == 0)
        return 0;
    self->replay_speed = strtod(value, &end);
    if (end != value && *end == '\0' && isfinite(self->replay_speed) && self->replay_speed >= 0.001
        && self->replay_speed <= MAX_SPEED)
        return 0;
    snprintf(why, why_size, "\"%.40s\" is no speed: write a factor such as 1 or 2.5, 0.001 to "
             "1000000, or \"max\"", value);
    return -EINVAL;
}

static int take_doctor(const char *value, void *arg, char *why, size_t why_size)
{
    (void) value, (void) why, (void) why_size;
    ((struct collector_options *) arg)->doctor = true;
    return 0;
}

static int take_keys(const char *value, void *arg, char *why, size_t why_size)
{
    if (value[0] == '\0') {
        snprintf(why, why_size, "names no folder");
        return -EINVAL;
    }
    ((struct collector_options *) arg)->make_keys = value;
    return 0;
}

static int take_flush(const char *value, void *arg, char *why, size_t why_size)
{
    (void) value, (void) why, (void) why_size;
    ((struct collector_options *) arg)->flush = true;
    return 0;
}

/* Packages know the name of a user, not its number. */
static int take_user(const char *value, void *arg, char *why, size_t why_size)
{
    struct config_numbers *users = &((struct collector_options *) arg)->users;
    const struct passwd *user = getpwnam(value);

    if (!user) {
        snprintf(why, why_size, "\"%.60s\" is no user of this system", value);
        return -EINVAL;
    }
    if (users->size == CONFIG_MAX_ITEMS) {
        snprintf(why, why_size, "is there too often: at most %d users", CONFIG_MAX_ITEMS);
        return -EINVAL;
    }
    users->items[users->size++] = user->pw_uid;
    return 0;
}

const struct command_option COLLECTOR_OPTIONS[] = {
    { "mock", NULL, "synthetic traffic instead of an interface; needs no privileges", take_mock },
    { "mock-rate", "N", "packets per second, or \"max\" (default: 20 and a burst every 15 s)",
      take_rate },
    { "mock-seed", "N", "other synthetic traffic for every N (default: 1)", take_seed },
    { "record", "FILE", "write all packet batches to FILE, which is emptied first", take_record },
    { "replay", "FILE", "send the batches of a recorded FILE again, exactly as they were",
      take_replay },
    { "replay-speed", "X", "times the recorded pace, or \"max\" (default: 1)", take_speed },
    { "allow-user", "NAME", "let this user change the lists, as bus.command_uids does; may be "
      "repeated", take_user },
    { "make-keys", "DIR", "make the keys of this host for tcp:// in DIR (see bus.keys), and end",
      take_keys },
    { "flush", NULL, "empty the lists, here and in the kernel, and end: for who is locked out",
      take_flush },
    { "doctor", NULL, "say what this machine has and lacks for NTC, and end", take_doctor },
    { NULL, NULL, NULL, NULL },
};

int collector_options_grant(const struct collector_options *self, struct config *config)
{
    struct config_numbers *uids = &config->bus.command_uids;

    if (self->users.size > CONFIG_MAX_ITEMS - uids->size)
        return -ENOSPC;
    memcpy(&uids->items[uids->size], self->users.items, self->users.size * sizeof uids->items[0]);
    uids->size += self->users.size;
    return 0;
}

static bool is_same_file(const char *a, const char *b)
{
    struct stat x, y;

    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

int collector_options_check(const struct collector_options *self, char *why, size_t why_size)
{
    why[0] = '\0';
    if (self->mock && self->replay)
        snprintf(why, why_size, "--mock and --replay are two sources: choose one");
    else if (self->needs_mock && !self->mock)
        snprintf(why, why_size, "%s is for synthetic traffic: add --mock", self->needs_mock);
    else if (self->needs_replay && !self->replay)
        snprintf(why, why_size, "%s is for recorded traffic: add --replay FILE",
                 self->needs_replay);
    else if (self->record && self->replay && is_same_file(self->record, self->replay))
        snprintf(why, why_size, "--record would empty the file that --replay reads: name another");
    return why[0] == '\0' ? 0 : -EINVAL;
}
