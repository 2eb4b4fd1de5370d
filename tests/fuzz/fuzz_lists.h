/* fuzz_lists - a folder for lists files, and whether what was saved is what was meant. */
#ifndef FUZZ_LISTS_H
#define FUZZ_LISTS_H

#include <dirent.h>
#include <unistd.h>

#include "fuzz.h"
#include "list_store.h"

static char fuzz_folder[64];

/* Remove every file in the folder. */
static void fuzz_empty_folder(void)
{
    DIR *dir = opendir(fuzz_folder);
    char path[400];

    for (struct dirent *entry = dir ? readdir(dir) : NULL; entry; entry = readdir(dir)) {
        snprintf(path, sizeof path, "%s/%s", fuzz_folder, entry->d_name);
        unlink(path);
    }
    if (dir)
        closedir(dir);
}

static void fuzz_remove_folder(void)
{
    fuzz_empty_folder();
    rmdir(fuzz_folder);
}

/* Write "FOLDER/lists.json", where the folder is in memory, as syncing to a disk is slow, and gone
 * in the end. */
static inline void fuzz_lists_path(char path[128])
{
    if (fuzz_folder[0] == '\0') {
        strcpy(fuzz_folder, "/dev/shm/ntc-fuzz-XXXXXX");
        FUZZ_ASSERT(mkdtemp(fuzz_folder));
        atexit(fuzz_remove_folder);
    }
    snprintf(path, 128, "%s/lists.json", fuzz_folder);
}

/* Times may move by the milliseconds that the file rounds them to. */
static inline void fuzz_same_lists(const ip_list_t *a, const ip_list_t *b)
{
    for (enum ntc_list list = NTC_BLACK; list < NTC_LISTS; list++) {
        FUZZ_ASSERT(ip_list_size(a, list) == ip_list_size(b, list));
        for (uint32_t i = 0; i < ip_list_size(a, list); i++) {
            const struct ip_list_entry *x = ip_list_at(a, list, i), *y = ip_list_at(b, list, i);
            FUZZ_ASSERT(ip_prefix_compare(&x->prefix, &y->prefix) == 0);
            FUZZ_ASSERT(strcmp(x->reason, y->reason) == 0);
            FUZZ_ASSERT((x->expires_ns == 0) == (y->expires_ns == 0));
        }
    }
}

#endif
