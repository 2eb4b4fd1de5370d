#include "routes.h"

#include <assert.h>
#include <civetweb.h>
#include <stdio.h>
#include <string.h>

#include "api_events.h"
#include "api_health.h"
#include "api_lists.h"
#include "api_session.h"
#include "api_summary.h"
#include "api_tables.h"
#include "clock.h"
#include "http_front.h"

enum {
    MAX_HEADERS = MG_MAX_HEADERS - 1,   /* civetweb drops what is behind its own limit in silence */
    FORWARDED_SIZE = 1024,
};

#define PATH_LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~/:@-"

struct endpoint {
    const char *method;
    const char *path;
    enum access_class access;
    int (*handle)(struct http_exchange *exchange, int arg);
    int arg;
};

static const struct endpoint ENDPOINTS[] = {
    { "GET", "/events", ACCESS_READ, api_events_get, 0 },
    { "GET", "/metrics", ACCESS_READ, api_summary_metrics, 0 },
    { "GET", "/blacklist", ACCESS_READ, api_lists_get, LIST_BLACK },
    { "POST", "/blacklist", ACCESS_CHANGE, api_lists_add, LIST_BLACK },
    { "DELETE", "/blacklist", ACCESS_CHANGE, api_lists_remove, LIST_BLACK },
    { "GET", "/whitelist", ACCESS_READ, api_lists_get, LIST_WHITE },
    { "POST", "/whitelist", ACCESS_CHANGE, api_lists_add, LIST_WHITE },
    { "DELETE", "/whitelist", ACCESS_CHANGE, api_lists_remove, LIST_WHITE },
    { "GET", "/api/unconfirmed", ACCESS_READ, api_lists_unconfirmed, 0 },
    { "POST", "/api/confirm", ACCESS_CHANGE, api_lists_settle, LIST_OP_CONFIRM },
    { "POST", "/api/undo", ACCESS_CHANGE, api_lists_settle, LIST_OP_UNDO },
    { "GET", "/api/summary", ACCESS_READ, api_summary_get, 0 },
    { "GET", "/api/flows", ACCESS_READ, api_tables_flows, 0 },
    { "GET", "/api/ips", ACCESS_READ, api_tables_addresses, 0 },
    { "GET", "/api/history", ACCESS_READ, api_tables_history, 0 },
    { "GET", "/api/config", ACCESS_ADMIN, api_session_config, 0 },
    { "GET", "/api/session", ACCESS_OPEN, api_session_get, 0 },
    { "POST", "/api/login", ACCESS_LOGIN, api_session_login, 0 },
    { "POST", "/api/logout", ACCESS_LOGIN, api_session_logout, 0 },
    { "GET", "/healthz", ACCESS_OPEN, api_health_alive, 0 },
    { "GET", "/readyz", ACCESS_OPEN, api_health_ready, 0 },
};

enum { ENDPOINT_COUNT = sizeof ENDPOINTS / sizeof ENDPOINTS[0] };

/* What goes to the files of the web page. */
static const struct endpoint PAGE = { "GET", NULL, ACCESS_OPEN, ui_files_get, 0 };

/* ---- is it a request we can trust the shape of? ---- */

/* Returns 0, or the status that was answered. */
static int check_headers(struct http_exchange *exchange)
{
    if (exchange->info->num_headers > MAX_HEADERS)
        return http_reply_error(exchange, 431, NULL, "there are more than %d headers", MAX_HEADERS);
    if (http_header_count(exchange, "Host") != 1)
        return http_reply_error(exchange, 400, NULL, "there must be one Host header");
    if (http_header_count(exchange, "Content-Length") > 1
        || http_header_count(exchange, "Transfer-Encoding") > 1)
        return http_reply_error(exchange, 400, NULL, "the length of the body is there twice");
    if (http_header(exchange, "Content-Length") && http_header(exchange, "Transfer-Encoding"))
        return http_reply_error(exchange, 400, NULL,
                                "send a Content-Length or a Transfer-Encoding, not both");
    return 0;
}

static bool is_plain_path(const char *path)
{
    return path && path[0] == '/' && path[strspn(path, PATH_LETTERS)] == '\0' && !strstr(path, "//")
           && !strstr(path, "/./") && !strstr(path, "/../")
           && strcmp(strrchr(path, '/'), "/.") != 0 && strcmp(strrchr(path, '/'), "/..") != 0;
}

/* Set exchange->path.  Returns 0, or the status that was answered. */
static int find_path(struct http_exchange *exchange)
{
    const char *path = exchange->info->local_uri_raw;
    const char *base = exchange->gateway->config->server.base_path;
    size_t length = strlen(base) - 1;   /* without the final "/" */
    char location[192];

    if (!is_plain_path(path))
        return http_reply_error(exchange, 400, NULL,
                                "the path has characters or parts that no path "
                                "here has: no escapes, no \"..\", no \"//\"");
    if (strncmp(path, base, length) != 0 || (path[length] != '/' && path[length] != '\0'))
        return http_reply_error(exchange, 404, NULL, "there is nothing here");
    if (path[length] == '\0') {
        snprintf(location, sizeof location, "Cache-Control: no-store\r\nLocation: %s\r\n", base);
        return http_reply(exchange, 308, "text/plain", location, NULL, 0);
    }
    exchange->path = path + length;
    return 0;
}

