/* wire_message - what all codecs share: packing, unpacking in bounded memory, checked text.
 *
 * For the codecs only; everybody else includes a codec's header.
 */
#ifndef WIRE_MESSAGE_H
#define WIRE_MESSAGE_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WIRE_MAX_MESSAGE (1024 * 1024)  /* bytes; longer messages are refused unread */

/* Pack `message` into memory the caller frees.  Returns 0 or -ENOMEM. */
int wire_message_pack(const ProtobufCMessage *message, uint8_t **ret_bytes, size_t *ret_size);

/* Unpack `bytes`, which may come from anybody, into at most 2 MiB.
 * Returns 0, -EBADMSG or -ENOMEM.  The caller releases the message with wire_message_free(). */
int wire_message_unpack(const ProtobufCMessageDescriptor *type, const uint8_t *bytes, size_t size,
                        ProtobufCMessage **ret_message);

/* Does nothing with NULL. */
void wire_message_free(ProtobufCMessage *message);

/* Copy a peer's text of at most size - 1 bytes.  Return false, with ret_text empty, when it is
 * longer, or not printable ASCII; not valid UTF-8 or with control characters. */
bool wire_message_ascii(char *ret_text, size_t size, const char *text);
bool wire_message_utf8(char *ret_text, size_t size, const char *text);

/* True for a number that can be shown: finite and not negative, nor -0. */
bool wire_message_is_amount(double value);

#endif
