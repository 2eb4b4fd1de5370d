#include "command_line.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "near_miss.h"

#define DEFAULT_FILE "/etc/ntc/ntc.yaml"

/* What the arguments asked for, before the configuration is read. */
struct request {
    const struct command_line *line;
    struct config *config;
    const char *file;           /* --config */
    const char **assignments;   /* --set, in order */
    size_t assignment_count;
    bool help, version, check;
    unsigned mistakes;
};

__attribute__((format(printf, 2, 3)))
static void complain(struct request *self, const char *format, ...)
{
    va_list args;

    fprintf(stderr, "%s: ", self->line->program);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    self->mistakes++;
}

static void on_config_mistake(const char *file, unsigned line, const char *message, void *arg)
{
    struct request *self = arg;

    if (file && line > 0)
        complain(self, "%s:%u: %s", file, line, message);
    else if (file)
        complain(self, "%s: %s", file, message);
    else
        complain(self, "%s", message);
}

/* ---- the options that all programs have ---- */

static int take_config(const char *value, void *arg, char *why, size_t why_size)
{
    struct request *self = arg;

    if (self->file || value[0] == '\0') {
        snprintf(why, why_size, self->file ? "is there twice: name one file" : "names no file");
        return -EINVAL;
    }
    self->file = value;
    return 0;
}

static int take_set(const char *value, void *arg, char *why, size_t why_size)
{
    struct request *self = arg;

    (void) why;
    (void) why_size;
    self->assignments[self->assignment_count++] = value;
    return 0;
}

static int take_check(const char *value, void *arg, char *why, size_t why_size)
{
    (void) value, (void) why, (void) why_size;
    ((struct request *) arg)->check = true;
    return 0;
}

static int take_help(const char *value, void *arg, char *why, size_t why_size)
{
    (void) value, (void) why, (void) why_size;
    ((struct request *) arg)->help = true;
    return 0;
}

static int take_version(const char *value, void *arg, char *why, size_t why_size)
{
    (void) value, (void) why, (void) why_size;
    ((struct request *) arg)->version = true;
    return 0;
}

static const struct command_option SHARED[] = {
    { "config", "FILE", "read FILE (default: " DEFAULT_FILE ", if it exists)", take_config },
    { "set", "KEY=VALUE", "change one key after the file; may be repeated", take_set },
    { "check-config", NULL, "print the effective configuration", take_check },
    { "help", NULL, "print this text", take_help },
    { "version", NULL, "print the version", take_version },
    { NULL, NULL, NULL, NULL },
};

/* ---- reading ---- */

/* Find the option called name[0..length). */
static const struct command_option *find_option(const struct command_option *table,
                                                const char *name, size_t length)
{
    for (; table && table->name; table++)
        if (strlen(table->name) == length && memcmp(table->name, name, length) == 0)
            return table;
    return NULL;
}

static void guess_in(const struct command_option *table, const char *name, const char **best,
                     unsigned *best_distance)
{
    for (; table && table->name; table++) {
        unsigned distance = near_miss_distance(name, table->name);
        if (distance < *best_distance && near_miss_is_likely(name, distance)) {
            *best = table->name;
            *best_distance = distance;
        }
    }
}

static void complain_unknown(struct request *self, const char *name, size_t length)
{
    char word[64];
    const char *best = NULL;
    unsigned distance = NEAR_MISS_FAR;

    snprintf(word, sizeof word, "%.*s", (int) (length < 60 ? length : 60), name);
    guess_in(SHARED, word, &best, &distance);
    guess_in(self->line->options, word, &best, &distance);
    if (best)
        complain(self, "--%s is no option: did you mean --%s?", word, best);
    else
        complain(self, "--%s is no option: see --help", word);
}

