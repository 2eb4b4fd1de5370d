/* text_buffer - text that grows up to a limit, and remembers whether all of it fitted.
 *
 * Writers append without looking at errors; who sends the text looks once, at `failed`.
 */
#ifndef TEXT_BUFFER_H
#define TEXT_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

struct text_buffer {
    char *data;                 /* from malloc, not NUL-terminated; text_buffer_free() frees it */
    size_t size;
    size_t capacity;
    size_t limit;               /* never more bytes than this */
    bool failed;                /* something did not fit: the text is cut */
};

/* An empty buffer for at most `limit` bytes. */
static inline struct text_buffer text_buffer_of(size_t limit)
{
    return (struct text_buffer) { .limit = limit };
}

/* Append `size` bytes, or nothing and set `failed`. */
void text_buffer_append(struct text_buffer *self, const char *bytes, size_t size);

void text_buffer_puts(struct text_buffer *self, const char *text);

/* Append at most 1023 bytes of formatted text; more counts as failed. */
__attribute__((format(printf, 2, 3)))
void text_buffer_printf(struct text_buffer *self, const char *format, ...);

/* Forget the text, keep the memory. */
void text_buffer_clear(struct text_buffer *self);

/* Release the memory; the buffer is empty and usable again. */
void text_buffer_free(struct text_buffer *self);

#endif
