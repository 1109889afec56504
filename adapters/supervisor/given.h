/* A stream that comes in pieces, any of them more than once, and perhaps from several at once. */
#ifndef RUNLEDGER_GIVEN_H
#define RUNLEDGER_GIVEN_H

#include <string.h>

#include "records.h"

struct given {
    uint64_t size; /* so much has come */
    int is_whole;  /* and no more is wanted */
    char data[INPUT_MAX];
};

/* Some bytes of a piece that begins at `from`; `done` bytes of it came before. */
static inline void given_take(struct given *given, uint64_t from, uint64_t done, const char *data, uint64_t size)
{
    if (given->is_whole || from > given->size || done > given->size - from)
        return;
    uint64_t known = given->size - from - done, room = INPUT_MAX - given->size;
    if (size <= known)
        return;
    size = size - known < room ? size - known : room;
    memcpy(given->data + given->size, data + known, size);
    given->size += size;
}

/* The last piece ends here; what was before it may be missing. */
static inline void given_end(struct given *given, uint64_t from, uint64_t size)
{
    if (from <= given->size && size <= given->size - from)
        given->is_whole = 1;
}

static inline uint64_t given_size(const struct given *given)
{
    return given->is_whole ? ALL_INPUT : given->size;
}

#endif