/* ---- which endpoint is it? ---- */

/* Write "Allow: GET, HEAD, POST" for `path`.  Returns false when nothing has that path. */
static bool list_methods(const char *path, char *allow, size_t size)
{
    size_t length = 0;

    for (size_t i = 0; i < ENDPOINT_COUNT; i++) {
        const struct endpoint *row = &ENDPOINTS[i];
        if (strcmp(row->path, path) != 0)
            continue;
        length += (size_t) snprintf(allow + length, size - length, "%s%s%s",
                                    length > 0 ? ", " : "Cache-Control: no-store\r\nAllow: ",
                                    row->method, strcmp(row->method, "GET") == 0 ? ", HEAD" : "");
    }
    snprintf(allow + length, size - length, "\r\n");
    return length > 0;
}

static const struct endpoint *find_endpoint(const char *method, const char *path)
{
    for (size_t i = 0; i < ENDPOINT_COUNT; i++)
        if (strcmp(ENDPOINTS[i].path, path) == 0 && strcmp(ENDPOINTS[i].method, method) == 0)
            return &ENDPOINTS[i];
    return NULL;
}

/* Returns the endpoint, or NULL after the error has been answered with *ret_status. */
static const struct endpoint *choose(struct http_exchange *exchange, int *ret_status)
{
    const char *method = exchange->info->request_method;
    char allow[128];

    exchange->is_head = strcmp(method, "HEAD") == 0;
    if (exchange->is_head)
        method = "GET";
    const struct endpoint *endpoint = find_endpoint(method, exchange->path);
    if (endpoint)
        return endpoint;
    if (list_methods(exchange->path, allow, sizeof allow)) {
        *ret_status = http_reply_error(exchange, 405, allow, "this method is not for %s",
                                       exchange->path);
        return NULL;
    }
    if (strcmp(method, "GET") == 0)
        return &PAGE;
    if (ui_files_has(exchange->gateway->ui, exchange->path))
        *ret_status = http_reply_error(exchange, 405, "Allow: GET, HEAD\r\n",
                                       "this method is not for %s", exchange->path);
    else
        *ret_status = http_reply_error(exchange, 404, NULL, "there is nothing here");
    return NULL;
}

/* ---- may it? ---- */

/* Join all X-Forwarded-For lines.  Returns false when they do not fit. */
static bool join_forwarded(const struct http_exchange *exchange, char list[FORWARDED_SIZE])
{
    size_t length = 0;

    list[0] = '\0';
    for (int i = 0; i < exchange->info->num_headers; i++) {
        const struct mg_header *header = &exchange->info->http_headers[i];
        if (strcasecmp(header->name, "X-Forwarded-For") != 0)
            continue;
        length += (size_t) snprintf(list + length, FORWARDED_SIZE - length, "%s%s",
                                    length > 0 ? "," : "", header->value);
        if (length >= FORWARDED_SIZE)
            return false;
    }
    return true;
}

static bool is_forwarded(const struct http_exchange *exchange)
{
    static const char *const NAMES[] = { "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto",
                                         "X-Real-IP", "Forwarded", "Via" };

    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++)
        if (http_header(exchange, NAMES[i]))
            return true;
    return false;
}

/* Returns 0, or the status that was answered. */
static int check_access(struct http_exchange *exchange, enum access_class class)
{
    char forwarded[FORWARDED_SIZE], retry[64] = "";

    if (!join_forwarded(exchange, forwarded))
        return http_reply_error(exchange, 400, NULL, "X-Forwarded-For is too long");
    struct access_request request = {
        .peer = exchange->client ? exchange->client->address : "",
        .host = http_header(exchange, "Host"),
        .origin = http_header(exchange, "Origin"),
        .fetch_site = http_header(exchange, "Sec-Fetch-Site"),
        .fetch_mode = http_header(exchange, "Sec-Fetch-Mode"),
        .authorization = http_header(exchange, "Authorization"),
        .cookie = http_header(exchange, "Cookie"),
        .forwarded_for = forwarded[0] != '\0' ? forwarded : NULL,
        .is_forwarded = is_forwarded(exchange),
    };
    exchange->access = access_judge(exchange->gateway->access, &request, class,
                                    clock_monotonic_ns());
    if (exchange->access.status == 200)
        return 0;
    if (exchange->access.status == 429)
        snprintf(retry, sizeof retry, "Cache-Control: no-store\r\nRetry-After: %u\r\n",
                 exchange->access.retry_after_s);
    if (exchange->access.status == 401)
        snprintf(retry, sizeof retry, "Cache-Control: no-store\r\nWWW-Authenticate: Bearer\r\n");
    return http_reply_error(exchange, exchange->access.status, retry[0] != '\0' ? retry : NULL,
                            "%s", exchange->access.why);
}

int routes_serve(struct http_exchange *exchange)
{
    const struct endpoint *endpoint = NULL;
    int status = check_headers(exchange);

    if (status == 0)
        status = find_path(exchange);
    if (status == 0)
        endpoint = choose(exchange, &status);
    if (endpoint)
        status = check_access(exchange, endpoint->access);
    if (status == 0) {
        assert(endpoint);
        return endpoint->handle(exchange, endpoint->arg);
    }
    http_drop_body(exchange);
    return status;
}
