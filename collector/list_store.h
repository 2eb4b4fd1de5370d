/* list_store - the lists file: read at start, replaced as a whole with every change.
 *
 * Saving has two steps, so that the kernel can be changed between them: _prepare() writes and syncs
 * a temporary file beside it, _commit() makes it the lists file.  At every moment, also after a
 * power cut, there is a whole lists file; the version before it is kept as FILE.bak.
 *
 * A file that cannot be read as lists is linked to FILE.broken-TIME and FILE.bak is used; one with
 * single bad entries is linked to FILE.refused-TIME.  TIME is the file's own, so that the same file
 * is kept once.  Nothing is saved over a file that could not be kept.
 */
#ifndef LIST_STORE_H
#define LIST_STORE_H

#include "list_json.h"

typedef struct list_store list_store_t;

#define LIST_STORE_NAME_SIZE (4096 + 64)        /* of a file that is kept under another name */

/* Remember the path; its folder is made if only that is missing.  Returns 0 or -errno. */
int list_store_open(list_store_t **ret_self, const char *path);

void list_store_destroy(list_store_t **self_p);

/* The changes that the file holds beside the lists: list_store_load() fills them, and they are
 * saved with the lists.  Ours, valid until the store is destroyed. */
unconfirmed_changes_t *list_store_unconfirmed(const list_store_t *self);

/* Read the file into `lists`, which must be empty.  A missing file is empty lists.  What is wrong
 * goes to `report`; a file that was broken is replaced by the version before if that works.
 * Returns 0, -ENOMEM, or -errno when the file cannot be read at all (`why`, at least 512 bytes). */
int list_store_load(list_store_t *self, ip_list_t *lists, uint64_t boot_ns,
                    int64_t wall_offset_ns, list_report_fn *report, void *arg,
                    char *why, size_t why_size);

/* Write the lists beside the file and sync them.  Then call _commit() or _abandon().
 * Returns 0, or -errno with a sentence in `why`: nothing is left behind then. */
int list_store_prepare(list_store_t *self, const ip_list_t *lists, int64_t wall_offset_ns,
                       char *why, size_t why_size);

/* Make what was prepared the lists file and sync the folder.
 * Returns 0, or -errno with a sentence in `why`: the file is as before then. */
int list_store_commit(list_store_t *self, char *why, size_t why_size);

/* Give the file another name, FILE.flushed-TIME, written to `kept`: without a file the lists are
 * empty.  Works also on a full disk and with a broken file.
 * Returns 0, -ENOENT when there is no file, or another -errno: it is still there then. */
int list_store_set_aside(list_store_t *self, char kept[LIST_STORE_NAME_SIZE]);

void list_store_abandon(list_store_t *self);

/* Unix time - boot time by which the file tells times; what was given to _load() without a file. */
int64_t list_store_wall_offset_ns(const list_store_t *self);

#endif
