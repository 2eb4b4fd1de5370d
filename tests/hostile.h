/* hostile - what every decoder of foreign bytes must survive. */
#ifndef HOSTILE_H
#define HOSTILE_H

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "wire.h"

/* Decode a copy of exactly `size` bytes (so that a sanitizer sees every byte read past it) and
 * release the result.  Returns what the decoder returned. */
typedef int hostile_decode_fn(const uint8_t *bytes, size_t size);

static inline int hostile_decode(hostile_decode_fn *decode, const uint8_t *bytes, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);

    ck_assert_ptr_nonnull(copy);
    if (size > 0)
        memcpy(copy, bytes, size);
    int rc = decode(copy, size);
    free(copy);
    ck_assert_msg(rc == 0 || rc == -EBADMSG, "decoder returned %d", rc);
    return rc;
}

/* Cut behind every byte: no crash.  Cut inside a field: refused. */
static inline void hostile_truncate(hostile_decode_fn *decode, const uint8_t *bytes, size_t size)
{
    struct wire_field field = { 0 };

    ck_assert_int_eq(hostile_decode(decode, bytes, size), 0);
    for (size_t at = 0; wire_next(bytes, size, at, &field); at = field.end)
        for (size_t cut = field.start + 1; cut < field.end; cut++)
            ck_assert_int_eq(hostile_decode(decode, bytes, cut), -EBADMSG);
    for (size_t cut = 0; cut < size; cut++)
        hostile_decode(decode, bytes, cut);
}

/* Change up to eight random bytes, `rounds` times. */
static inline void hostile_flip(hostile_decode_fn *decode, const uint8_t *bytes, size_t size,
                                unsigned seed, unsigned rounds)
{
    uint8_t *copy = malloc(size);

    ck_assert_ptr_nonnull(copy);
    srandom(seed);
    for (unsigned round = 0; round < rounds; round++) {
        memcpy(copy, bytes, size);
        for (long flips = random() % 8 + 1; flips > 0; flips--)
            copy[(size_t) random() % size] = (uint8_t) random();
        hostile_decode(decode, copy, size);
    }
    free(copy);
}

/* Bytes without any sense, `rounds` times. */
static inline void hostile_noise(hostile_decode_fn *decode, unsigned seed, unsigned rounds)
{
    uint8_t noise[512];

    srandom(seed);
    for (unsigned round = 0; round < rounds; round++) {
        size_t size = (size_t) random() % sizeof noise;
        for (size_t i = 0; i < size; i++)
            noise[i] = (uint8_t) random();
        hostile_decode(decode, noise, size);
    }
}

static inline long hostile_peak_kib(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

/* A mebibyte of empty sub-messages of field `number` is refused without taking much more memory
 * than the message itself (protobuf-c alone takes 96 MB). */
static inline void hostile_amplify(hostile_decode_fn *decode, uint32_t number)
{
    struct wire wire = wire_new();

    while (wire.size < 1024 * 1024 - 3)
        wire_put_bytes(&wire, number, "", 0);
    long before_kib = hostile_peak_kib();
    ck_assert_int_eq(decode(wire.bytes, wire.size), -EBADMSG);
    ck_assert_int_lt(hostile_peak_kib() - before_kib, 24 * 1024);
    wire_free(&wire);
}

/* The same with a field that the message does not know. */
static inline void hostile_unknown(hostile_decode_fn *decode)
{
    struct wire wire = wire_new();

    while (wire.size < 1024 * 1024 - 4)
        wire_put_number(&wire, 1999, 1);
    long before_kib = hostile_peak_kib();
    ck_assert_int_eq(decode(wire.bytes, wire.size), -EBADMSG);
    ck_assert_int_lt(hostile_peak_kib() - before_kib, 24 * 1024);
    wire_free(&wire);
}

/* A few fields of a later version are skipped. */
static inline void hostile_newer(hostile_decode_fn *decode, const uint8_t *bytes, size_t size)
{
    struct wire wire = wire_new();

    wire_put_raw(&wire, bytes, size);
    wire_put_number(&wire, 1999, 12345);
    wire_put_bytes(&wire, 2000, "later", 5);
    ck_assert_int_eq(hostile_decode(decode, wire.bytes, wire.size), 0);
    wire_free(&wire);
}

#endif
