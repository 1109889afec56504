/* The file of a run's frames. What was appended stays readable whatever becomes of the keeper. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "keeper.h"

static void count(struct spool *spool, const struct head *head)
{
    if (head->kind == STARTED)
        spool->started_us = head->at_us;
    if (head->kind == STDOUT)
        spool->stdout_bytes += head->size;
    if (head->kind == STDERR)
        spool->stderr_bytes += head->size;
    if (head->kind == STDOUT || head->kind == STDERR)
        spool->frames = head->number;
    if (head->kind == END)
        spool->ended = 1;
    spool->size += sizeof *head + head->size;
}

void spool_create(struct spool *spool)
{
    *spool = (struct spool){.fd = open(SPOOL_FILE, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600)};
    if (spool->fd < 0)
        fail("cannot create " SPOOL_FILE);
}

void spool_reopen(struct spool *spool)
{
    struct stat file;
    struct head head;

    *spool = (struct spool){.fd = open(SPOOL_FILE, O_RDWR | O_CREAT | O_CLOEXEC, 0600)};
    if (spool->fd < 0 || fstat(spool->fd, &file) < 0)
        fail("cannot open " SPOOL_FILE);
    while (!spool->ended && pread(spool->fd, &head, sizeof head, (off_t)spool->size) == (ssize_t)sizeof head &&
           spool->size + sizeof head + head.size <= (uint64_t)file.st_size)
        count(spool, &head);
    if (ftruncate(spool->fd, (off_t)spool->size) < 0)
        fail("cannot cut " SPOOL_FILE);
}

int spool_append(struct spool *spool, const struct head *head, const void *data)
{
    struct iovec parts[] = {{(void *)head, sizeof *head}, {(void *)data, head->size}};
    ssize_t written = pwritev(spool->fd, parts, 2, (off_t)spool->size);

    if (written != (ssize_t)(sizeof *head + head->size)) {
        errno = written < 0 ? errno : ENOSPC;
        return -1;
    }
    count(spool, head);
    return 0;
}

void spool_end(struct spool *spool, struct end *end, const char *reason)
{
    char data[sizeof *end + REASON_MAX];
    size_t length = strnlen(reason, REASON_MAX);
    struct head head = {.size = (uint32_t)(sizeof *end + length), .kind = END, .number = spool->frames};

    head.at_us = wall_clock_us();
    end->stdout_bytes = spool->stdout_bytes;
    end->stderr_bytes = spool->stderr_bytes;
    if (end->wall_us == 0 && spool->started_us)
        end->wall_us = head.at_us - spool->started_us;
    memcpy(data, end, sizeof *end);
    memcpy(data + sizeof *end, reason, length);
    if (spool_append(spool, &head, data) < 0 && ftruncate(spool->fd, (off_t)spool->size) < 0)
        fail("cannot write " SPOOL_FILE); /* a reader finds no END and no keeper, and calls the run lost */
}
