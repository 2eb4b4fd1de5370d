#include "access.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "admin_token.h"
#include "authority.h"
#include "clock.h"
#include "log.h"
#include "token_throttle.h"

#define TELLING_NS (60 * NS_PER_S)
#define TOLD_MAX 30             /* log lines in that time */

struct access {
    const struct config *config;
    char admin_token[ADMIN_TOKEN_SIZE];
    char own_name[65];          /* lower case, first label of the host's name */
    struct ip_prefix proxies[CONFIG_MAX_ITEMS];
    uint32_t proxy_count;
    pthread_mutex_t lock;       /* of the two tables */
    struct session_table sessions;
    struct token_throttle throttle;
    uint64_t telling_since_ns;  /* wrong tokens are logged: the minute that counts now */
    unsigned told, untold;      /* in it */
};

access_t *access_new(const struct config *config, const char *admin_token)
{
    assert(config && admin_token && strlen(admin_token) < ADMIN_TOKEN_SIZE);

    char why[160];
    access_t *self = calloc(1, sizeof *self);

    if (!self)
        return NULL;
    self->config = config;
    strcpy(self->admin_token, admin_token);
    if (gethostname(self->own_name, sizeof self->own_name - 1) == 0)
        self->own_name[strcspn(self->own_name, ".")] = '\0';
    for (uint32_t i = 0; i < config->server.trusted_proxies.size; i++)
        if (ip_prefix_parse(config->server.trusted_proxies.items[i],
                            &self->proxies[self->proxy_count], why, sizeof why) == 0)
            self->proxy_count++;
    pthread_mutex_init(&self->lock, NULL);
    return self;
}

void access_destroy(access_t **self_p)
{
    assert(self_p);
    if (!*self_p)
        return;
    pthread_mutex_destroy(&(*self_p)->lock);
    free(*self_p);
    *self_p = NULL;
}

/* ---- whose request it is ---- */

static bool is_proxy(const access_t *self, const struct ip_addr *addr)
{
    for (uint32_t i = 0; i < self->proxy_count; i++)
        if (ip_prefix_contains(&self->proxies[i], addr->bytes))
            return true;
    return false;
}

/* Read one entry of X-Forwarded-For; some proxies add a port. */
static int parse_forwarded(const char *text, size_t length, struct ip_addr *ret_addr)
{
    struct authority authority;
    char entry[64], why[160];

    while (length > 0 && (*text == ' ' || *text == '\t')) {
        text++;
        length--;
    }
    while (length > 0 && (text[length - 1] == ' ' || text[length - 1] == '\t'))
        length--;
    if (length == 0 || length >= sizeof entry)
        return -EINVAL;
    memcpy(entry, text, length);
    entry[length] = '\0';
    if (ip_addr_parse(entry, ret_addr, why, sizeof why) == 0)
        return 0;
    if (authority_parse(&authority, entry) < 0 || !authority.is_literal)
        return -EINVAL;
    *ret_addr = authority.addr;
    return 0;
}

/* The last address of the list that is not a trusted proxy's; `addr` is left as it is when the list
 * cannot be read that far. */
static void find_forwarded(const access_t *self, const char *list, struct ip_addr *addr)
{
    const char *end = list + strlen(list);

    while (is_proxy(self, addr)) {
        const char *begin = end;
        while (begin > list && begin[-1] != ',')
            begin--;
        if (parse_forwarded(begin, (size_t) (end - begin), addr) < 0 || begin == list)
            return;
        end = begin - 1;
    }
}

/* Who sent the request; true if it is somebody on this host. */
static bool identify(const access_t *self, const struct access_request *request,
                     struct access_verdict *verdict)
{
    char why[160];

    if (ip_addr_parse(request->peer, &verdict->client, why, sizeof why) < 0)
        return false;
    if (is_proxy(self, &verdict->client)) {
        if (request->forwarded_for)
            find_forwarded(self, request->forwarded_for, &verdict->client);
        verdict->is_unlimited = is_proxy(self, &verdict->client);
        return false;
    }
    verdict->is_unlimited = addr_is_loopback(&verdict->client);
    return verdict->is_unlimited && !request->is_forwarded;
}

bool access_peer_is_unlimited(const access_t *self, const char *peer)
{
    struct ip_addr addr;
    char why[160];

    return ip_addr_parse(peer, &addr, why, sizeof why) == 0
           && (addr_is_loopback(&addr) || is_proxy(self, &addr));
}

/* ---- where it wants to go, where it comes from ---- */

