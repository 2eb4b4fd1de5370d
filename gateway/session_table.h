/* session_table - who has logged in, in bounded memory.
 */
#ifndef SESSION_TABLE_H
#define SESSION_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#define SESSION_ID_SIZE 65      /* 64 hexadecimal digits and the NUL */
#define SESSION_MAX 64
#define SESSION_IDLE_S (7 * 24 * 3600)

enum session_rights { SESSION_NONE = 0, SESSION_READ, SESSION_ADMIN };

struct session {
    char id[SESSION_ID_SIZE];
    enum session_rights rights; /* SESSION_NONE = the place is free */
    uint64_t used_ns;           /* last use, monotonic */
};

/* All zeros is a valid, empty table.  The owner locks. */
struct session_table {
    struct session sessions[SESSION_MAX];
};

/* Begin a session named `id`.  A full table ends the one that has not been used for the longest. */
void session_table_begin(struct session_table *self, const char id[SESSION_ID_SIZE],
                         enum session_rights rights, uint64_t now_ns);

/* What the session `id` (any text) may do at `now_ns`; counts as use. */
enum session_rights session_table_find(struct session_table *self, const char *id, uint64_t now_ns);

void session_table_end(struct session_table *self, const char *id);

/* Compare two texts in a time that depends only on the length of `given`. */
bool secret_equal(const char *secret, const char *given);

/* Write 64 random hexadecimal digits and a NUL.  Returns 0 or -errno. */
int secret_make(char secret[SESSION_ID_SIZE]);

#endif
