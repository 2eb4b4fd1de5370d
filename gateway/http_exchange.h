/* http_exchange - one request and its answer, as the handlers see them.
 *
 * Every answer carries the same security headers and its length (or is chunked), so that
 * connections can be kept.  No data of a request ever goes into a header.
 */
#ifndef HTTP_EXCHANGE_H
#define HTTP_EXCHANGE_H

#include <jansson.h>

#include "access.h"
#include "gateway.h"
#include "json_writer.h"
#include "text_buffer.h"

#define HTTP_BODY_MAX (64 * 1024)
#define HTTP_TYPE_JSON "application/json"

struct mg_connection;
struct mg_request_info;
struct http_client;

struct http_exchange {
    struct mg_connection *connection;
    const struct mg_request_info *info;
    struct gateway *gateway;
    struct http_server *server;
    const struct http_client *client;   /* whose connection it is */
    const char *path;           /* below server.base_path, begins with "/" */
    bool is_head;               /* answer without a body */
    struct access_verdict access;
};

/* The value of a request header, NULL if absent; the first if there are several. */
const char *http_header(const struct http_exchange *self, const char *name);

unsigned http_header_count(const struct http_exchange *self, const char *name);

/* Answer with `size` bytes.  `headers` are further header lines, each ended by "\r\n", or NULL:
 * then nothing is to be stored ("Cache-Control: no-store").  Returns the status. */
int http_reply(struct http_exchange *self, int status, const char *type, const char *headers,
               const void *body, size_t size);

/* Answer with the buffer's JSON and free the buffer; 500 if it is cut.  503 comes with
 * "Retry-After: 2". */
int http_reply_json(struct http_exchange *self, int status, struct text_buffer *text);

/* Answer {"ok":false,"error":"..."}.  `headers` as above. */
__attribute__((format(printf, 4, 5)))
int http_reply_error(struct http_exchange *self, int status, const char *headers,
                     const char *format, ...);

/* 409 with a word for programs beside the sentence: {"ok":false,"error":"...","code":"..."}. */
__attribute__((format(printf, 3, 4)))
int http_reply_conflict(struct http_exchange *self, const char *code, const char *format, ...);

/* 503 with "Retry-After: 2". */
__attribute__((format(printf, 2, 3)))
int http_reply_away(struct http_exchange *self, const char *format, ...);

/* Answer in pieces: begin (`headers` as for http_reply()), any number of pieces, end.  A piece
 * returns false when the client is gone. */
void http_reply_begin(struct http_exchange *self, int status, const char *type,
                      const char *headers);
bool http_reply_piece(struct http_exchange *self, const char *bytes, size_t size);
int http_reply_end(struct http_exchange *self);

/* Write the head of an answer that has no end (live events) and the first bytes of its body.
 * Returns false when the client is gone. */
bool http_reply_stream(struct http_exchange *self, const char *type, const char *first_bytes);

/* A member that a JSON body may have. */
struct body_field {
    const char *key;            /* NULL ends the table */
    json_type type;             /* JSON_STRING, JSON_INTEGER, or JSON_TRUE for both truths */
    bool is_required;
};

/* Read the request's JSON object, whose members must be those of `fields`.
 * Returns 200 with the object, which the caller json_decref()s, or the status of the error that has
 * been answered (400, 411, 413, 415). */
int http_read_body(struct http_exchange *self, const struct body_field *fields,
                   json_t **ret_object);

/* Read and drop a body that nobody wants, so that the answer is not lost with it. */
void http_drop_body(struct http_exchange *self);

#endif
