/* ui_files - the files of the web page, read into memory once and served from there.
 *
 * No path of a request ever reaches the file system.  A file NAME.gz beside NAME is sent to clients
 * that take it.  Without a folder, a plain page that is built in is served.
 */
#ifndef UI_FILES_H
#define UI_FILES_H

#include <stdbool.h>
#include <stddef.h>

struct http_exchange;

typedef struct ui_files ui_files_t;

/* Read the folder `path` (NULL = the plain page), at most 1,024 files and 64 MiB in all.  It must
 * have an index.html.  Files whose name begins with "." are left out. Returns 0, -ENOENT when there
 * is no index.html, -E2BIG, -ENOMEM or another -errno. */
int ui_files_open(const char *path, ui_files_t **ret_files);

void ui_files_destroy(ui_files_t **self_p);

/* Whether there is a file for `path` ("/assets/x.js"; "/" is index.html). */
bool ui_files_has(const ui_files_t *self, const char *path);

/* Write the default folder into `path`: webui/dist beside the build folder that holds the program
 * if it is there, else /usr/share/ntc/webui.  Returns false if there is neither. */
bool ui_files_default(char *path, size_t size);

/* Answer a GET: the file, or index.html for a path without a dot that a browser opens, or 404. */
int ui_files_get(struct http_exchange *exchange, int unused);

#endif