/* Read the argument argv[i] and, if it takes one, its value.  Returns how many arguments it was. */
static int read_argument(struct request *self, char **argv)
{
    const char *name = argv[0] + 2;
    char why[512] = "is wrong";

    if (strncmp(argv[0], "--", 2) != 0 || name[0] == '\0') {
        complain(self, "\"%.60s\" is unexpected: options begin with \"--\", see --help", argv[0]);
        return 1;
    }
    size_t length = strcspn(name, "=");
    const char *value = name[length] == '=' ? name + length + 1 : NULL;
    int used = 1;

    const struct command_option *option = find_option(SHARED, name, length);
    void *arg = option ? self : self->line->arg;
    if (!option)
        option = find_option(self->line->options, name, length);
    if (!option) {
        complain_unknown(self, name, length);
        return 1;
    }
    if (option->value && !value && argv[1] && strncmp(argv[1], "--", 2) != 0) {
        value = argv[1];
        used = 2;
    }
    if (option->value && !value)
        complain(self, "--%s needs a value: write --%s %s", option->name, option->name,
                 option->value);
    else if (!option->value && value)
        complain(self, "--%s takes no value: leave out \"=%.60s\"", option->name, value);
    else if (option->take(value ? value : "", arg, why, sizeof why) != 0)
        complain(self, "--%s %s", option->name, why);
    return used;
}

static void read_config(struct request *self)
{
    bool is_named = self->file != NULL;
    const char *file = is_named ? self->file : DEFAULT_FILE;

    config_defaults(self->config);
    int rc = config_read_file(self->config, file, on_config_mistake, self);
    if (rc != 0 && rc != -EINVAL && (is_named || rc != -ENOENT))
        complain(self, "cannot read %s: %s", file, strerror(-rc));
    for (size_t i = 0; i < self->assignment_count; i++)
        config_set(self->config, self->assignments[i], on_config_mistake, self);
    if (self->mistakes == 0)
        config_check(self->config, on_config_mistake, self);
}

/* ---- printing ---- */

static int width_of(const struct command_option *option)
{
    return (int) (strlen(option->name) + (option->value ? strlen(option->value) + 1 : 0));
}

static int widest_of(const struct command_option *table, int widest)
{
    for (; table && table->name; table++)
        if (width_of(table) > widest)
            widest = width_of(table);
    return widest;
}

static void print_options(const struct command_option *table, int width)
{
    for (; table && table->name; table++)
        printf("  --%s%s%s%*s  %s\n", table->name, table->value ? " " : "",
               table->value ? table->value : "", width - width_of(table), "", table->help);
}

static void print_key(const char *block, const char *key, const char *value, void *arg)
{
    (void) arg;
    printf("  %s.%s=%s\n", block, key, value);
}

static void print_help(struct request *self)
{
    int width = widest_of(self->line->options, widest_of(SHARED, 0));

    printf("Usage: %s [OPTION]...\n%s\n\nOptions:\n", self->line->program, self->line->purpose);
    print_options(self->line->options, width);
    print_options(SHARED, width);
    printf("\nKeys and their defaults:\n");
    config_defaults(self->config);
    config_visit(self->config, print_key, NULL);
}

int command_line_read(const struct command_line *self, int argc, char **argv,
                      struct config *config)
{
    assert(self && argv && config);

    struct request request = { .line = self, .config = config };
    int code = 2;

    request.assignments = calloc((size_t) argc + 1, sizeof *request.assignments);
    if (!request.assignments) {
        complain(&request, "out of memory");
        return 1;
    }
    for (int i = 1; i < argc && !request.help && !request.version;)
        i += read_argument(&request, argv + i);
    if (request.help) {
        print_help(&request);
        code = 0;
    } else if (request.version) {
        printf("%s %s\n", self->program, NTC_VERSION);
        code = 0;
    } else if (request.mistakes == 0) {
        read_config(&request);
        code = request.mistakes > 0 ? 2 : COMMAND_LINE_GO_ON;
    }
    if (code == COMMAND_LINE_GO_ON && request.check) {
        config_print(config, stdout, false);
        code = 0;
    }
    free(request.assignments);
    return code;
}
