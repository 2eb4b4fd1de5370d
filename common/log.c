#include "log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_LINE 1024

static const char *process_name = "ntc";
static bool with_prefix = true;
static bool with_debug;

void log_open(const char *name)
{
    const char *debug = getenv("NTC_DEBUG");

    process_name = name;
    with_prefix = !isatty(STDERR_FILENO);
    with_debug = debug && strcmp(debug, "1") == 0;
}

/* One write() per line: lines of several processes on one terminal do not mix. */
static void write_line(int priority, const char *format, va_list args)
{
    char line[MAX_LINE];
    int length = with_prefix ? snprintf(line, sizeof line, "<%d>%s: ", priority, process_name)
                             : snprintf(line, sizeof line, "%s: ", process_name);
    int text = vsnprintf(line + length, sizeof line - (size_t) length - 1, format, args);

    if (text < 0)
        return;
    length += text;
    if (length > MAX_LINE - 2)
        length = MAX_LINE - 2;
    for (int i = 0; i < length; i++)    /* a value somebody sent must not forge a second line */
        if ((unsigned char) line[i] < 0x20 || line[i] == 0x7f)
            line[i] = '?';
    line[length++] = '\n';
    ssize_t written = write(STDERR_FILENO, line, (size_t) length);
    (void) written;
}

#define DEFINE_LEVEL(name, priority, condition)                                                    \
    void name(const char *format, ...)                                                             \
    {                                                                                              \
        va_list args;                                                                              \
                                                                                                   \
        if (!(condition))                                                                          \
            return;                                                                                \
        va_start(args, format);                                                                    \
        write_line(priority, format, args);                                                        \
        va_end(args);                                                                              \
    }

DEFINE_LEVEL(log_error, 3, true)
DEFINE_LEVEL(log_warning, 4, true)
DEFINE_LEVEL(log_info, 6, true)
DEFINE_LEVEL(log_debug, 7, with_debug)
