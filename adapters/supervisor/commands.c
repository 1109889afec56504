/* What the supervisor is told after its job. A record may come in any pieces; what it says is checked, not trusted. */
#include <unistd.h>

#include "supervisor.h"

static int has_head(const struct commands *commands)
{
    return commands->size >= sizeof commands->head;
}

static int is_whole(const struct commands *commands)
{
    return has_head(commands) && commands->size - sizeof commands->head == commands->head.size;
}

static ssize_t read_head(struct commands *commands)
{
    return read(commands->fd, (char *)&commands->head + commands->size, sizeof commands->head - commands->size);
}

/* Bytes that belong to no input are passed over. */
static ssize_t read_body(struct commands *commands, struct given *input)
{
    char data[COMMAND_MAX];
    const struct head *head = &commands->head;
    uint64_t done = commands->size - sizeof *head, left = head->size - done;
    ssize_t got = read(commands->fd, data, left < sizeof data ? left : sizeof data);

    if (got > 0 && is_input(head))
        given_take(input, head->number, done, data, (uint64_t)got);
    return got;
}

int is_input(const struct head *head)
{
    return head->kind == INPUT || head->kind == LAST_INPUT;
}

int read_command(struct commands *commands, struct given *input)
{
    if (is_whole(commands))
        commands->size = 0;
    ssize_t got = has_head(commands) ? read_body(commands, input) : read_head(commands);
    if (got <= 0) {
        commands->fd = -1; /* nobody is left to give commands; the clock still runs */
        input->is_whole = 1;
        return 0;
    }
    commands->size += (uint64_t)got;
    if (is_whole(commands) && commands->head.kind == LAST_INPUT)
        given_end(input, commands->head.number, commands->head.size);
    return is_whole(commands);
}
