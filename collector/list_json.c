#include "list_json.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "list_command.h"

#define MAX_REPORTS 20          /* about single entries; the rest is only counted */
#define MAX_UNIX_S 18000000000  /* the year 2540: more is a mistake, such as milliseconds, and no
                                 * number of nanoseconds in 64 bits */

#define UNCONFIRMED_KEY "unconfirmed"
#define CLOCK_KEY "clock"

static const char *const LIST_KEYS[NTC_LISTS] = { "blacklist", "whitelist" };

/* ---- reading ---- */

__attribute__((format(printf, 2, 3)))
static void problem(struct list_json_reading *reading, const char *format, ...)
{
    char sentence[512];
    va_list args;

    if (reading->problems++ >= MAX_REPORTS)
        return;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    reading->report(sentence, reading->arg);
}

/* Read a time in unix seconds.  Absent and null are 0.  Returns 0 or -EINVAL. */
static int read_time(const json_t *entry, const char *key, uint64_t *ret_unix_ns)
{
    const json_t *value = json_object_get(entry, key);

    *ret_unix_ns = 0;
    if (!value || json_is_null(value))
        return 0;
    double seconds = json_number_value(value);
    if (!json_is_number(value) || seconds < 0 || seconds > MAX_UNIX_S)
        return -EINVAL;
    *ret_unix_ns = (uint64_t) (seconds * 1000 + 0.5) * NS_PER_MS;
    return 0;
}

/* The boot time of a unix time; 0 stays 0, and nothing else becomes it. */
static uint64_t boot_of(const struct list_json_reading *reading, uint64_t unix_ns)
{
    uint64_t offset_ns = (uint64_t) reading->wall_offset_ns;
    bool is_before_boot = reading->wall_offset_ns > 0 && unix_ns <= offset_ns;

    return unix_ns == 0 ? 0 : is_before_boot ? 1 : unix_ns - offset_ns;
}

/* Cut a reason that is too long where a character ends, and blank control characters, which the bus
 * does not carry: the address counts, not the text. */
static void read_reason(const json_t *value, char reason[LIST_REASON_SIZE])
{
    const char *text = json_string_value(value);
    size_t length = strlen(text);

    if (length >= LIST_REASON_SIZE) {
        length = LIST_REASON_SIZE - 1;
        while ((text[length] & 0xc0) == 0x80)
            length--;
    }
    memcpy(reason, text, length);
    reason[length] = '\0';
    for (uint8_t *c = (uint8_t *) reason; *c != '\0'; c++) {
        if (*c < 0x20 || *c == 0x7f)
            *c = ' ';
        else if (c[0] == 0xc2 && c[1] < 0xa0)   /* C1 controls, two bytes each */
            c[0] = c[1] = ' ';
    }
}

static void report_unknown_keys(struct list_json_reading *reading, const json_t *entry,
                                const char *place)
{
    static const char *const KNOWN[] = { "ip", "expires", "reason", "added", NULL };
    const char *key;
    json_t *value;

    json_object_foreach((json_t *) entry, key, value) {
        int i = 0;
        while (KNOWN[i] && strcmp(KNOWN[i], key) != 0)
            i++;
        if (!KNOWN[i])
            problem(reading, "%s: the key \"%.40s\" is unknown: it is ignored", place, key);
    }
}

/* Fill `ret_entry` from an object.  Returns the address text, or NULL after reporting. */
static const char *read_object(struct list_json_reading *reading, const json_t *object,
                               const char *place, struct ip_list_entry *ret_entry,
                               char reason[LIST_REASON_SIZE])
{
    const json_t *ip = json_object_get(object, "ip");
    const json_t *reason_value = json_object_get(object, "reason");
    uint64_t expires_unix_ns;

    report_unknown_keys(reading, object, place);
    if (!json_is_string(ip)) {
        problem(reading, "%s: has no \"ip\" with an address in quotes: it is not used", place);
        return NULL;
    }
    if (read_time(object, "expires", &expires_unix_ns) != 0
        || read_time(object, "added", &ret_entry->added_unix_ns) != 0) {
        problem(reading, "%s: \"expires\" and \"added\" must be unix times in seconds: it is not "
                "used", place);
        return NULL;
    }
    if (reason_value && !json_is_null(reason_value)) {
        if (!json_is_string(reason_value)) {
            problem(reading, "%s: \"reason\" must be text in quotes: it is not used", place);
            return NULL;
        }
        read_reason(reason_value, reason);
    }
    ret_entry->expires_ns = boot_of(reading, expires_unix_ns);
    return json_string_value(ip);
}

