/* The frames of a sandbox that nobody outside keeps: all of them, in memory, and how far they are sent.
 *
 * Standard output never blocks here: a reader that does not read must hold up neither the clock nor a cancel. Starting
 * again moves one mark, and waits for the end of the record that is on its way. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "supervisor.h"

enum { ANSWERS_MAX = 64 };

static struct {
    int is_on;
    char *data;
    size_t size, room;
    size_t next; /* the record to send next */
    struct head answers[ANSWERS_MAX], answer; /* those that wait, and the one on its way */
    int waiting;
    int first_is_due;
    const char *record; /* on its way */
    size_t left;
} kept;

void keep_frames(void)
{
    fcntl(STDOUT_FILENO, F_SETFL, O_NONBLOCK);
    kept.is_on = 1;
}

int frames_are_kept(void)
{
    return kept.is_on;
}

static void make_room(size_t size)
{
    while (kept.room - kept.size < size) {
        size_t offset = kept.left ? (size_t)(kept.record - kept.data) : 0;
        int is_ours = kept.left && kept.record >= kept.data && offset < kept.size;
        kept.room = kept.room ? kept.room * 2 : 1 << 16;
        kept.data = realloc(kept.data, kept.room);
        if (!kept.data)
            _exit(1);
        if (is_ours)
            kept.record = kept.data + offset;
    }
}

void keep(const struct head *head, const void *data)
{
    make_room(sizeof *head + head->size);
    memcpy(kept.data + kept.size, head, sizeof *head);
    if (head->size)
        memcpy(kept.data + kept.size + sizeof *head, data, head->size);
    kept.size += sizeof *head + head->size;
    send_kept();
}

static size_t size_at(size_t offset)
{
    struct head head;

    memcpy(&head, kept.data + offset, sizeof head);
    return sizeof head + head.size;
}

/* The first record whose number is above `number`, or an END. */
static size_t find_after(uint64_t number)
{
    struct head head;

    for (size_t at = 0; at < kept.size; at += sizeof head + head.size) {
        memcpy(&head, kept.data + at, sizeof head);
        if (head.number > number || head.kind == END)
            return at;
    }
    return kept.size;
}

static void start_again(void)
{
    size_t from = find_after(kept.answer.number);

    kept.answer.kind = RESENT;
    kept.next = from < kept.next ? from : kept.next;
    kept.first_is_due = kept.size > 0;
}

static void take_answer(void)
{
    kept.answer = kept.answers[0];
    memmove(kept.answers, kept.answers + 1, (size_t)--kept.waiting * sizeof *kept.answers);
    if (kept.answer.kind == RESEND)
        start_again();
    kept.record = (const char *)&kept.answer;
    kept.left = sizeof kept.answer;
}

static void take_record(void)
{
    size_t at = kept.first_is_due ? 0 : kept.next;

    kept.record = kept.data + at;
    kept.left = size_at(at);
    if (!kept.first_is_due || kept.next == 0)
        kept.next += kept.left;
    kept.first_is_due = 0;
}

int has_unsent(void)
{
    return kept.left || kept.waiting || kept.first_is_due || kept.next < kept.size;
}

void send_kept(void)
{
    while (has_unsent()) {
        if (!kept.left && kept.waiting)
            take_answer();
        else if (!kept.left)
            take_record();
        ssize_t sent = write(STDOUT_FILENO, kept.record, kept.left);
        if (sent < 0)
            return; /* nobody reads now */
        kept.record += sent;
        kept.left -= (size_t)sent;
    }
}

int can_answer(void)
{
    return kept.waiting < ANSWERS_MAX;
}

void answer(const struct head *answer)
{
    kept.answers[kept.waiting] = *answer;
    kept.answers[kept.waiting++].size = 0; /* whatever the question said of itself */
    send_kept();
}
