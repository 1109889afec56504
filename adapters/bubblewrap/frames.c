/* What the supervisor writes, on its way to the spool. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "keeper.h"

/* The supervisor is trusted but stands closest to the script: what it writes is checked all the same. */
static const char *flaw_in(const struct frames *frames, const struct head *head)
{
    const struct spool *spool = frames->spool;

    if (frames->end.cause)
        return "a frame after the end";
    if (head->at_us > LATEST_US)
        return "a wrong time";
    if (head->kind == STARTED)
        return head->size || spool->started_us ? "a second start" : NULL;
    if (head->kind == END)
        return head->size < sizeof frames->end || head->size > sizeof frames->end + REASON_MAX ? "a wrong end" : NULL;
    if ((head->kind != STDOUT && head->kind != STDERR) || head->size == 0 || head->size > FRAME_MAX)
        return "a wrong frame";
    if (head->number != spool->frames + 1)
        return "a wrong number";
    return spool->stdout_bytes + spool->stderr_bytes + head->size > frames->output_bytes ? "too much output" : NULL;
}

/* Gives what is wrong with it. */
static const char *take_end(struct frames *frames, const struct head *head, const char *data)
{
    struct end end;

    memcpy(&end, data, sizeof end);
    if (end.cause < EXITED || end.cause > BROKEN || (end.wall_us | end.cpu_us | end.peak_memory) > INT64_MAX)
        return "a wrong end";
    frames->end = end;
    memcpy(frames->reason, data + sizeof end, head->size - sizeof end);
    return NULL;
}

/* Handles the first record in the buffer; 0 when it is not complete yet. */
static size_t take_record(struct frames *frames, const char *data, size_t size)
{
    struct head head;

    if (size < sizeof head)
        return 0;
    memcpy(&head, data, sizeof head);
    if ((frames->broken = flaw_in(frames, &head)) || size < sizeof head + head.size)
        return 0;
    if (head.kind == END)
        frames->broken = take_end(frames, &head, data + sizeof head);
    else if (spool_append(frames->spool, &head, data + sizeof head) < 0)
        frames->broken = "the spool cannot be written";
    return sizeof head + head.size;
}

int take_frames(struct frames *frames)
{
    ssize_t got = read(frames->fd, frames->data + frames->size, sizeof frames->data - frames->size);
    size_t used = 0, taken;

    if (got <= 0) {
        frames->closed |= got == 0 || errno != EAGAIN;
        return 0;
    }
    frames->size += (size_t)got;
    while (!frames->broken && (taken = take_record(frames, frames->data + used, frames->size - used)))
        used += taken;
    memmove(frames->data, frames->data + used, frames->size - used);
    frames->size -= used;
    return !frames->broken;
}
