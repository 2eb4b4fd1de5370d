#include "http_exchange.h"

#include <civetweb.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "clock.h"
#include "http_server.h"

#define SECURITY_HEADERS                                                                           \
    "Content-Security-Policy: default-src 'self'; base-uri 'none'; form-action 'self'; "           \
    "frame-ancestors 'none'\r\n"                                                                   \
    "X-Content-Type-Options: nosniff\r\n"                                                          \
    "X-Frame-Options: DENY\r\n"                                                                    \
    "Referrer-Policy: no-referrer\r\n"
#define NO_STORE "Cache-Control: no-store\r\n"
#define RETRY_SOON NO_STORE "Retry-After: 2\r\n"

enum {
    HEAD_SIZE = 2048,
    MAX_NESTING = 16,           /* the parser recurses, civetweb's stacks have 100 KiB */
    MAX_DROPPED = 16 * 1024 * 1024,
    BODY_MS = 5000,             /* for a whole body, however slowly it drips */
    DROP_MS = 2000,
};

const char *http_header(const struct http_exchange *self, const char *name)
{
    return mg_get_header(self->connection, name);
}

unsigned http_header_count(const struct http_exchange *self, const char *name)
{
    unsigned count = 0;

    for (int i = 0; i < self->info->num_headers; i++)
        count += strcasecmp(self->info->http_headers[i].name, name) == 0;
    return count;
}

static bool is_http_1_1(const struct http_exchange *self)
{
    return self->info->http_version && strcmp(self->info->http_version, "1.1") == 0;
}

/* A body that is not worth reading to its end. */
static bool has_large_body(const struct http_exchange *self)
{
    return self->info->content_length > HTTP_BODY_MAX || http_header(self, "Transfer-Encoding");
}

/* Write the head; `length` is a header line or "". */
static bool write_head(struct http_exchange *self, int status, const char *type,
                       const char *headers, const char *length)
{
    char head[HEAD_SIZE];
    int size = snprintf(head, sizeof head,
                        "HTTP/1.1 %d %s\r\n"
                        "Content-Type: %s\r\n"
                        "%s%s" SECURITY_HEADERS "Connection: close\r\n\r\n",
                        status, mg_get_response_code_text(self->connection, status), type, length,
                        headers ? headers : NO_STORE);

    return size < HEAD_SIZE && mg_write(self->connection, head, (size_t) size) == size;
}

int http_reply(struct http_exchange *self, int status, const char *type, const char *headers,
               const void *body, size_t size)
{
    char length[48] = "";

    if (status != 304)
        snprintf(length, sizeof length, "Content-Length: %zu\r\n", size);
    if (write_head(self, status, type, headers, length) && !self->is_head && size > 0)
        mg_write(self->connection, body, size);
    return status;
}

int http_reply_json(struct http_exchange *self, int status, struct text_buffer *text)
{
    if (text->failed)
        status = http_reply_error(self, 500, NULL, "the answer is too large");
    else
        status = http_reply(self, status, HTTP_TYPE_JSON, status == 503 ? RETRY_SOON : NULL,
                            text->data, text->size);
    text_buffer_free(text);
    return status;
}

static int reply_error(struct http_exchange *self, int status, const char *headers,
                       const char *code, const char *format, va_list args)
{
    char sentence[512];
    struct text_buffer text = text_buffer_of(8 * sizeof sentence);
    struct json_writer json = json_writer_of(&text);

    vsnprintf(sentence, sizeof sentence, format, args);
    json_put_object(&json, NULL);
    json_put_bool(&json, "ok", false);
    json_put_string(&json, "error", sentence);
    if (code)
        json_put_string(&json, "code", code);
    json_put_object_end(&json);
    http_reply(self, status, HTTP_TYPE_JSON, headers, text.data, text.size);
    text_buffer_free(&text);
    return status;
}

int http_reply_error(struct http_exchange *self, int status, const char *headers,
                     const char *format, ...)
{
    va_list args;

    va_start(args, format);
    reply_error(self, status, headers, NULL, format, args);
    va_end(args);
    return status;
}

