/* Keeps one run: passes the job in, takes the frames out, and sees to it that there is an end. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/wait.h>
#include <unistd.h>

#include "keeper.h"

enum { GRACE_US = 250000 };    /* for the supervisor to end by itself after a cancel */
enum { NET_US = 5000000 };     /* how long after its own deadline it is taken for stuck */
enum { LAST_WORDS_MS = 1000 }; /* until the pipe of a killed supervisor closes: at once, by all experience */
enum { CHUNK = FRAME_MAX + sizeof(struct head) };

struct state {
    struct run *run;
    uint64_t stop_at_us;   /* when the whole cgroup is killed */
    enum cause stop_cause; /* why */
    int cancel_sent, wants_cancel;
    int closed;            /* nobody can write a frame any more */
    const char *broken;
    struct end end;        /* of the supervisor; cause 0 when there was none */
    char reason[REASON_MAX + 1];
    char data[CHUNK]; /* frames as far as they have come */
    size_t size;
};

static void give_job(struct state *state)
{
    struct run *run = state->run;
    ssize_t sent = sendfile(run->child.commands, run->job, NULL, 1 << 16);

    if (sent > 0 || (sent < 0 && errno == EAGAIN))
        return;
    close(run->job); /* all of it is delivered, or the supervisor is gone and its end will tell */
    run->job = -1;
}

static void give_cancel(struct state *state)
{
    struct head cancel = {.kind = CANCEL};

    if (write(state->run->child.commands, &cancel, sizeof cancel) < 0 && errno == EAGAIN)
        return;
    state->cancel_sent = 1;
}

static int has_something_to_give(const struct state *state)
{
    return state->run->job >= 0 || (state->wants_cancel && !state->cancel_sent);
}

static void give(struct state *state)
{
    if (state->run->job >= 0)
        give_job(state);
    else
        give_cancel(state);
}

/* The supervisor is trusted but stands closest to the script: what it writes is checked all the same. */
static const char *flaw_in(const struct state *state, const struct head *head)
{
    const struct spool *spool = state->run->spool;

    if (state->end.cause)
        return "a frame after the end";
    if (head->kind == STARTED)
        return head->size || spool->started_us ? "a second start" : NULL;
    if (head->kind == END)
        return head->size < sizeof state->end || head->size > sizeof state->end + REASON_MAX ? "a wrong end" : NULL;
    if ((head->kind != STDOUT && head->kind != STDERR) || head->size == 0 || head->size > FRAME_MAX)
        return "a wrong frame";
    if (head->number != spool->frames + 1)
        return "a wrong number";
    return spool->stdout_bytes + spool->stderr_bytes + head->size > state->run->output_bytes ? "too much output" : NULL;
}

static void take_end(struct state *state, const struct head *head, const char *data)
{
    memcpy(&state->end, data, sizeof state->end);
    memcpy(state->reason, data + sizeof state->end, head->size - sizeof state->end);
}

/* Handles the first record in the buffer; 0 when it is not complete yet. */
static size_t take_record(struct state *state, const char *data, size_t size)
{
    struct head head;

    if (size < sizeof head)
        return 0;
    memcpy(&head, data, sizeof head);
    if ((state->broken = flaw_in(state, &head)) || size < sizeof head + head.size)
        return 0;
    if (head.kind == END)
        take_end(state, &head, data + sizeof head);
    else if (spool_append(state->run->spool, &head, data + sizeof head) < 0)
        state->broken = "the spool cannot be written";
    return sizeof head + head.size;
}

/* True when there may be more at once. */
static int take_frames(struct state *state)
{
    ssize_t got = read(state->run->child.frames, state->data + state->size, sizeof state->data - state->size);
    size_t used = 0, taken;

    if (got <= 0) {
        state->closed |= got == 0 || errno != EAGAIN;
        return 0;
    }
    state->size += (size_t)got;
    while (!state->broken && (taken = take_record(state, state->data + used, state->size - used)))
        used += taken;
    memmove(state->data, state->data + used, state->size - used);
    state->size -= used;
    return !state->broken;
}

static void stop_by(struct state *state, uint64_t at_us, enum cause cause)
{
    if (at_us < state->stop_at_us) {
        state->stop_at_us = at_us;
        state->stop_cause = cause;
    }
}

