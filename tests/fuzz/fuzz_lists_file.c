/* fuzz_lists_file - a lists file of any bytes: what is taken from it survives saving and loading,
 * and nothing that was in the file is overwritten before it has been kept.
 */
#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz_lists.h"

enum { HOSTS = 64, PREFIXES = 16 };

#define BOOT_NS 1000000000000
#define OFFSET_NS 1700000000000000000

static char folder[64], path[128];

static void on_problem(const char *sentence, void *arg)
{
    FUZZ_ASSERT(sentence[0] != '\0' && !strchr(sentence, '\n'));
    (*(unsigned *) arg)++;
}

/* Remove every file; returns whether one of them held exactly these bytes. */
static int sweep(const uint8_t *bytes, size_t size)
{
    DIR *dir = opendir(folder);
    int found = 0;

    FUZZ_ASSERT(dir);
    for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
        char name[400], *content = NULL;
        struct stat info;
        snprintf(name, sizeof name, "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] == '.' || stat(name, &info) != 0)
            continue;
        FILE *file = fopen(name, "re");
        content = malloc(size + 1);
        if (file && content && (size_t) info.st_size == size
            && fread(content, 1, size, file) == size && memcmp(content, bytes, size) == 0)
            found = 1;
        free(content);
        if (file)
            fclose(file);
        unlink(name);
    }
    closedir(dir);
    return found;
}

static ip_list_t *load(unsigned *problems, int *ret_rc)
{
    ip_list_t *lists = ip_list_new(HOSTS, PREFIXES);
    list_store_t *store;
    char why[512];

    FUZZ_ASSERT(lists && list_store_open(&store, path) == 0);
    *problems = 0;
    *ret_rc = list_store_load(store, lists, BOOT_NS, OFFSET_NS, on_problem, problems, why,
                              sizeof why);
    if (*ret_rc == 0) {
        FUZZ_ASSERT(list_store_prepare(store, lists, OFFSET_NS, why, sizeof why) == 0);
        FUZZ_ASSERT(list_store_commit(store, why, sizeof why) == 0);
    }
    list_store_destroy(&store);
    return lists;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    unsigned problems, again_problems;
    int rc, again_rc;

    if (folder[0] == '\0') {
        snprintf(folder, sizeof folder, "/dev/shm/ntc-fuzz-lists-%d", (int) getpid());
        FUZZ_ASSERT(mkdir(folder, 0700) == 0);
        snprintf(path, sizeof path, "%s/lists.json", folder);
    }
    FILE *file = fopen(path, "we");
    FUZZ_ASSERT(file && fwrite(bytes, 1, size, file) == size && fclose(file) == 0);

    ip_list_t *lists = load(&problems, &rc);
    FUZZ_ASSERT(rc == 0);
    ip_list_t *again = load(&again_problems, &again_rc);
    FUZZ_ASSERT(again_rc == 0 && again_problems == 0);
    fuzz_same_lists(lists, again);
    FUZZ_ASSERT(sweep(bytes, size) || problems == 0);
    ip_list_destroy(&again);
    ip_list_destroy(&lists);
    return 0;
}
