/* bus_folder - a folder of its own for the sockets of one test, so that tests do not meet. */
#ifndef BUS_FOLDER_H
#define BUS_FOLDER_H

#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct bus_folder {
    char path[64];
};

static inline void bus_folder_make(struct bus_folder *self)
{
    strcpy(self->path, "/tmp/ntc-bus-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(self->path));
}

/* Write "ipc://FOLDER/NAME". */
static inline const char *bus_folder_endpoint(const struct bus_folder *self, const char *name,
                                              char endpoint[128])
{
    snprintf(endpoint, 128, "ipc://%s/%s", self->path, name);
    return endpoint;
}

static inline unsigned bus_folder_files(const struct bus_folder *self)
{
    DIR *dir = opendir(self->path);
    unsigned count = 0;

    ck_assert_ptr_nonnull(dir);
    for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir))
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

/* Remove the folder, its files, and what is in a folder inside it. */
static inline void bus_folder_remove(struct bus_folder *self)
{
    char command[128];

    snprintf(command, sizeof command, "rm -rf %s", self->path);
    ck_assert_int_eq(system(command), 0);
}

#endif
