/* admin_token - the file that holds the admin token.
 */
#ifndef ADMIN_TOKEN_H
#define ADMIN_TOKEN_H

#include <limits.h>
#include <stdbool.h>

#include "config.h"

#define ADMIN_TOKEN_SIZE 129    /* longest token and its NUL */

/* Write the path of the token file: server.token_file, or "admin.token" beside the lists file. */
void admin_token_path(const struct config *config, char path[PATH_MAX]);

/* Read the token from `path`; if there is no such file, make one of 64 random hexadecimal digits
 * (mode 0600, by a temporary file and rename).  *ret_made tells which.
 * Returns 0, -EINVAL when the file holds no token of 16 to 128 visible ASCII characters, -EPERM
 * when others than its owner may read it, or another -errno. */
int admin_token_open(const char *path, char token[ADMIN_TOKEN_SIZE], bool *ret_made);

#endif
