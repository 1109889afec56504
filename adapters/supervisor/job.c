#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "supervisor.h"

enum { WORDS_MAX = 256 };
/* A job may be long in coming; one that stops in the middle of coming has lost whoever sent it. */
enum { SILENCE_MS = 10000 };

static int is_silent(int fd, int milliseconds)
{
    struct pollfd polled = {.fd = fd, .events = POLLIN};

    return poll(&polled, 1, milliseconds) == 0;
}

static int read_exactly(int fd, void *into, size_t size)
{
    for (size_t done = 0; done < size;) {
        if (done && is_silent(fd, SILENCE_MS))
            return -1;
        ssize_t got = read(fd, (char *)into + done, size - done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return -1;
        done += (size_t)got;
    }
    return 0;
}

/* The NUL-terminated string at `*at`, which is moved behind it; NULL when it does not end before `limit`. */
static char *take_string(char **at, const char *limit)
{
    char *string = *at;
    char *nul = memchr(string, 0, (size_t)(limit - string));

    if (!nul)
        return NULL;
    *at = nul + 1;
    return string;
}

static char **take_strings(char **at, const char *limit, uint32_t count)
{
    char **strings = calloc(count + 2, sizeof *strings); /* room for the file name and the final NULL */

    for (uint32_t i = 0; strings && i < count; i++)
        if (!(strings[i] = take_string(at, limit)))
            return NULL;
    return strings;
}

static const char *take_apart(char *block, size_t size, struct task *task)
{
    char *at = block + sizeof task->job;
    const char *limit = block + size;

    memcpy(&task->job, block, sizeof task->job);
    if (task->job.argc == 0 || task->job.argc > WORDS_MAX || task->job.envc > WORDS_MAX)
        return "the job has no command, or too many words";
    task->argv = take_strings(&at, limit, task->job.argc);
    task->envp = task->argv ? take_strings(&at, limit, task->job.envc) : NULL;
    task->file_name = task->envp ? take_string(&at, limit) : NULL;
    if (!task->file_name || !*task->file_name || strchr(task->file_name, '/'))
        return "the job's words are not complete";
    uint64_t rest = (uint64_t)(limit - at);
    if (task->job.script_size > rest || task->job.stdin_size != rest - task->job.script_size)
        return "the job's sizes do not add up";
    task->script = at;
    task->input = at + task->job.script_size;
    task->argv[task->job.argc] = (char *)task->file_name;
    return NULL;
}

const char *read_job(int fd, struct task *task)
{
    struct head head;

    if (read_exactly(fd, &head, sizeof head) < 0)
        return "no job came";
    if (head.kind != JOB || head.size < sizeof task->job || head.size > JOB_MAX)
        return "the first record is not a job";
    char *block = malloc(head.size);
    if (!block)
        return "no memory for the job";
    if (is_silent(fd, SILENCE_MS) || read_exactly(fd, block, head.size) < 0)
        return "the job was cut off";
    return take_apart(block, head.size, task);
}