static bool is_allowed_host(const access_t *self, const struct authority *host)
{
    for (uint32_t i = 0; i < self->config->server.allowed_hosts.size; i++)
        if (strcasecmp(self->config->server.allowed_hosts.items[i], host->host) == 0)
            return true;
    return false;
}

/* Names under which a router finds itself on its own network: none of these can be had on the
 * public DNS, so none can be rebound. */
static bool is_own_name(const access_t *self, const char *host)
{
    static const char *const SUFFIXES[]
        = { "", ".local", ".lan", ".home", ".home.arpa", ".internal", ".localdomain" };
    size_t length = strlen(self->own_name);

    if (length == 0 || strncasecmp(host, self->own_name, length) != 0)
        return false;
    for (size_t i = 0; i < sizeof SUFFIXES / sizeof SUFFIXES[0]; i++)
        if (strcmp(host + length, SUFFIXES[i]) == 0)
            return true;
    return false;
}

static bool is_known_host(const access_t *self, const struct authority *host)
{
    return host->is_literal || authority_is_loopback(host) || is_allowed_host(self, host)
           || is_own_name(self, host->host);
}

/* True if a browser says that a page of another site sent this. */
static bool is_foreign(const struct access_request *request, const struct authority *host)
{
    if (request->origin && !authority_is_origin(host, request->origin))
        return true;
    return request->fetch_site && strcasecmp(request->fetch_site, "cross-site") == 0;
}

/* A script of another site; following a link from there is fine. */
static bool is_foreign_script(const struct access_request *request)
{
    return request->fetch_site && strcasecmp(request->fetch_site, "cross-site") == 0
           && !(request->fetch_mode && strcasecmp(request->fetch_mode, "navigate") == 0);
}

/* A session may change something only when the browser says that our own page asked: it sends
 * Origin with every POST and DELETE.  (With a GET it may send neither, so there a session is
 * enough.) */
static bool is_same_origin(const struct access_request *request, const struct authority *host)
{
    if (request->origin)
        return authority_is_origin(host, request->origin);
    return request->fetch_site && strcasecmp(request->fetch_site, "same-origin") == 0;
}

/* ---- what it shows ---- */

/* The value of our cookie in a Cookie header.  False if there is none. */
static bool find_cookie(const char *header, char id[SESSION_ID_SIZE])
{
    size_t name = strlen(ACCESS_COOKIE "=");

    for (const char *at = header; at; at = strchr(at, ';') ? strchr(at, ';') + 1 : NULL) {
        at += strspn(at, " \t");
        if (strncmp(at, ACCESS_COOKIE "=", name) != 0)
            continue;
        size_t length = strcspn(at + name, "; \t");
        if (length != SESSION_ID_SIZE - 1)
            return false;
        memcpy(id, at + name, length);
        id[length] = '\0';
        return true;
    }
    return false;
}

static enum session_rights rights_of_token(const access_t *self, const char *token)
{
    bool is_admin = self->admin_token[0] != '\0' && secret_equal(self->admin_token, token);
    bool is_read = self->config->server.read_token[0] != '\0'
                   && secret_equal(self->config->server.read_token, token);

    return is_admin ? SESSION_ADMIN : is_read ? SESSION_READ : SESSION_NONE;
}

/* Log the address, so that people and programs can act on it; but nobody fills the log. */
static void tell_wrong_token(access_t *self, const struct ip_addr *client, uint64_t now_ns)
{
    char text[IP_TEXT_SIZE];

    if (now_ns >= self->telling_since_ns + TELLING_NS) {
        if (self->untold > 0)
            log_warning("%u more wrong tokens were shown in a minute", self->untold);
        self->telling_since_ns = now_ns;
        self->told = self->untold = 0;
    }
    if (self->told == TOLD_MAX) {
        self->untold++;
        return;
    }
    self->told++;
    ip_addr_format(client->bytes, text);
    log_warning("a wrong token from %s", text);
}

/* Try a token for `client`.  Returns its rights, -EACCES when it is wrong, -EAGAIN when the client
 * must wait. */
static int try_token(access_t *self, const struct ip_addr *client, const char *token,
                     uint64_t now_ns, unsigned *ret_wait_s)
{
    int rc = -EAGAIN;

    pthread_mutex_lock(&self->lock);
    *ret_wait_s = token_throttle_wait_s(&self->throttle, client, now_ns);
    if (*ret_wait_s == 0) {
        rc = rights_of_token(self, token);
        if (rc == SESSION_NONE) {
            token_throttle_fail(&self->throttle, client, now_ns);
            tell_wrong_token(self, client, now_ns);
            rc = -EACCES;
        } else {
            token_throttle_forgive(&self->throttle, client);
        }
    }
    pthread_mutex_unlock(&self->lock);
    return rc;
}