int http_reply_conflict(struct http_exchange *self, const char *code, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    reply_error(self, 409, NULL, code, format, args);
    va_end(args);
    return 409;
}

int http_reply_away(struct http_exchange *self, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    reply_error(self, 503, RETRY_SOON, NULL, format, args);
    va_end(args);
    return 503;
}

/* Chunked coding is for HTTP/1.1; older clients read to the end of the connection. */
void http_reply_begin(struct http_exchange *self, int status, const char *type,
                      const char *headers)
{
    bool is_chunked = is_http_1_1(self);

    write_head(self, status, type, headers, is_chunked ? "Transfer-Encoding: chunked\r\n" : "");
}

bool http_reply_piece(struct http_exchange *self, const char *bytes, size_t size)
{
    char length[24];

    if (self->is_head || size == 0)
        return true;
    if (!is_http_1_1(self))
        return mg_write(self->connection, bytes, size) == (int) size;
    int digits = snprintf(length, sizeof length, "%zx\r\n", size);
    return mg_write(self->connection, length, (size_t) digits) == digits
           && mg_write(self->connection, bytes, size) == (int) size
           && mg_write(self->connection, "\r\n", 2) == 2;
}

int http_reply_end(struct http_exchange *self)
{
    if (!self->is_head && is_http_1_1(self))
        mg_write(self->connection, "0\r\n\r\n", 5);
    return 200;
}

bool http_reply_stream(struct http_exchange *self, const char *type, const char *first_bytes)
{
    size_t size = strlen(first_bytes);

    return write_head(self, 200, type, NULL, "")
           && (self->is_head || mg_write(self->connection, first_bytes, size) == (int) size);
}

/* ---- bodies ---- */

/* Read one byte.  mg_read() fills whatever it is given and waits for each byte anew, so a peer that
 * drips would hold the thread for ever; most bytes come from civetweb's buffer.
 * Returns 1, 0 at the end, or -1 when the body does not come in time. */
static int read_byte(struct http_exchange *self, char *byte, uint64_t end_ns)
{
    return clock_monotonic_ns() > end_ns ? -1 : mg_read(self->connection, byte, 1);
}

/* Take from the socket itself what still comes, until the peer, who has its answer, closes. */
static void drop_large(struct http_exchange *self)
{
    char scratch[4096];
    uint64_t now_ns, end_ns = clock_monotonic_ns() + DROP_MS * NS_PER_MS;
    size_t dropped = 0;
    struct pollfd item = {
        .fd = http_server_descriptor(self),
        .events = POLLIN,
    };

    while (item.fd >= 0 && dropped < MAX_DROPPED && (now_ns = clock_monotonic_ns()) < end_ns
           && poll(&item, 1, (int) ((end_ns - now_ns) / NS_PER_MS) + 1) > 0) {
        ssize_t got = recv(item.fd, scratch, sizeof scratch, MSG_DONTWAIT);
        if (got <= 0)
            return;
        dropped += (size_t) got;
    }
}

void http_drop_body(struct http_exchange *self)
{
    uint64_t end_ns = clock_monotonic_ns() + BODY_MS * NS_PER_MS;
    int got = 0;
    char byte;

    if (has_large_body(self)) {
        drop_large(self);
        return;
    }
    for (long long i = 0; i < self->info->content_length && got >= 0; i++)
        got = read_byte(self, &byte, end_ns);
    }

static bool is_json_type(const char *type)
{
    size_t length = strlen(HTTP_TYPE_JSON);

    return type && strncasecmp(type, HTTP_TYPE_JSON, length) == 0
           && (type[length] == '\0' || type[length] == ';' || type[length] == ' ');
}

static bool is_nested_too_deep(const char *text, size_t size)
{
    int depth = 0;
    bool in_string = false;

    for (size_t i = 0; i < size; i++) {
        if (in_string && text[i] == '\\')
            i++;
        else if (text[i] == '"')
            in_string = !in_string;
        else if (!in_string && (text[i] == '[' || text[i] == '{'))
            depth++;
        else if (!in_string && (text[i] == ']' || text[i] == '}'))
            depth--;
        if (depth > MAX_NESTING)
            return true;
    }
    return false;
}