/* Returns 0, also when the entry was reported and left out, or -ENOSPC or -ENOMEM. */
static int read_entry(ip_list_t *lists, enum ntc_list list, const json_t *value, size_t position,
                      struct list_json_reading *reading)
{
    char place[48], why[200], reason[LIST_REASON_SIZE] = "";
    struct ip_list_entry entry = { .reason = reason };
    const char *text = json_string_value(value);

    snprintf(place, sizeof place, "%s, entry %zu", LIST_KEYS[list], position + 1);
    if (json_is_object(value)) {
        text = read_object(reading, value, place, &entry, reason);
        if (!text)
            return 0;
    }
    if (!text) {
        problem(reading, "%s: is neither an address in quotes nor an object: it is not used",
                place);
        return 0;
    }
    if (ip_prefix_parse(text, &entry.prefix, why, sizeof why) != 0) {
        problem(reading, "%s: %s: it is not used", place, why);
        return 0;
    }
    if (entry.expires_ns != 0 && entry.expires_ns <= reading->boot_ns)
        return 0;
    return ip_list_load(lists, list, &entry);
}

static int read_list(ip_list_t *lists, enum ntc_list list, const json_t *root,
                     struct list_json_reading *reading)
{
    const json_t *array = json_object_get(root, LIST_KEYS[list]), *value;
    size_t i, without_room = 0;

    json_array_foreach(array, i, value) {
        int rc = read_entry(lists, list, value, i, reading);
        if (rc == -ENOSPC)
            without_room++;
        else if (rc != 0)
            return rc;
    }
    if (without_room > 0) {
        char sentence[160];
        snprintf(sentence, sizeof sentence, "%s: there is no room for %zu entries: raise "
                 "network.hosts or network.prefixes", LIST_KEYS[list], without_room);
        reading->report(sentence, reading->arg);
        reading->problems += (uint32_t) without_room;
    }
    return 0;
}

/* ---- reading what is unconfirmed ---- */

/* Read what stood there before.  Returns false after reporting. */
static bool read_before(struct list_json_reading *reading, const json_t *object, const char *place,
                        struct unconfirmed_change *change)
{
    const json_t *before = json_object_get(object, "before");
    struct ip_list_entry entry = { 0 };

    change->was_listed = json_is_object(before);
    if (!change->was_listed)
        return true;
    if (!read_object(reading, before, place, &entry, change->before_reason))
        return false;
    change->before_expires_ns = entry.expires_ns;
    change->before_added_unix_ns = entry.added_unix_ns;
    return true;
}

static void read_unconfirmed_one(const json_t *object, size_t position,
                                 struct list_json_reading *reading)
{
    char place[48], why[200], *end = NULL;
    struct unconfirmed_change change = { .before_reason = "" };
    const char *id = json_string_value(json_object_get(object, "id"));
    const char *list = json_string_value(json_object_get(object, "list"));
    const char *ip = json_string_value(json_object_get(object, "ip"));
    uint64_t until_unix_ns, expires_unix_ns;

    snprintf(place, sizeof place, UNCONFIRMED_KEY ", change %zu", position + 1);
    if (id)
        change.id = strtoull(id, &end, 16);
    change.list = list && strcmp(list, LIST_KEYS[NTC_WHITE]) == 0 ? NTC_WHITE : NTC_BLACK;
    if (change.id == 0 || *end != '\0' || !list || strcmp(list, LIST_KEYS[change.list]) != 0 || !ip
        || ip_prefix_parse(ip, &change.prefix, why, sizeof why) != 0
        || read_time(object, "until", &until_unix_ns) != 0 || until_unix_ns == 0
        || read_time(object, "expires", &expires_unix_ns) != 0) {
        problem(reading, "%s: is no change: it stays as it is in the lists", place);
        return;
    }
    change.until_ns = boot_of(reading, until_unix_ns);
    change.expires_ns = boot_of(reading, expires_unix_ns);
    change.is_removal = json_is_true(json_object_get(object, "removed"));
    if (read_before(reading, object, place, &change)
        && unconfirmed_changes_put(reading->unconfirmed, &change) != 0)
        problem(reading, "%s: is one too many: it stays as it is in the lists", place);
}

