#include "json_writer.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Length of the UTF-8 sequence at `text` (RFC 3629), 0 if there is none. */
static size_t utf8_length(const unsigned char *text)
{
    static const struct { unsigned char first, last, low, high; size_t length; } FORMS[] = {
        { 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 }, { 0xe1, 0xec, 0x80, 0xbf, 3 },
        { 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 }, { 0xf0, 0xf0, 0x90, 0xbf, 4 },
        { 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
    };

    if (text[0] < 0x80)
        return 1;
    for (size_t i = 0; i < sizeof FORMS / sizeof FORMS[0]; i++) {
        if (text[0] < FORMS[i].first || text[0] > FORMS[i].last)
            continue;
        if (text[1] < FORMS[i].low || text[1] > FORMS[i].high)
            return 0;
        for (size_t n = 2; n < FORMS[i].length; n++)
            if ((text[n] & 0xc0) != 0x80)
                return 0;
        return FORMS[i].length;
    }
    return 0;
}

static void put_quoted(struct text_buffer *out, const char *value)
{
    const unsigned char *text = (const unsigned char *) value;

    text_buffer_append(out, "\"", 1);
    while (*text != '\0') {
        size_t plain = 0, length;
        while (text[plain] >= 0x20 && text[plain] < 0x7f && text[plain] != '"'
               && text[plain] != '\\')
            plain++;
        text_buffer_append(out, (const char *) text, plain);
        text += plain;
        if (*text == '\0')
            break;
        if (*text == '"' || *text == '\\') {
            char escaped[2] = { '\\', (char) *text };
            text_buffer_append(out, escaped, 2);
            length = 1;
        } else if (*text < 0x20 || *text == 0x7f) {
            text_buffer_printf(out, "\\u%04x", *text);
            length = 1;
        } else if ((length = utf8_length(text)) > 0) {
            text_buffer_append(out, (const char *) text, length);
        } else {
            text_buffer_puts(out, "\xef\xbf\xbd");
            length = 1;
        }
        text += length;
    }
    text_buffer_append(out, "\"", 1);
}

static void begin_value(struct json_writer *self, const char *key)
{
    if (self->comma)
        text_buffer_append(self->out, ",", 1);
    self->comma = true;
    if (key) {
        put_quoted(self->out, key);
        text_buffer_append(self->out, ":", 1);
    }
}

static void open_group(struct json_writer *self, const char *key, const char *bracket)
{
    begin_value(self, key);
    text_buffer_append(self->out, bracket, 1);
    self->comma = false;
}

static void close_group(struct json_writer *self, const char *bracket)
{
    text_buffer_append(self->out, bracket, 1);
    self->comma = true;
}

void json_put_object(struct json_writer *self, const char *key) { open_group(self, key, "{"); }
void json_put_object_end(struct json_writer *self) { close_group(self, "}"); }
void json_put_array(struct json_writer *self, const char *key) { open_group(self, key, "["); }
void json_put_array_end(struct json_writer *self) { close_group(self, "]"); }

void json_put_string(struct json_writer *self, const char *key, const char *value)
{
    begin_value(self, key);
    put_quoted(self->out, value);
}

void json_put_unsigned(struct json_writer *self, const char *key, uint64_t value)
{
    begin_value(self, key);
    text_buffer_printf(self->out, "%" PRIu64, value);
}

void json_put_signed(struct json_writer *self, const char *key, int64_t value)
{
    begin_value(self, key);
    text_buffer_printf(self->out, "%" PRId64, value);
}

void json_put_bool(struct json_writer *self, const char *key, bool value)
{
    begin_value(self, key);
    text_buffer_puts(self->out, value ? "true" : "false");
}

void json_put_null(struct json_writer *self, const char *key)
{
    begin_value(self, key);
    text_buffer_puts(self->out, "null");
}

void json_put_raw(struct json_writer *self, const char *key, const char *json)
{
    begin_value(self, key);
    text_buffer_puts(self->out, json);
}

void json_put_number(struct json_writer *self, const char *key, double value, int decimals)
{
    char text[400];             /* DBL_MAX has 309 digits */

    if (!isfinite(value)) {
        json_put_null(self, key);
        return;
    }
    int length = snprintf(text, sizeof text, "%.*f", decimals, value);
    if (decimals > 0) {
        while (text[length - 1] == '0')
            length--;
        if (text[length - 1] == '.')
            length--;
    }
    begin_value(self, key);
    text_buffer_append(self->out, text, (size_t) length);
}

void json_put_time(struct json_writer *self, const char *key, uint64_t unix_ns)
{
    if (unix_ns == 0) {
        json_put_null(self, key);
        return;
    }
    begin_value(self, key);
    text_buffer_printf(self->out, "%" PRIu64 ".%03u", unix_ns / 1000000000u,
                       (unsigned) (unix_ns / 1000000u % 1000u));
}