static const char *word_of(json_type type)
{
    return type == JSON_STRING ? "a string" : type == JSON_TRUE ? "true or false"
           : "a whole number";
}

static bool has_type(const json_t *value, json_type type)
{
    return type == JSON_TRUE ? json_is_boolean(value) : json_typeof(value) == type;
}

static const struct body_field *find_field(const struct body_field *fields, const char *key)
{
    for (; fields->key; fields++)
        if (strcmp(fields->key, key) == 0)
            return fields;
    return NULL;
}

/* Compare the object with what it may have.  Returns 200 or 400, answered. */
static int check_fields(struct http_exchange *self, const struct body_field *fields, json_t *object)
{
    const char *key;
    json_t *value;

    if (!json_is_object(object))
        return http_reply_error(self, 400, NULL, "the body must be a JSON object");
    json_object_foreach(object, key, value) {
        const struct body_field *field = find_field(fields, key);
        if (!field)
            return http_reply_error(self, 400, NULL, "\"%.40s\" is no key here", key);
        if (!has_type(value, field->type) && !(json_is_null(value) && !field->is_required))
            return http_reply_error(self, 400, NULL, "%s: must be %s", key, word_of(field->type));
    }
    for (; fields->key; fields++)
        if (fields->is_required && !json_object_get(object, fields->key))
            return http_reply_error(self, 400, NULL, "%s: is missing: write %s", fields->key,
                                    word_of(fields->type));
    return 200;
}

/* Read the body into `bytes`.  Returns its size, HTTP_BODY_MAX + 1 when it is longer, or -1 when it
 * does not come whole. */
static long read_whole(struct http_exchange *self, char *bytes)
{
    uint64_t end_ns = clock_monotonic_ns() + BODY_MS * NS_PER_MS;
    long size = 0;
    int got = 0;

    while (size <= HTTP_BODY_MAX && (got = read_byte(self, bytes + size, end_ns)) > 0)
        size++;
    return got < 0 ? -1 : size;
}

static int parse_body(struct http_exchange *self, const struct body_field *fields,
                      const char *bytes, size_t size, json_t **ret_object)
{
    json_error_t error;

    if (is_nested_too_deep(bytes, size))
        return http_reply_error(self, 400, NULL, "the body is nested more than %d deep",
                                MAX_NESTING);
    json_t *object = json_loadb(bytes, size, JSON_REJECT_DUPLICATES, &error);
    if (!object)
        return http_reply_error(self, 400, NULL,
                                "the body is no valid JSON: line %d, column %d: %s", error.line,
                                error.column, error.text);
    int status = check_fields(self, fields, object);
    if (status == 200)
        *ret_object = object;
    else
        json_decref(object);
    return status;
}

int http_read_body(struct http_exchange *self, const struct body_field *fields, json_t **ret_object)
{
    long long announced = self->info->content_length;
    int status;

    if (!is_json_type(http_header(self, "Content-Type")))
        status
            = http_reply_error(self, 415, NULL, "send the body as Content-Type: " HTTP_TYPE_JSON);
    else if (announced < 0 && !http_header(self, "Transfer-Encoding"))
        status = http_reply_error(self, 411, NULL, "send a Content-Length");
    else if (announced > HTTP_BODY_MAX)
        status
            = http_reply_error(self, 413, NULL, "the body is longer than %d bytes", HTTP_BODY_MAX);
    else
        status = 0;
    if (status != 0) {
        http_drop_body(self);
        return status;
    }

    char *bytes = malloc(HTTP_BODY_MAX + 1);
    if (!bytes)
        return http_reply_error(self, 500, NULL, "out of memory");
    long size = read_whole(self, bytes);
    if (size > HTTP_BODY_MAX)
        status
            = http_reply_error(self, 413, NULL, "the body is longer than %d bytes", HTTP_BODY_MAX);
    else if (size < 0 || (announced >= 0 && size != announced))
        status = http_reply_error(self, 400, NULL, "the body did not come whole");
    else
        status = parse_body(self, fields, bytes, (size_t) size, ret_object);
    free(bytes);
    if (status == 413)
        http_drop_body(self);
    return status;
}
