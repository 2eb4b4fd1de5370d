#include "text_buffer.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 1024, MAX_FORMATTED = 1024 };

/* Make room for `size` more bytes.  Returns false when that is too much. */
static bool reserve(struct text_buffer *self, size_t size)
{
    if (self->failed || size > self->limit - self->size) {
        self->failed = true;
        return false;
    }
    if (self->size + size <= self->capacity)
        return true;

    size_t capacity = self->capacity > 0 ? self->capacity : FIRST_CAPACITY;
    while (capacity < self->size + size)
        capacity *= 2;
    char *data = realloc(self->data, capacity);
    if (!data) {
        self->failed = true;
        return false;
    }
    self->data = data;
    self->capacity = capacity;
    return true;
}

void text_buffer_append(struct text_buffer *self, const char *bytes, size_t size)
{
    assert(self && (bytes || size == 0));

    if (size == 0 || !reserve(self, size))
        return;
    memcpy(self->data + self->size, bytes, size);
    self->size += size;
}

void text_buffer_puts(struct text_buffer *self, const char *text)
{
    text_buffer_append(self, text, strlen(text));
}

void text_buffer_printf(struct text_buffer *self, const char *format, ...)
{
    char text[MAX_FORMATTED];
    va_list args;

    va_start(args, format);
    int length = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (length < 0 || length >= MAX_FORMATTED)
        self->failed = true;
    else
        text_buffer_append(self, text, (size_t) length);
}

void text_buffer_clear(struct text_buffer *self)
{
    self->size = 0;
    self->failed = false;
}

void text_buffer_free(struct text_buffer *self)
{
    free(self->data);
    *self = text_buffer_of(self->limit);
}
