#include "wire_message.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "capped_alloc.h"

/* Honest messages take up to 8 times their size (single-byte varints), small ones more. */
#define MEMORY_PER_BYTE 16
#define MEMORY_LEAST (64 * 1024)
#define MEMORY_MOST (2 * 1024 * 1024)

int wire_message_pack(const ProtobufCMessage *message, uint8_t **ret_bytes, size_t *ret_size)
{
    assert(message && ret_bytes && ret_size);

    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = malloc(size > 0 ? size : 1);

    if (!bytes)
        return -ENOMEM;
    protobuf_c_message_pack(message, bytes);
    *ret_bytes = bytes;
    *ret_size = size;
    return 0;
}

int wire_message_unpack(const ProtobufCMessageDescriptor *type, const uint8_t *bytes, size_t size,
                        ProtobufCMessage **ret_message)
{
    assert(type && (bytes || size == 0) && ret_message);

    struct capped_alloc memory;
    size_t cap = MEMORY_LEAST + size * MEMORY_PER_BYTE;

    if (size > WIRE_MAX_MESSAGE)
        return -EBADMSG;
    capped_alloc_init(&memory, cap < MEMORY_MOST ? cap : MEMORY_MOST);
    *ret_message = protobuf_c_message_unpack(type, &memory.allocator, size, bytes);
    if (*ret_message)
        return 0;
    return memory.is_short ? -ENOMEM : -EBADMSG;
}

void wire_message_free(ProtobufCMessage *message)
{
    struct capped_alloc memory;

    capped_alloc_init(&memory, 0);
    if (message)
        protobuf_c_message_free_unpacked(message, &memory.allocator);
}

bool wire_message_ascii(char *ret_text, size_t size, const char *text)
{
    size_t length = 0;

    ret_text[0] = '\0';
    for (; text[length] != '\0'; length++)
        if (length + 1 >= size || text[length] < ' ' || text[length] > '~')
            return false;
    memcpy(ret_text, text, length + 1);
    return true;
}

/* The length of the UTF-8 character at `text` (RFC 3629, section 4), or 0 when there is none that
 * may be shown: C0 and C1 controls and DEL are refused.  `text` ends with NUL. */
static size_t utf8_length(const uint8_t *text)
{
    uint8_t first = text[0], second = text[0] ? text[1] : 0;

    if (first < 0x80)
        return first >= 0x20 && first != 0x7f;
    size_t length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    uint8_t low = first == 0xe0 || first == 0xc2 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    uint8_t high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;

    if (first < 0xc2 || first > 0xf4 || second < low || second > high)
        return 0;
    for (size_t i = 2; i < length; i++)
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    return length;
}

bool wire_message_utf8(char *ret_text, size_t size, const char *text)
{
    size_t length = 0;

    ret_text[0] = '\0';
    while (text[length] != '\0') {
        size_t step = utf8_length((const uint8_t *) text + length);
        if (step == 0 || length + step >= size)
            return false;
        length += step;
    }
    memcpy(ret_text, text, length + 1);
    return true;
}

bool wire_message_is_amount(double value) { return isfinite(value) && !signbit(value); }