static void begin_cancel(struct state *state)
{
    state->wants_cancel = 1;
    cgroup_unthrottle(state->run->cgroup);
    stop_by(state, monotonic_us() + GRACE_US, CANCELLED);
}

static int is_over(const struct state *state)
{
    return state->closed || state->broken || state->end.cause || monotonic_us() >= state->stop_at_us;
}

static int milliseconds_left(const struct state *state)
{
    uint64_t now = monotonic_us();
    uint64_t left = state->stop_at_us > now ? (state->stop_at_us - now) / 1000 + 1 : 0;

    return left > 60000 ? 60000 : (int)left;
}

static void wait_and_handle(struct state *state)
{
    struct run *run = state->run;
    struct pollfd polled[CLIENT_POLLS + 2];

    polled[CLIENT_POLLS] = (struct pollfd){.fd = run->child.frames, .events = POLLIN};
    polled[CLIENT_POLLS + 1] =
        (struct pollfd){.fd = has_something_to_give(state) ? run->child.commands : -1, .events = POLLOUT};
    clients_poll(run->clients, run->spool, polled);
    if (poll(polled, CLIENT_POLLS + 2, milliseconds_left(state)) < 0)
        return;
    if (polled[CLIENT_POLLS].revents)
        take_frames(state);
    if (polled[CLIENT_POLLS + 1].revents)
        give(state);
    clients_serve(run->clients, run->spool, polled);
    if (!state->wants_cancel && clients_want_stop(run->clients))
        begin_cancel(state);
}

static void kill_everything(struct state *state)
{
    struct pollfd frames = {.fd = state->run->child.frames, .events = POLLIN};

    cgroup_kill(state->run->cgroup); /* first, as it also lets go of the CPU that dying takes */
    kill(state->run->child.pid, SIGKILL); /* without a cgroup it takes the others along: --die-with-parent */
    waitpid(state->run->child.pid, NULL, 0);
    while (!state->closed && !state->broken && poll(&frames, 1, LAST_WORDS_MS) > 0)
        take_frames(state);
}

/* bwrap's last words, for people. */
static void quote_log(struct state *state)
{
    char line[REASON_MAX / 2] = "";
    FILE *log = fopen(LOG_FILE, "re");

    while (log && fgets(line, sizeof line, log))
        ;
    if (log)
        fclose(log);
    line[strcspn(line, "\n")] = 0;
    snprintf(state->reason, sizeof state->reason, "the sandbox ended unexpectedly%s%s", *line ? ": " : "", line);
}

/* What the kernel says about an end that the supervisor did not report. */
static void explain(struct state *state, const struct cgroup_usage *usage)
{
    state->end.exit_code = -1;
    if (state->broken) {
        state->end.cause = BROKEN;
        snprintf(state->reason, sizeof state->reason, "%s", state->broken);
    } else if (state->wants_cancel || monotonic_us() >= state->stop_at_us) {
        state->end.cause = state->wants_cancel ? CANCELLED : state->stop_cause;
    } else if (usage->oom_kills) {
        state->end.cause = OUT_OF_MEMORY;
    } else {
        state->end.cause = BROKEN;
        quote_log(state);
    }
}

static void complete(struct state *state)
{
    struct cgroup_usage usage = cgroup_measure(state->run->cgroup);

    if (state->broken || !state->end.cause)
        explain(state, &usage);
    if (state->end.cause == EXITED && state->end.exit_code != 0 && usage.oom_kills)
        state->end.cause = OUT_OF_MEMORY;
    state->end.oom_kills = (uint32_t)usage.oom_kills;
    if (usage.peak_memory)
        state->end.peak_memory = usage.peak_memory;
}

void keep(struct run *run)
{
    static struct state state;

    state.run = run;
    state.stop_at_us = monotonic_us() + run->wall_us + NET_US;
    state.stop_cause = TIMED_OUT;
    while (!is_over(&state))
        wait_and_handle(&state);
    kill_everything(&state);
    complete(&state);
    cgroup_remove(run->cgroup);
    close(run->locks[0]), close(run->locks[1]);
    spool_end(run->spool, &state.end, state.reason);
    clients_take_leave(run->clients, run->spool);
}