static enum session_rights rights_of_cookie(access_t *self, const char *header, uint64_t now_ns)
{
    char id[SESSION_ID_SIZE];

    if (!header || !find_cookie(header, id))
        return SESSION_NONE;
    pthread_mutex_lock(&self->lock);
    enum session_rights rights = session_table_find(&self->sessions, id, now_ns);
    pthread_mutex_unlock(&self->lock);
    return rights;
}

int access_login(access_t *self, const struct ip_addr *client, const char *token, uint64_t now_ns,
                 char id[SESSION_ID_SIZE], unsigned *ret_wait_s)
{
    int rights = try_token(self, client, token, now_ns, ret_wait_s);

    if (rights < 0)
        return rights;
    int rc = secret_make(id);
    if (rc < 0)
        return rc;
    pthread_mutex_lock(&self->lock);
    session_table_begin(&self->sessions, id, (enum session_rights) rights, now_ns);
    pthread_mutex_unlock(&self->lock);
    return 0;
}

void access_logout(access_t *self, const char *cookie)
{
    char id[SESSION_ID_SIZE];

    if (!cookie || !find_cookie(cookie, id))
        return;
    pthread_mutex_lock(&self->lock);
    session_table_end(&self->sessions, id);
    pthread_mutex_unlock(&self->lock);
}

/* ---- the verdict ---- */

__attribute__((format(printf, 3, 4)))
static void refuse(struct access_verdict *verdict, int status, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(verdict->why, sizeof verdict->why, format, args);
    va_end(args);
    verdict->status = status;
}

/* Look at what the request shows.  Returns false when it shows a wrong token. */
static bool weigh(access_t *self, const struct access_request *request,
                  const struct authority *host, enum access_class class, bool is_local,
                  uint64_t now_ns, struct access_verdict *verdict)
{
    const char *bearer = request->authorization;
    int rights = SESSION_NONE;
    enum session_rights session = rights_of_cookie(self, request->cookie, now_ns);

    if (bearer && strncasecmp(bearer, "Bearer ", 7) == 0)
        rights = try_token(self, &verdict->client, bearer + 7 + strspn(bearer + 7, " "), now_ns,
                           &verdict->retry_after_s);
    if (rights == -EAGAIN)
        refuse(verdict, 429, "there were too many wrong tokens from this address: wait %u s",
               verdict->retry_after_s);
    if (rights == -EACCES)
        refuse(verdict, 401, "the token is wrong");
    if (rights < 0)
        return false;

    bool is_local_admin = is_local && (authority_is_loopback(host) || is_allowed_host(self, host));
    bool is_session_admin = session == SESSION_ADMIN
                            && (class != ACCESS_CHANGE || is_same_origin(request, host));
    verdict->may_change = rights == SESSION_ADMIN || is_local_admin || is_session_admin;
    verdict->may_read = self->config->server.read_token[0] == '\0' || rights != SESSION_NONE
                        || session != SESSION_NONE || verdict->may_change;
    return true;
}

struct access_verdict access_judge(access_t *self, const struct access_request *request,
                                   enum access_class class, uint64_t now_ns)
{
    struct access_verdict verdict = { .status = 200 };
    struct authority host;
    bool is_local = identify(self, request, &verdict);

    if (!request->host || authority_parse(&host, request->host) < 0) {
        refuse(&verdict, 400, "the request has no valid Host header");
        return verdict;
    }
    if (!is_known_host(self, &host)) {
        refuse(&verdict, 403,
               "the host \"%.80s\" is not known here: use the address, or add the name to "
               "server.allowed_hosts",
               host.host);
        return verdict;
    }
    if ((class == ACCESS_CHANGE || class == ACCESS_LOGIN) ? is_foreign(request, &host)
                                                         : is_foreign_script(request)) {
        refuse(&verdict, 403, "a page of another site may not do this");
        return verdict;
    }
    if (!weigh(self, request, &host, class, is_local, now_ns, &verdict))
        return verdict;
    if (class == ACCESS_READ && !verdict.may_read)
        refuse(&verdict, 401, "reading needs a token: send it as \"Authorization: Bearer\"");
    if ((class == ACCESS_CHANGE || class == ACCESS_ADMIN) && !verdict.may_change)
        refuse(&verdict, 401, "this needs the admin token: log in, or send it as "
               "\"Authorization: Bearer\"");
    return verdict;
}
