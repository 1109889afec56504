/* What goes to the supervisor's standard input: the job, then input, and a cancel before any of it. It never waits: to a
 * pipe that is not ready a record of COMMAND_MAX bytes is written as a whole or not at all. */
#include <errno.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <unistd.h>

#include "keeper.h"

enum { PIECE = COMMAND_MAX - sizeof(struct head) };

static void give_job(struct giving *giving)
{
    ssize_t sent = sendfile(giving->fd, giving->job, NULL, 1 << 16);

    if (sent > 0 || (sent < 0 && errno == EAGAIN))
        return;
    close(giving->job); /* all of it is delivered, or the supervisor is gone and its end will tell */
    giving->job = -1;
}

/* True when there is nothing more to do about it: it is given, or the supervisor is gone. */
static int is_given(int fd, const struct head *head, const char *data)
{
    struct iovec parts[] = {{(void *)head, sizeof *head}, {(void *)data, head->size}};

    return writev(fd, parts, 2) >= 0 || errno != EAGAIN;
}

static void give_cancel(struct giving *giving)
{
    giving->cancel_given = is_given(giving->fd, &(struct head){.kind = CANCEL}, NULL);
}

static void give_input(struct giving *giving)
{
    uint64_t left = giving->input.size - giving->passed;
    struct head head = {.size = left < PIECE ? (uint32_t)left : PIECE, .kind = INPUT, .number = giving->passed};
    int is_last = giving->input.is_whole && head.size == left;

    if (is_last)
        head.kind = LAST_INPUT;
    if (!is_given(giving->fd, &head, giving->input.data + giving->passed))
        return;
    giving->passed += head.size;
    giving->end_passed = is_last;
}

static int has_input(const struct giving *giving)
{
    return giving->passed < giving->input.size || (giving->input.is_whole && !giving->end_passed);
}

int has_something_to_give(const struct giving *giving)
{
    return giving->job >= 0 || (giving->wants_cancel && !giving->cancel_given) || has_input(giving);
}

void give(struct giving *giving)
{
    if (giving->job >= 0)
        give_job(giving);
    else if (giving->wants_cancel && !giving->cancel_given)
        give_cancel(giving);
    else
        give_input(giving);
}
