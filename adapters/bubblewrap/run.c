/* Keeps one run: passes the job in, takes the frames out, and sees to it that there is an end. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "keeper.h"

enum { GRACE_US = 250000 };    /* for the supervisor to end by itself after a cancel */
enum { NET_US = 5000000 };     /* how long after its own deadline it is taken for stuck */
enum { LAST_WORDS_MS = 1000 }; /* until the pipe of a killed supervisor closes: at once, by all experience */

struct state {
    struct run *run;
    struct giving *giving;
    struct frames frames;
    uint64_t stop_at_us;   /* when the whole cgroup is killed */
    enum cause stop_cause; /* why */
};

static void stop_by(struct state *state, uint64_t at_us, enum cause cause)
{
    if (at_us < state->stop_at_us) {
        state->stop_at_us = at_us;
        state->stop_cause = cause;
    }
}

static void begin_cancel(struct state *state)
{
    state->giving->wants_cancel = 1;
    cgroup_unthrottle(state->run->cgroup);
    stop_by(state, monotonic_us() + GRACE_US, CANCELLED);
}

static int is_over(const struct state *state)
{
    return state->frames.closed || state->frames.broken || state->frames.end.cause || monotonic_us() >= state->stop_at_us;
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

    polled[CLIENT_POLLS] = (struct pollfd){.fd = state->frames.fd, .events = POLLIN};
    polled[CLIENT_POLLS + 1] =
        (struct pollfd){.fd = has_something_to_give(state->giving) ? state->giving->fd : -1, .events = POLLOUT};
    clients_poll(run->clients, run->spool, polled);
    if (poll(polled, CLIENT_POLLS + 2, milliseconds_left(state)) < 0)
        return;
    if (polled[CLIENT_POLLS].revents)
        take_frames(&state->frames);
    if (polled[CLIENT_POLLS + 1].revents)
        give(state->giving);
    clients_serve(run->clients, run->spool, polled);
    if (!state->giving->wants_cancel && clients_want_stop(run->clients))
        begin_cancel(state);
}

static void end_child(pid_t pid)
{
    if (pid > 0)
        kill(pid, SIGKILL), waitpid(pid, NULL, 0);
}

static void kill_everything(struct state *state)
{
    struct pollfd frames = {.fd = state->frames.fd, .events = POLLIN};

    cgroup_kill(state->run->cgroup); /* first, as it also lets go of the CPU that dying takes */
    end_child(state->run->child.pid); /* without a cgroup it takes the others along: --die-with-parent */
    end_child(state->run->child.proxy);
    while (!state->frames.closed && !state->frames.broken && poll(&frames, 1, LAST_WORDS_MS) > 0)
        take_frames(&state->frames);
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
    snprintf(state->frames.reason, sizeof state->frames.reason, "the sandbox ended unexpectedly%s%s", *line ? ": " : "", line);
}

/* What the kernel says about an end that the supervisor did not report. */
static void explain(struct state *state, const struct cgroup_usage *usage)
{
    state->frames.end.exit_code = -1;
    if (state->frames.broken) {
        state->frames.end.cause = BROKEN;
        snprintf(state->frames.reason, sizeof state->frames.reason, "%s", state->frames.broken);
    } else if (state->giving->wants_cancel || monotonic_us() >= state->stop_at_us) {
        state->frames.end.cause = state->giving->wants_cancel ? CANCELLED : state->stop_cause;
    } else if (usage->oom_kills) {
        state->frames.end.cause = OUT_OF_MEMORY;
    } else {
        state->frames.end.cause = BROKEN;
        quote_log(state);
    }
}

static void complete(struct state *state)
{
    struct cgroup_usage usage = cgroup_measure(state->run->cgroup);

    if (state->frames.broken || !state->frames.end.cause)
        explain(state, &usage);
    if (state->frames.end.cause == EXITED && state->frames.end.exit_code != 0 && usage.oom_kills)
        state->frames.end.cause = OUT_OF_MEMORY;
    state->frames.end.oom_kills = (uint32_t)usage.oom_kills;
    if (usage.peak_memory)
        state->frames.end.peak_memory = usage.peak_memory;
}

void keep(struct run *run)
{
    static struct state state;

    state.run = run;
    state.giving = run->giving;
    state.frames.fd = run->child.frames, state.frames.spool = run->spool;
    state.frames.output_bytes = run->output_bytes;
    state.stop_at_us = monotonic_us() + run->wall_us + NET_US;
    state.stop_cause = TIMED_OUT;
    while (!is_over(&state))
        wait_and_handle(&state);
    kill_everything(&state);
    complete(&state);
    cgroup_remove(run->cgroup);
    close(run->locks[0]), close(run->locks[1]);
    spool_end(run->spool, &state.frames.end, state.frames.reason);
    clients_take_leave(run->clients, run->spool);
}