static void read_unconfirmed(const json_t *root, struct list_json_reading *reading)
{
    const json_t *array = json_object_get(root, UNCONFIRMED_KEY), *value;
    size_t i;

    if (!reading->unconfirmed)
        return;
    if (array && !json_is_array(array))
        problem(reading, "\"" UNCONFIRMED_KEY "\" is not a list in square brackets: it is ignored");
    json_array_foreach(array, i, value) {
        read_unconfirmed_one(value, i, reading);
    }
}

/* Take the clock by which the file was written, if that was since the boot. */
static void read_clock(const json_t *root, struct list_json_reading *reading)
{
    const json_t *clock = json_object_get(root, CLOCK_KEY);
    const char *boot_id = json_string_value(json_object_get(clock, "boot_id"));
    const json_t *offset = json_object_get(clock, "offset_ns");

    if (boot_id && boot_id[0] != '\0' && strcmp(boot_id, reading->boot_id) == 0
        && json_is_integer(offset))
        reading->wall_offset_ns = json_integer_value(offset);
}

/* Is this a lists file at all? */
static int check_root(const json_t *root, struct list_json_reading *reading, char *why,
                      size_t why_size)
{
    const char *key;
    json_t *value;

    if (!json_is_object(root)) {
        snprintf(why, why_size, "it is not {\"blacklist\": [...], \"whitelist\": [...]}");
        return -EBADMSG;
    }
    json_object_foreach((json_t *) root, key, value) {
        bool known = strcmp(key, LIST_KEYS[NTC_BLACK]) == 0
            || strcmp(key, LIST_KEYS[NTC_WHITE]) == 0 || strcmp(key, UNCONFIRMED_KEY) == 0;
        bool is_clock = strcmp(key, CLOCK_KEY) == 0;
        if (known && !json_is_array(value)) {
            snprintf(why, why_size, "\"%s\" is not a list in square brackets", key);
            return -EBADMSG;
        }
        if (!known && !is_clock)
            problem(reading, "the key \"%.40s\" is unknown: it is ignored", key);
    }
    return 0;
}

int list_json_read(ip_list_t *lists, const char *bytes, size_t size,
                   struct list_json_reading *reading, char *why, size_t why_size)
{
    assert(lists && bytes && reading && reading->report && why);

    json_error_t error;
    json_t *root = NULL;
    int rc = -EBADMSG;

    reading->problems = 0;
    if (size == 0) {
        snprintf(why, why_size, "it is empty (0 bytes)");
        return -EBADMSG;
    }
    root = json_loadb(bytes, size, JSON_REJECT_DUPLICATES, &error);
    if (!root) {
        snprintf(why, why_size, "line %d, column %d: %s", error.line, error.column, error.text);
        return json_error_code(&error) == json_error_out_of_memory ? -ENOMEM : -EBADMSG;
    }
    rc = check_root(root, reading, why, why_size);
    read_clock(root, reading);
    for (int list = 0; rc == 0 && list < NTC_LISTS; list++)
        rc = read_list(lists, (enum ntc_list) list, root, reading);
    if (rc == 0)
        read_unconfirmed(root, reading);
    if (reading->problems > MAX_REPORTS) {
        char sentence[64];
        snprintf(sentence, sizeof sentence, "%" PRIu32 " more entries are wrong",
                 reading->problems - MAX_REPORTS);
        reading->report(sentence, reading->arg);
    }
    ip_list_settle(lists);
    json_decref(root);
    return rc;
}

/* ---- writing ---- */

static void write_text(FILE *file, const char *text)
{
    putc_unlocked('"', file);
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\')
            putc_unlocked('\\', file);
        if ((unsigned char) *c < 0x20)
            fprintf(file, "\\u%04x", *c);
        else
            putc_unlocked(*c, file);
    }
    putc_unlocked('"', file);
}

/* Rounded up to a millisecond: an entry never ends early. */
static void write_time(FILE *file, const char *key, uint64_t unix_ns)
{
    uint64_t ms = (unix_ns + NS_PER_MS - 1) / NS_PER_MS;

    fprintf(file, ",\"%s\":%" PRIu64, key, ms / 1000);
    if (ms % 1000 != 0)
        fprintf(file, ".%03" PRIu64, ms % 1000);
}

