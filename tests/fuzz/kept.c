/* The frames that a supervisor keeps, while readers come, ask and stand still: what goes out is whole records. */
#include "pieces.h"

#include "../../adapters/supervisor/kept.c"

enum { PIPE = 4096 };

static int ends[2], output;
static char sent[1 << 22];
static size_t sent_size;
static uint64_t last;

static void begin(void)
{
    free(kept.data);
    memset(&kept, 0, sizeof kept);
    if (!output) {
        EXPECT(pipe(ends) == 0 && (output = dup2(ends[1], STDOUT_FILENO)) == STDOUT_FILENO);
        fcntl(ends[1], F_SETPIPE_SZ, PIPE);
        fcntl(ends[0], F_SETFL, O_NONBLOCK);
    }
    keep_frames();
    sent_size = 0, last = 0;
}

static void read_some(size_t most)
{
    EXPECT(sent_size + most < sizeof sent);
    ssize_t got = read(ends[0], sent + sent_size, most);

    sent_size += got > 0 ? (size_t)got : 0;
}

static void keep_one(size_t size)
{
    static const char data[1024];
    struct head head = {.size = (uint32_t)size, .kind = last ? STDOUT : STARTED, .number = last};

    last++;
    keep(&head, data);
}

static void look_at_what_was_sent(unsigned answers)
{
    struct head head;
    uint64_t next = 0, again = 0;

    for (size_t at = 0; at < sent_size; at += sizeof head + head.size) {
        EXPECT(at + sizeof head <= sent_size);
        memcpy(&head, sent + at, sizeof head);
        EXPECT(at + sizeof head + head.size <= sent_size);
        again = head.kind == RESENT ? 0 : again;
        if (head.kind == RESENT || head.kind == TAKEN)
            answers--;
        else if (head.number)
            EXPECT(head.number <= next); /* again, or the next */
        next = head.number >= next && head.kind < RESENT ? head.number + 1 : next;
    }
    EXPECT(answers == 0 && next == last);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned answers = 0;

    begin();
    for (; size >= 2; data += 2, size -= 2)
        switch (data[0] % 4) {
        case 0: keep_one(last ? data[1] * 4 : 0); break;
        case 1: read_some(data[1] * 16); break;
        default:
            if (!last || !can_answer())
                break;
            answers++;
            answer(&(struct head){data[1], data[0] % 4 == 2 ? RESEND : TAKEN, data[1] == 255 ? UINT64_MAX : data[1], 1});
        }
    while (has_unsent() || unread(ends[0])) {
        read_some(1 << 16);
        send_kept();
    }
    look_at_what_was_sent(answers);
    return 0;
}
