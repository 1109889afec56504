/* spool_reopen: the file that a killed keeper left, after which there is always an end. */
#include "pieces.h"

#include "../../adapters/bubblewrap/keeper.h"

void fail(const char *what)
{
    fprintf(stderr, "%s\n", what);
    abort();
}

uint64_t wall_clock_us(void)
{
    return 1;
}

static void look_at(int fd)
{
    struct head head;
    off_t at = 0, size = lseek(fd, 0, SEEK_END);
    int is_ended = 0;

    for (; at < size; at += (off_t)(sizeof head + head.size)) {
        EXPECT(!is_ended && pread(fd, &head, sizeof head, at) == (ssize_t)sizeof head);
        is_ended = head.kind == END;
    }
    EXPECT(at == size && is_ended);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct end end = {.cause = LOST, .exit_code = -1};
    struct spool spool;
    int file = open(SPOOL_FILE, O_RDWR | O_CREAT | O_TRUNC, 0600);

    EXPECT(file >= 0 && write(file, data, size) == (ssize_t)size);
    spool_reopen(&spool);
    if (!spool.ended)
        spool_end(&spool, &end, "");
    look_at(spool.fd);
    close(file), close(spool.fd);
    return 0;
}
