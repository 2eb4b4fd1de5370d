/* wire - protobuf's wire format by hand, so that tests can say what no honest encoder would.
 *
 * Source: protobuf encoding documentation: a field is (number << 3 | type) and a value; type 0 is a
 * varint, 1 eight bytes, 2 a length and bytes, 5 four bytes.
 */
#ifndef WIRE_H
#define WIRE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define WIRE_CAPACITY (1024 * 1024 + 4096)

/* A message under construction.  `bytes` is from malloc, wire_free() frees it. */
struct wire {
    uint8_t *bytes;
    size_t size;
};

struct wire_field {
    uint32_t number;
    unsigned type;
    size_t start;               /* of the field's tag */
    size_t payload;             /* of the value; for type 2 behind the length */
    size_t end;
};

static inline struct wire wire_new(void)
{
    struct wire wire = { .bytes = malloc(WIRE_CAPACITY) };
    assert(wire.bytes);
    return wire;
}

static inline void wire_free(struct wire *wire)
{
    free(wire->bytes);
    *wire = (struct wire) { 0 };
}

static inline void wire_put_raw(struct wire *wire, const void *bytes, size_t size)
{
    assert(wire->size + size <= WIRE_CAPACITY);
    if (size > 0)
        memcpy(wire->bytes + wire->size, bytes, size);
    wire->size += size;
}

static inline void wire_put_varint(struct wire *wire, uint64_t value)
{
    do {
        uint8_t byte = (uint8_t) (value & 0x7f);
        value >>= 7;
        byte |= value ? 0x80 : 0;
        wire_put_raw(wire, &byte, 1);
    } while (value);
}

static inline void wire_put_number(struct wire *wire, uint32_t number, uint64_t value)
{
    wire_put_varint(wire, (uint64_t) number << 3);
    wire_put_varint(wire, value);
}

static inline void wire_put_bytes(struct wire *wire, uint32_t number, const void *bytes,
                                  size_t size)
{
    wire_put_varint(wire, (uint64_t) number << 3 | 2);
    wire_put_varint(wire, size);
    wire_put_raw(wire, bytes, size);
}

static inline uint64_t wire_varint(const uint8_t *bytes, size_t *at)
{
    uint64_t value = 0;

    for (unsigned shift = 0;; shift += 7) {
        uint8_t byte = bytes[(*at)++];
        value |= (uint64_t) (byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return value;
    }
}

/* Read the field at `at` of a valid message.  Returns false at the end. */
static inline bool wire_next(const uint8_t *bytes, size_t size, size_t at,
                             struct wire_field *ret_field)
{
    if (at >= size)
        return false;
    struct wire_field field = { .start = at };
    uint64_t tag = wire_varint(bytes, &at);
    field.number = (uint32_t) (tag >> 3);
    field.type = tag & 7;
    uint64_t length = field.type == 2 ? wire_varint(bytes, &at) : field.type == 1 ? 8
        : field.type == 5 ? 4 : 0;
    field.payload = at;
    if (field.type == 0)
        wire_varint(bytes, &at);
    field.end = at + length;
    *ret_field = field;
    return true;
}

/* Find the first field `number`.  Returns false when there is none. */
static inline bool wire_find(const uint8_t *bytes, size_t size, uint32_t number,
                             struct wire_field *ret_field)
{
    for (size_t at = 0; wire_next(bytes, size, at, ret_field); at = ret_field->end)
        if (ret_field->number == number)
            return true;
    return false;
}

/* A copy of the message whose field `number` holds `count` bytes of its value, repeated as often as
 * needed; 0 leaves the field out.  The caller frees it. */
static inline struct wire wire_resized(const uint8_t *bytes, size_t size, uint32_t number,
                                       size_t count)
{
    struct wire copy = wire_new();
    struct wire_field field;

    for (size_t at = 0; wire_next(bytes, size, at, &field); at = field.end) {
        size_t length = field.end - field.payload;
        if (field.number != number || field.type != 2) {
            wire_put_raw(&copy, bytes + field.start, field.end - field.start);
            continue;
        }
        if (count == 0)
            continue;
        wire_put_varint(&copy, (uint64_t) number << 3 | 2);
        wire_put_varint(&copy, count);
        for (size_t i = 0; i < count; i++)
            wire_put_raw(&copy, bytes + field.payload + i % length, 1);
    }
    return copy;
}

/* A copy of the message with the varint field `number` left out and set to `value` at the end. */
static inline struct wire wire_renumbered(const uint8_t *bytes, size_t size, uint32_t number,
                                          uint64_t value)
{
    struct wire copy = wire_new();
    struct wire_field field;

    for (size_t at = 0; wire_next(bytes, size, at, &field); at = field.end)
        if (field.number != number)
            wire_put_raw(&copy, bytes + field.start, field.end - field.start);
    wire_put_number(&copy, number, value);
    return copy;
}

/* A copy of the message with field `number` left out and `text` as its value at the end. */
static inline struct wire wire_reworded(const uint8_t *bytes, size_t size, uint32_t number,
                                        const char *text)
{
    struct wire copy = wire_new();
    struct wire_field field;

    for (size_t at = 0; wire_next(bytes, size, at, &field); at = field.end)
        if (field.number != number)
            wire_put_raw(&copy, bytes + field.start, field.end - field.start);
    wire_put_bytes(&copy, number, text, strlen(text));
    return copy;
}

#endif
