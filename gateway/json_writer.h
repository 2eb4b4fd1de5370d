/* json_writer - JSON text written from front to back, without a tree.
 *
 * `key` names a member of an object; NULL writes an element of an array (or the whole document).
 * Commas are the writer's work, matching ends are the caller's.
 */
#ifndef JSON_WRITER_H
#define JSON_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include "text_buffer.h"

struct json_writer {
    struct text_buffer *out;
    bool comma;                 /* the next value follows another one */
};

static inline struct json_writer json_writer_of(struct text_buffer *out)
{
    return (struct json_writer) { .out = out };
}

void json_put_object(struct json_writer *self, const char *key);
void json_put_object_end(struct json_writer *self);
void json_put_array(struct json_writer *self, const char *key);
void json_put_array_end(struct json_writer *self);

/* Write text; what is not UTF-8 becomes U+FFFD. */
void json_put_string(struct json_writer *self, const char *key, const char *value);

void json_put_unsigned(struct json_writer *self, const char *key, uint64_t value);
void json_put_signed(struct json_writer *self, const char *key, int64_t value);
void json_put_bool(struct json_writer *self, const char *key, bool value);
void json_put_null(struct json_writer *self, const char *key);

/* Write text that is JSON already. */
void json_put_raw(struct json_writer *self, const char *key, const char *json);

/* Write a number with at most `decimals` (0 to 9) digits behind the point; null if not finite. */
void json_put_number(struct json_writer *self, const char *key, double value, int decimals);

/* Write a time of `unix_ns` nanoseconds since 1970 as seconds with three decimals; null for 0. */
void json_put_time(struct json_writer *self, const char *key, uint64_t unix_ns);

#endif
