#include "civetweb_stand_in.h"

#include <civetweb.h>
#include <strings.h>

#include "fuzz.h"
#include "http_front.h"
#include "socket_takeover.h"

enum { HEAD_MAX = 8192 };

struct mg_context {
    struct mg_callbacks callbacks;
    void *user_data;
};

struct mg_connection {
    struct mg_request_info info;
    struct http_client client;  /* as http_front would have handed it over */
    char head[HEAD_MAX];
    const uint8_t *body, *body_end;
    char answer[STAND_IN_ANSWER_MAX + 1];
    size_t answer_size;
};

static struct mg_context context;
static struct mg_connection connection;

/* ---- what the gateway calls ---- */

struct mg_context *mg_start(const struct mg_callbacks *callbacks, void *user_data,
                            const char **options)
{
    (void) options;
    context = (struct mg_context) { *callbacks, user_data };
    return &context;
}

void mg_stop(struct mg_context *ctx) { (void) ctx; }

int mg_get_server_ports(const struct mg_context *ctx, int size, struct mg_server_port *ports)
{
    (void) ctx;
    ports[0] = (struct mg_server_port) { .protocol = 1, .port = 8086 };
    return size > 0;
}

struct mg_context *mg_get_context(const struct mg_connection *conn)
{
    (void) conn;
    return &context;
}

void *mg_get_user_data(const struct mg_context *ctx) { return ctx->user_data; }

const struct mg_request_info *mg_get_request_info(const struct mg_connection *conn)
{
    return &conn->info;
}

const char *mg_get_header(const struct mg_connection *conn, const char *name)
{
    for (int i = 0; i < conn->info.num_headers; i++)
        if (strcasecmp(conn->info.http_headers[i].name, name) == 0)
            return conn->info.http_headers[i].value;
    return NULL;
}

int mg_read(struct mg_connection *conn, void *buffer, size_t size)
{
    size_t rest = (size_t) (conn->body_end - conn->body);

    if (size > rest)
        size = rest;
    memcpy(buffer, conn->body, size);
    conn->body += size;
    return (int) size;
}

int mg_write(struct mg_connection *conn, const void *bytes, size_t size)
{
    FUZZ_ASSERT(conn->answer_size + size <= STAND_IN_ANSWER_MAX);
    memcpy(conn->answer + conn->answer_size, bytes, size);
    conn->answer_size += size;
    return (int) size;
}

void *mg_get_user_connection_data(const struct mg_connection *conn)
{
    return (void *) &conn->client;
}

void mg_disable_connection_keep_alive(struct mg_connection *conn) { (void) conn; }

const char *mg_get_response_code_text(const struct mg_connection *conn, int status)
{
    (void) conn;
    return status == 200 ? "OK" : "Else";
}

/* ---- reading a request ---- */

/* Cut a line out of *rest; NULL at the empty line or the end. */
static char *next_line(char **rest)
{
    char *line = *rest, *end = strchr(line, '\n');

    *rest = end ? end + 1 : line + strlen(line);
    if (end)
        *end = '\0';
    if (end && end > line && end[-1] == '\r')
        end[-1] = '\0';
    return line[0] != '\0' ? line : NULL;
}

/* Cut the word before a blank. */
static char *next_word(char **rest)
{
    char *word = *rest, *end = word ? strchr(word, ' ') : NULL;

    *rest = end ? end + 1 : NULL;
    if (end)
        *end = '\0';
    return word && word[0] != '\0' ? word : NULL;
}

/* civetweb takes "/path" and an absolute URI of this host, and the methods it knows. */
static int read_first_line(struct mg_request_info *info, char *line)
{
    char *rest = line;
    char *method = next_word(&rest), *uri = next_word(&rest), *version = rest;

    if (!method || !uri || !version || strncmp(version, "HTTP/", 5) != 0 || uri[0] != '/')
        return -1;
    info->request_method = method;
    info->http_version = version + 5;
    info->request_uri = info->local_uri = info->local_uri_raw = uri;
    char *query = strchr(uri, '?');
    if (query) {
        *query = '\0';
        info->query_string = query + 1;
    }
    return 0;
}

static void read_headers(struct mg_request_info *info, char *rest)
{
    for (char *line; info->num_headers < MG_MAX_HEADERS && (line = next_line(&rest));) {
        char *colon = strchr(line, ':');
        if (!colon)
            continue;
        *colon = '\0';
        info->http_headers[info->num_headers++]
            = (struct mg_header) { line, colon + 1 + strspn(colon + 1, " \t") };
    }
}

/* Length of the body as civetweb announces it: -1 = not known. */
static int read_length(struct mg_request_info *info)
{
    const char *length = mg_get_header(&connection, "Content-Length");
    char *end = NULL;

    info->content_length = -1;
    if (!length)
        return 0;
    info->content_length = strtoll(length, &end, 10);
    return *end == '\0' && end > length && info->content_length >= 0 ? 0 : -1;
}

int stand_in_serve(const char *peer, const uint8_t *bytes, size_t size,
                   struct stand_in_answer *ret_answer)
{
    struct mg_request_info *info = &connection.info;
    const uint8_t *body = memmem(bytes, size, "\r\n\r\n", 4);
    size_t head_size = body ? (size_t) (body - bytes) + 2 : size;

    if (head_size >= HEAD_MAX || memchr(bytes, '\0', head_size))
        return -1;
    memcpy(connection.head, bytes, head_size);
    connection.head[head_size] = '\0';
    *info = (struct mg_request_info) { .remote_port = 1024 };
    connection.client = (struct http_client) {
        .fd = socket_takeover_find(0, peer, 0, 0), .inner_port = 1024 };
    snprintf(connection.client.address, sizeof connection.client.address, "%s", peer);
    connection.body_end = bytes + size;
    connection.body = body ? body + 4 : connection.body_end;
    connection.answer_size = 0;
    char *rest = connection.head, *line = next_line(&rest);
    if (!line || read_first_line(info, line) != 0)
        return -1;
    read_headers(info, rest);
    if (read_length(info) != 0)
        return -1;
    if (info->content_length >= 0 && info->content_length < connection.body_end - connection.body)
        connection.body_end = connection.body + info->content_length;
    context.callbacks.begin_request(&connection);
    connection.answer[connection.answer_size] = '\0';
    *ret_answer = (struct stand_in_answer) { connection.answer, connection.answer_size };
    return 0;
}
