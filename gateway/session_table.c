#include "session_table.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "clock.h"

bool secret_equal(const char *secret, const char *given)
{
    size_t length = strlen(secret), given_length = strlen(given);
    unsigned difference = length != given_length;

    for (size_t i = 0; i < given_length; i++)
        difference
            |= (unsigned char) given[i] ^ (unsigned char) secret[length > 0 ? i % length : 0];
    return difference == 0;
}

int secret_make(char secret[SESSION_ID_SIZE])
{
    uint8_t bytes[(SESSION_ID_SIZE - 1) / 2];

    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t) sizeof bytes)
        return -errno;
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(secret + 2 * i, 3, "%02x", bytes[i]);
    return 0;
}

/* Of two requests at once the later one may be first here: `now_ns` may lie before `used_ns`. */
static bool is_alive(const struct session *session, uint64_t now_ns)
{
    return session->rights != SESSION_NONE && now_ns < session->used_ns + SESSION_IDLE_S * NS_PER_S;
}

void session_table_begin(struct session_table *self, const char id[SESSION_ID_SIZE],
                         enum session_rights rights, uint64_t now_ns)
{
    struct session *place = &self->sessions[0];

    for (unsigned i = 0; i < SESSION_MAX; i++) {
        struct session *session = &self->sessions[i];
        if (!is_alive(session, now_ns))
            session->rights = SESSION_NONE;
        if (place->rights != SESSION_NONE
            && (session->rights == SESSION_NONE || session->used_ns < place->used_ns))
            place = session;
    }
    *place = (struct session) { .rights = rights, .used_ns = now_ns };
    memcpy(place->id, id, SESSION_ID_SIZE);
}

/* Looks at every entry: the time does not tell where an id stands. */
static struct session *find(struct session_table *self, const char *id, uint64_t now_ns)
{
    struct session *found = NULL;

    for (unsigned i = 0; i < SESSION_MAX; i++)
        if (is_alive(&self->sessions[i], now_ns) && secret_equal(self->sessions[i].id, id))
            found = &self->sessions[i];
    return found;
}

enum session_rights session_table_find(struct session_table *self, const char *id, uint64_t now_ns)
{
    struct session *session = find(self, id, now_ns);

    if (!session)
        return SESSION_NONE;
    session->used_ns = now_ns;
    return session->rights;
}

void session_table_end(struct session_table *self, const char *id)
{
    for (unsigned i = 0; i < SESSION_MAX; i++)
        if (secret_equal(self->sessions[i].id, id))
            self->sessions[i].rights = SESSION_NONE;
}
