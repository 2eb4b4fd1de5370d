/* fuzz_lists_file - a lists file of any bytes: what is taken from it survives saving and loading,
 * and nothing that was in the file is overwritten before it has been kept.
 */
#include <errno.h>

#include "fuzz_lists.h"

enum { HOSTS = 64, PREFIXES = 16 };

#define BOOT_NS 1000000000000
#define OFFSET_NS 1700000000000000000

static char path[128];

static void on_problem(const char *sentence, void *arg)
{
    FUZZ_ASSERT(sentence[0] != '\0');
    (*(unsigned *) arg)++;
}

/* Whether a file in the folder holds exactly these bytes. */
static bool is_kept(const uint8_t *bytes, size_t size)
{
    DIR *dir = opendir(fuzz_folder);
    char name[400], *content = malloc(size + 1);
    bool found = false;

    FUZZ_ASSERT(dir && content);
    for (struct dirent *entry = readdir(dir); entry && !found; entry = readdir(dir)) {
        snprintf(name, sizeof name, "%s/%s", fuzz_folder, entry->d_name);
        FILE *file = entry->d_name[0] != '.' ? fopen(name, "re") : NULL;
        found = file && fread(content, 1, size + 1, file) == size
            && memcmp(content, bytes, size) == 0;
        if (file)
            fclose(file);
    }
    free(content);
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

    fuzz_lists_path(path);
    fuzz_empty_folder();
    FILE *file = fopen(path, "we");
    FUZZ_ASSERT(file && fwrite(bytes, 1, size, file) == size && fclose(file) == 0);

    ip_list_t *lists = load(&problems, &rc);
    FUZZ_ASSERT(rc == 0);
    ip_list_t *again = load(&again_problems, &again_rc);
    FUZZ_ASSERT(again_rc == 0 && again_problems == 0);
    fuzz_same_lists(lists, again);
    FUZZ_ASSERT(is_kept(bytes, size) || problems == 0);
    ip_list_destroy(&again);
    ip_list_destroy(&lists);
    return 0;
}
