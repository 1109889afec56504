#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "supervisor.h"

static uint64_t wall_clock_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void write_all(struct iovec *part, int parts)
{
    while (parts > 0) {
        ssize_t written = writev(STDOUT_FILENO, part, parts);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            _exit(1);
        while (parts > 0 && (size_t)written >= part->iov_len) {
            written -= (ssize_t)part->iov_len;
            part++, parts--;
        }
        if (parts > 0) {
            part->iov_base = (char *)part->iov_base + written;
            part->iov_len -= (size_t)written;
        }
    }
}

void write_frame(uint32_t kind, uint64_t number, const void *data, size_t size)
{
    struct head head = {.size = (uint32_t)size, .kind = kind, .number = number, .at_us = wall_clock_us()};
    struct iovec parts[] = {{&head, sizeof head}, {(void *)data, size}};

    if (frames_are_kept())
        keep(&head, data);
    else
        write_all(parts, 2);
}

void write_end(const struct end *end, uint64_t number, const char *reason)
{
    char data[sizeof *end + REASON_MAX];
    size_t length = strnlen(reason, REASON_MAX);

    memcpy(data, end, sizeof *end);
    memcpy(data + sizeof *end, reason, length);
    write_frame(END, number, data, sizeof *end + length);
}

const char *failure(const char *what)
{
    static char words[REASON_MAX];

    snprintf(words, sizeof words, "%s: %s", what, strerror(errno));
    return words;
}
