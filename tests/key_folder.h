/* key_folder - a folder with the keys of one host, for one test. */
#ifndef KEY_FOLDER_H
#define KEY_FOLDER_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "peer_keys.h"

struct key_folder {
    char path[64];
    struct peer_key public;
    char public_text[PEER_KEY_TEXT_SIZE];
};

static inline void key_folder_make(struct key_folder *self)
{
    char why[512];

    strcpy(self->path, "/tmp/ntc-keys-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(self->path));
    ck_assert_msg(peer_keys_make(self->path, &self->public, why, sizeof why) == 0, "%s", why);
    peer_key_format(&self->public, self->public_text);
}

static inline void key_folder_remove(struct key_folder *self)
{
    char command[128];

    snprintf(command, sizeof command, "rm -rf %s", self->path);
    ck_assert_int_eq(system(command), 0);
}

/* Write `text` into FOLDER/NAME as an editor does: in one step. */
static inline void key_folder_write(const struct key_folder *self, const char *name,
                                    const char *text)
{
    char path[256], made[256];

    snprintf(made, sizeof made, "%s/.made", self->path);
    snprintf(path, sizeof path, "%s/%s", self->path, name);
    FILE *file = fopen(made, "we");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
    ck_assert_int_eq(rename(made, path), 0);
}

static inline void key_folder_delete(const struct key_folder *self, const char *name)
{
    char path[256];

    snprintf(path, sizeof path, "%s/%s", self->path, name);
    ck_assert_int_eq(unlink(path), 0);
}

#endif
