/* fuzz_config - a configuration file of any bytes; what is taken must survive printing and reading,
 * and the same bytes as an assignment must do no harm.
 */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "config.h"
#include "fuzz.h"

static struct config config, again;

static void on_mistake(const char *file, unsigned line, const char *message, void *arg)
{
    (void) file;
    (void) line;
    (*(unsigned *) arg)++;
    FUZZ_ASSERT(message[0] != '\0' && strchr(message, '\n') == NULL);
}

/* Read `size` bytes as a file over the defaults. */
static int read_bytes(struct config *into, const char *bytes, size_t size, unsigned *mistakes)
{
    char path[64];
    int fd = memfd_create("config", MFD_CLOEXEC);

    FUZZ_ASSERT(fd >= 0 && write(fd, bytes, size) == (ssize_t) size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    config_defaults(into);
    int rc = config_read_file(into, path, on_mistake, mistakes);
    close(fd);
    return rc;
}

static void assert_survives_printing(void)
{
    unsigned mistakes = 0;
    char *text;
    size_t size;
    FILE *file = open_memstream(&text, &size);

    FUZZ_ASSERT(file);
    config_print(&config, file, true);
    fclose(file);
    FUZZ_ASSERT(read_bytes(&again, text, size, &mistakes) == 0);
    FUZZ_ASSERT_SAME(&config, &again, sizeof config);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    unsigned mistakes = 0;
    int rc = read_bytes(&config, (const char *) bytes, size, &mistakes);

    FUZZ_ASSERT(rc == (mistakes > 0 ? -EINVAL : 0));
    if (rc == 0)
        assert_survives_printing();

    char *assignment = strndup((const char *) bytes, size);
    FUZZ_ASSERT(assignment);
    mistakes = 0;
    rc = config_set(&config, assignment, on_mistake, &mistakes);
    FUZZ_ASSERT(rc == (mistakes > 0 ? -EINVAL : 0));
    free(assignment);
    return 0;
}
