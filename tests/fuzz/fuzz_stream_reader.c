/* fuzz_stream_reader - a recording of any bytes: read to its end or to where it is damaged. */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "stream_reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct packet_view view;
    stream_reader_t *reader;
    const uint8_t *batch;
    size_t batch_size;
    uint64_t total = 0;
    char path[64];
    int rc, fd = memfd_create("recording", MFD_CLOEXEC);

    FUZZ_ASSERT(fd >= 0 && write(fd, bytes, size) == (ssize_t) size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    FUZZ_ASSERT(stream_reader_open(&reader, path) == 0 && stream_reader_size(reader) == size);
    while ((rc = stream_reader_next(reader, &view, &batch, &batch_size)) == 1) {
        uint64_t begin = total;
        total = stream_reader_offset(reader);
        FUZZ_ASSERT(total > begin + batch_size && total <= size);
        FUZZ_ASSERT_SAME(batch, bytes + total - batch_size, batch_size);
        packet_view_close(&view);
    }
    FUZZ_ASSERT(rc == 0 || rc == -ENODATA || rc == -EBADMSG);
    FUZZ_ASSERT(stream_reader_offset(reader) == total && (rc != 0 || total == size));
    FUZZ_ASSERT(stream_reader_next(reader, &view, &batch, &batch_size) == rc);
    stream_reader_destroy(&reader);
    close(fd);
    return 0;
}
