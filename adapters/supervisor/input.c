/* The script's standard input: the job's part, then what comes while it runs. A script that does not read it holds up
 * nothing, for it is all in memory. */
#include <errno.h>
#include <unistd.h>

#include "supervisor.h"

void open_input(struct input *input, const struct task *task, int fd)
{
    input->fd = fd;
    input->first = task->input;
    input->first_size = task->job.stdin_size;
    input->more.is_whole = !(task->job.flags & MORE_INPUT);
}

void close_input(struct input *input)
{
    if (input->fd >= 0)
        close(input->fd);
    input->fd = -1;
    input->more.is_whole = 1;
}

static uint64_t unsent(const struct input *input, const char **from)
{
    if (input->sent < input->first_size) {
        *from = input->first + input->sent;
        return input->first_size - input->sent;
    }
    uint64_t sent = input->sent - input->first_size;
    *from = input->more.data + sent;
    return input->more.size - sent;
}

int has_input(const struct input *input)
{
    const char *from;

    return input->more.is_whole || unsent(input, &from) > 0;
}

void send_input(struct input *input)
{
    const char *from;
    uint64_t left = unsent(input, &from);
    ssize_t sent = left ? write(input->fd, from, left) : 0;

    if (sent > 0)
        input->sent += (uint64_t)sent;
    if (sent < 0 && errno != EAGAIN)
        close_input(input);
    else if (input->more.is_whole && unsent(input, &from) == 0)
        close_input(input);
}
