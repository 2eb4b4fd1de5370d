#include "request_shape.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#define CHUNKS_END "0\r\n\r\n"

struct framing {
    bool has_length, is_coded;
    size_t length;
    const char *why;            /* NULL = fine */
};

static bool is_token(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
           || (c != '\0' && strchr("!#$%&'*+-.^_`|~", c));
}

/* Length of the first line without its CR LF, or -1 when its end is not there. */
static long line_length(const char *bytes, size_t size, const char **ret_why)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char) bytes[i];
        if (c == '\r' && i + 1 == size)
            return -1;
        if (c == '\r' && bytes[i + 1] == '\n')
            return (long) i;
        if (c == '\n' || c == '\r')
            *ret_why = "a line of the head does not end with CR LF";
        else if ((c < ' ' && c != '\t') || c == 0x7f)
            *ret_why = "the head has a control character";
        else
            continue;
        return -1;
    }
    return -1;
}

static bool is_header(const char *line, size_t size, const char *name)
{
    size_t length = strlen(name);

    return size > length && line[length] == ':' && strncasecmp(line, name, length) == 0;
}

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

static void read_length(const char *value, size_t size, struct framing *framing)
{
    size_t length = 0;

    for (size_t i = 0; i < size; i++) {
        if (value[i] < '0' || value[i] > '9')
            framing->why = "Content-Length is no number";
        else if (length < SIZE_MAX / 100)
            length = 10 * length + (size_t) (value[i] - '0');
    }
    if (size == 0)
        framing->why = "Content-Length is no number";
    if (framing->has_length)
        framing->why = "the length of the body is there twice";
    framing->has_length = true;
    framing->length = length;
}

static void read_coding(const char *value, size_t size, struct framing *framing)
{
    if (size != strlen("chunked") || strncasecmp(value, "chunked", size) != 0)
        framing->why = "Transfer-Encoding is not chunked";
    if (framing->is_coded)
        framing->why = "the coding of the body is there twice";
    framing->is_coded = true;
}

static void read_header(const char *line, size_t size, struct framing *framing)
{
    size_t name = 0;

    if (is_blank(line[0])) {
        framing->why = "a header is folded over several lines";
        return;
    }
    while (name < size && is_token(line[name]))
        name++;
    if (name == 0 || name == size || line[name] != ':') {
        framing->why = "a header is not written as NAME: VALUE";
        return;
    }
    size_t begin = name + 1, end = size;
    while (begin < end && is_blank(line[begin]))
        begin++;
    while (end > begin && is_blank(line[end - 1]))
        end--;
    if (is_header(line, size, "Content-Length"))
        read_length(line + begin, end - begin, framing);
    else if (is_header(line, size, "Transfer-Encoding"))
        read_coding(line + begin, end - begin, framing);
}

static bool is_body_there(const char *body, size_t size, size_t body_max,
                          const struct framing *framing)
{
    /* A chunk may have the same bytes inside: then the server waits for the rest. */
    if (framing->is_coded)
        return size > body_max || memmem(body, size, CHUNKS_END, strlen(CHUNKS_END));
    return !framing->has_length || framing->length > body_max || size >= framing->length;
}

enum request_state request_shape_judge(const char *bytes, size_t size, size_t body_max,
                                       const char **ret_why)
{
    assert((bytes || size == 0) && ret_why);

    struct framing framing = { 0 };
    size_t at = 0, head = size < REQUEST_HEAD_MAX ? size : REQUEST_HEAD_MAX;
    const char *why = NULL;

    for (unsigned line = 0; ; line++) {
        long length = line_length(bytes + at, head - at, &why);
        if (!why && length < 0)         /* of a head that is too long the server tells */
            return head == REQUEST_HEAD_MAX ? REQUEST_READY : REQUEST_WAITS;
        if (!why && line == 0 && length == 0)
            why = "the request begins with an empty line";
        if (!why && length == 0)
            break;
        if (!why && line > 0)
            read_header(bytes + at, (size_t) length, &framing);
        if (!why)
            why = framing.why;
        if (!why && framing.has_length && framing.is_coded)
            why = "send a Content-Length or a Transfer-Encoding, not both";
        if (why) {
            *ret_why = why;
            return REQUEST_BAD;
        }
        at += (size_t) length + 2;
    }
    at += 2;
    return is_body_there(bytes + at, size - at, body_max, &framing) ? REQUEST_READY
                                                                    : REQUEST_WAITS;
}