static void write_object(FILE *file, const struct ip_list_entry *entry, int64_t wall_offset_ns)
{
    char text[IP_PREFIX_TEXT_SIZE];

    ip_prefix_format(&entry->prefix, text);
    fputs("{\"ip\":", file);
    write_text(file, text);
    if (entry->expires_ns != 0)
        write_time(file, "expires", entry->expires_ns + (uint64_t) wall_offset_ns);
    if (entry->added_unix_ns != 0)
        write_time(file, "added", entry->added_unix_ns);
    if (entry->reason[0] != '\0') {
        fputs(",\"reason\":", file);
        write_text(file, entry->reason);
    }
    putc_unlocked('}', file);
}

static void write_entry(FILE *file, const struct ip_list_entry *entry, int64_t wall_offset_ns)
{
    char text[IP_PREFIX_TEXT_SIZE];

    if (entry->expires_ns == 0 && entry->added_unix_ns == 0 && entry->reason[0] == '\0') {
        ip_prefix_format(&entry->prefix, text);
        write_text(file, text);
    } else {
        write_object(file, entry, wall_offset_ns);
    }
}

static void write_unconfirmed_one(FILE *file, const struct unconfirmed_change *change,
                                  int64_t wall_offset_ns)
{
    char text[IP_PREFIX_TEXT_SIZE];
    const struct ip_list_entry before = {
        .prefix = change->prefix, .expires_ns = change->before_expires_ns,
        .added_unix_ns = change->before_added_unix_ns, .reason = change->before_reason,
    };

    ip_prefix_format(&change->prefix, text);
    fprintf(file, "{\"id\":\"%016" PRIx64 "\",\"list\":\"%s\",\"ip\":\"%s\",\"removed\":%s",
            change->id, LIST_KEYS[change->list], text, change->is_removal ? "true" : "false");
    write_time(file, "until", change->until_ns + (uint64_t) wall_offset_ns);
    if (change->expires_ns != 0)
        write_time(file, "expires", change->expires_ns + (uint64_t) wall_offset_ns);
    if (change->was_listed) {
        fputs(",\"before\":", file);
        write_object(file, &before, wall_offset_ns);
    }
    putc_unlocked('}', file);
}

/* Nothing is written when there is none: the file is then as older versions know it. */
static void write_unconfirmed(FILE *file, const unconfirmed_changes_t *unconfirmed,
                              int64_t wall_offset_ns)
{
    uint32_t size = unconfirmed ? unconfirmed_changes_size(unconfirmed) : 0;

    for (uint32_t i = 0; i < size; i++) {
        fputs(i == 0 ? ",\n\"" UNCONFIRMED_KEY "\":[\n" : ",\n", file);
        write_unconfirmed_one(file, unconfirmed_changes_at(unconfirmed, i), wall_offset_ns);
    }
    if (size > 0)
        putc_unlocked(']', file);
}

int list_json_write(const ip_list_t *lists, const unconfirmed_changes_t *unconfirmed,
                    const char *boot_id, int64_t wall_offset_ns, FILE *file)
{
    assert(lists && boot_id && file);

    bool has_times = unconfirmed && unconfirmed_changes_size(unconfirmed) > 0;

    errno = 0;
    putc_unlocked('{', file);
    for (int list = 0; list < NTC_LISTS; list++) {
        uint32_t size = ip_list_size(lists, (enum ntc_list) list);
        fprintf(file, "%s\"%s\":[", list > 0 ? ",\n" : "", LIST_KEYS[list]);
        for (uint32_t i = 0; i < size; i++) {
            fputs(i > 0 ? ",\n" : "\n", file);
            const struct ip_list_entry *entry = ip_list_at(lists, (enum ntc_list) list, i);
            write_entry(file, entry, wall_offset_ns);
            has_times |= entry->expires_ns != 0;
        }
        putc_unlocked(']', file);
    }
    write_unconfirmed(file, unconfirmed, wall_offset_ns);
    if (boot_id[0] != '\0' && has_times)
        fprintf(file, ",\n\"" CLOCK_KEY "\":{\"boot_id\":\"%s\",\"offset_ns\":%" PRId64 "}",
                boot_id, wall_offset_ns);
    fputs("}\n", file);
    return fflush(file) != 0 || ferror(file) ? -(errno ? errno : EIO) : 0;
}
