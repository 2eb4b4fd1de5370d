/* access - who may read, who may change, and who tries to trick a browser into it.
 *
 * A change needs the admin token (as Bearer, or as a session with a same-origin Origin) or a client
 * on this host that names it by a loopback Host.  Whatever another site's page sends is refused.
 * The rules are told to people in docs/api.md.
 */
#ifndef ACCESS_H
#define ACCESS_H

#include <stdbool.h>

#include "config.h"
#include "ip_addr.h"
#include "session_table.h"

typedef struct access access_t;

/* Header values are NULL when absent. */
struct access_request {
    const char *peer;           /* address of the TCP peer */
    const char *host, *origin, *fetch_site, *fetch_mode, *authorization, *cookie;
    const char *forwarded_for;  /* all X-Forwarded-For lines in order, joined by "," */
    bool is_forwarded;          /* there is a header that only proxies write */
};

/* What an endpoint needs. */
enum access_class {
    ACCESS_OPEN,                /* a known Host only */
    ACCESS_READ,                /* reading figures */
    ACCESS_ADMIN,               /* reading what only an administrator should see */
    ACCESS_LOGIN,               /* not from another site's page */
    ACCESS_CHANGE,              /* changing something */
};

struct access_verdict {
    int status;                 /* 200 = go on, 401, 403 or 429 */
    char why[256];              /* a sentence when refused */
    unsigned retry_after_s;     /* with 429 */
    struct ip_addr client;      /* whose request it is, behind trusted proxies */
    bool is_unlimited;          /* loopback or a trusted proxy: no cap per address */
    bool may_read, may_change;
};

/* `config` must outlive the object; `admin_token` may be "" (then nobody has it).
 * Returns an object the caller destroys, or NULL when memory is short. */
access_t *access_new(const struct config *config, const char *admin_token);
void access_destroy(access_t **self_p);

/* Judge a request at `now_ns` (monotonic).  Any thread.  Counts wrong tokens. */
struct access_verdict access_judge(access_t *self, const struct access_request *request,
                                   enum access_class class, uint64_t now_ns);

/* Begin a session for a client that shows `token`; `id` becomes its cookie.
 * Returns 0, -EACCES when the token is wrong (counted), -EAGAIN when the client must wait
 * (*ret_wait_s seconds), or another -errno. */
int access_login(access_t *self, const struct ip_addr *client, const char *token, uint64_t now_ns,
                 char id[SESSION_ID_SIZE], unsigned *ret_wait_s);

/* End the session that the Cookie header (NULL = none) names. */
void access_logout(access_t *self, const char *cookie);

/* True if connections of this peer (IPv4 text) are not capped: loopback and trusted proxies. */
bool access_peer_is_unlimited(const access_t *self, const char *peer);

#define ACCESS_COOKIE "ntc_session"

#endif
