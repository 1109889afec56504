/* take_frames: what a supervisor writes that a script has got hold of. The spool stays whole records, as agreed. */
#include "pieces.h"

#include <time.h>

#include "../../adapters/bubblewrap/keeper.h"

enum { OUTPUT = 20000 };

void fail(const char *what)
{
    fprintf(stderr, "%s\n", what);
    abort();
}

uint64_t wall_clock_us(void)
{
    return 1;
}

static void look_at(const struct spool *spool)
{
    struct head head;
    uint64_t number = 0, output = 0, at = 0;
    int is_ended = 0;

    for (; at < spool->size; at += sizeof head + head.size) {
        EXPECT(!is_ended && pread(spool->fd, &head, sizeof head, (off_t)at) == (ssize_t)sizeof head);
        EXPECT(head.kind == STARTED || head.kind == STDOUT || head.kind == STDERR || head.kind == END);
        EXPECT(head.at_us <= LATEST_US);
        EXPECT((head.kind != STDOUT && head.kind != STDERR) || head.number == ++number);
        output += head.kind == STDOUT || head.kind == STDERR ? head.size : 0;
        is_ended = head.kind == END;
    }
    EXPECT(at == spool->size && lseek(spool->fd, 0, SEEK_END) == (off_t)at);
    EXPECT(output <= OUTPUT && is_ended);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct frames frames;
    static int file;
    size_t step = at_once(&data, &size);
    struct spool spool = {.fd = in_memory(&file, "", 0)};
    int ends[2];

    EXPECT(pipe2(ends, O_NONBLOCK) == 0);
    memset(&frames, 0, sizeof frames);
    frames.fd = ends[0], frames.spool = &spool, frames.output_bytes = OUTPUT;
    for (size_t some; size && !frames.broken; data += some, size -= some) {
        some = size < step ? size : step;
        EXPECT(write(ends[1], data, some) == (ssize_t)some);
        while (!frames.broken && unread(ends[0]))
            take_frames(&frames);
    }
    EXPECT(frames.end.cause <= BROKEN && frames.end.peak_memory <= INT64_MAX && frames.size <= sizeof frames.data);
    if (frames.broken || !frames.end.cause)
        frames.end.cause = BROKEN;
    spool_end(&spool, &frames.end, frames.reason);
    look_at(&spool);
    close(ends[0]), close(ends[1]);
    return 0;
}
