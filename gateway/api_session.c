#include "api_session.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"

#define NO_STORE "Cache-Control: no-store\r\n"

/* The configuration has about 35 keys; the longest value is a list of 64 texts. */
enum { CONFIG_JSON_MAX = 256 * 1024 };

static const char OK[] = "{\"ok\":true}";

static void put_address(struct json_writer *json, const char *key, const struct ip_addr *addr)
{
    char text[IP_TEXT_SIZE];

    ip_addr_format(addr->bytes, text);
    json_put_string(json, key, text);
}

int api_session_get(struct http_exchange *exchange, int unused)
{
    struct text_buffer text = text_buffer_of(8 * 1024);
    struct json_writer json = json_writer_of(&text);

    (void) unused;
    json_put_object(&json, NULL);
    json_put_bool(&json, "admin", exchange->access.may_change);
    json_put_bool(&json, "login_required", !exchange->access.may_read);
    json_put_bool(&json, "read", exchange->access.may_read);
    put_address(&json, "client_ip", &exchange->access.client);
    json_put_object_end(&json);
    return http_reply_json(exchange, 200, &text);
}

/* Write the Set-Cookie line: base_path is from the configuration, the id is ours. */
static void format_cookie(const struct http_exchange *exchange, const char *id, const char *more,
                          char *headers, size_t size)
{
    const char *scheme = http_header(exchange, "X-Forwarded-Proto");

    snprintf(headers, size, NO_STORE "Set-Cookie: " ACCESS_COOKIE "=%s; Path=%s; HttpOnly; "
             "SameSite=Strict%s%s\r\n", id, exchange->gateway->config->server.base_path,
             scheme && strcmp(scheme, "https") == 0 ? "; Secure" : "", more);
}

int api_session_login(struct http_exchange *exchange, int unused)
{
    static const struct body_field FIELDS[] = { { "token", JSON_STRING, true }, { 0 } };
    char id[SESSION_ID_SIZE], headers[512];
    unsigned wait_s = 0;
    json_t *body = NULL;

    (void) unused;
    int status = http_read_body(exchange, FIELDS, &body);
    if (status != 200)
        return status;
    int rc = access_login(exchange->gateway->access, &exchange->access.client,
                          json_string_value(json_object_get(body, "token")), clock_monotonic_ns(),
                          id, &wait_s);
    json_decref(body);
    if (rc == -EAGAIN) {
        snprintf(headers, sizeof headers, NO_STORE "Retry-After: %u\r\n", wait_s);
        return http_reply_error(exchange, 429, headers,
                                "there were too many wrong tokens from this address: wait %u s",
                                wait_s);
    }
    if (rc == -EACCES)
        return http_reply_error(exchange, 401, NULL, "the token is wrong");
    if (rc < 0)
        return http_reply_error(exchange, 500, NULL, "cannot log in: %s", strerror(-rc));
    format_cookie(exchange, id, "", headers, sizeof headers);
    return http_reply(exchange, 200, HTTP_TYPE_JSON, headers, OK, sizeof OK - 1);
}

int api_session_logout(struct http_exchange *exchange, int unused)
{
    char headers[512];

    (void) unused;
    http_drop_body(exchange);
    access_logout(exchange->gateway->access, http_header(exchange, "Cookie"));
    format_cookie(exchange, "", "; Max-Age=0", headers, sizeof headers);
    return http_reply(exchange, 200, HTTP_TYPE_JSON, headers, OK, sizeof OK - 1);
}

struct config_listing {
    struct json_writer json;
    const char *block;
};

static void on_config_value(const char *block, const char *key, const char *value, void *arg)
{
    struct config_listing *listing = arg;

    if (!listing->block || strcmp(listing->block, block) != 0) {
        if (listing->block)
            json_put_object_end(&listing->json);
        json_put_object(&listing->json, block);
        listing->block = block;
    }
    json_t *parsed = json_loads(value, JSON_DECODE_ANY, NULL); /* most YAML values are JSON too */
    if (parsed)
        json_put_raw(&listing->json, key, value);
    else
        json_put_string(&listing->json, key, value);
    json_decref(parsed);
}

int api_session_config(struct http_exchange *exchange, int unused)
{
    struct text_buffer text = text_buffer_of(CONFIG_JSON_MAX);
    struct config_listing listing = { .json = json_writer_of(&text) };

    (void) unused;
    json_put_object(&listing.json, NULL);
    text.failed |= config_visit(exchange->gateway->config, on_config_value, &listing) != 0;
    if (listing.block)
        json_put_object_end(&listing.json);
    json_put_object_end(&listing.json);
    return http_reply_json(exchange, 200, &text);
}
