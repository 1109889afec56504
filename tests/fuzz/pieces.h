/* What targets share. */
#ifndef RUNLEDGER_PIECES_H
#define RUNLEDGER_PIECES_H

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define EXPECT(it) \
    do { \
        if (!(it)) { \
            fprintf(stderr, "not so: %s (%s:%d)\n", #it, __FILE__, __LINE__); \
            abort(); \
        } \
    } while (0)

/* The same file each time, with this content, read from its start. */
static inline int in_memory(int *file, const void *data, size_t size)
{
    if (!*file)
        *file = memfd_create("fuzz", 0);
    EXPECT(ftruncate(*file, 0) == 0 && pwrite(*file, data, size, 0) == (ssize_t)size && lseek(*file, 0, SEEK_SET) == 0);
    return *file;
}

/* How much of the rest comes at once: the first byte of an input says it. */
static inline size_t at_once(const uint8_t **data, size_t *size)
{
    static const size_t sizes[] = {1, 3, 24, 100, 4096, 1 << 16};
    size_t how = *size ? **data % 6 : 0;

    *data += *size > 0, *size -= *size > 0;
    return sizes[how];
}

static inline int unread(int fd)
{
    int size = 0;

    ioctl(fd, FIONREAD, &size);
    return size;
}

#endif
