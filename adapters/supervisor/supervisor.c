/* PID 1 of a sandbox: runs one script, watches its time and its output, and reports in numbered frames.
 *
 * A script must not be PID 1 itself (signals without a handler do nothing there) and must not be able to write a
 * frame, so it is a child with pipes of its own. As PID 1 the supervisor cannot be killed or stopped from inside,
 * and one kill(-1) of it reaches every process there is. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "seccomp.h"
#include "supervisor.h"

/* A stream that just gave a frame is left alone for so long: a script that prints byte by byte makes 500 frames a
 * second, not a million, and a single line still goes out at once. */
enum { PAUSE_US = 2000 };
/* And so long is waited for the rest of a line: print() of an unbuffered Python writes text and newline apart. */
enum { REST_OF_LINE_US = 150 };

struct stream {
    int fd; /* -1 when it ended */
    uint32_t kind;
    uint64_t bytes;
    uint64_t paused_until_us;
};

struct run {
    struct task task;
    struct script script;
    struct stream streams[2];
    struct commands commands;
    struct input input;
    uint64_t frames;
    uint64_t started_us, deadline_us;
    enum cause cause; /* 0 while it runs */
    int status;       /* of the script, as wait gives it, once cause is EXITED */
    int children;
};

static uint64_t now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* Reads once. True when there may be more at once. */
static int take_output(struct run *run, struct stream *stream)
{
    static char data[FRAME_MAX];
    uint64_t budget = run->task.job.output_bytes - run->streams[0].bytes - run->streams[1].bytes;
    ssize_t got = read(stream->fd, data, sizeof data);

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (got <= 0) {
        close(stream->fd);
        stream->fd = -1;
        return 0;
    }
    size_t kept = (uint64_t)got > budget ? (size_t)budget : (size_t)got;
    if (kept)
        write_frame(stream->kind, ++run->frames, data, kept);
    stream->bytes += kept;
    if (kept < (size_t)got) {
        run->cause = OUTPUT_LIMIT;
        return 0;
    }
    if (kept < sizeof data)
        stream->paused_until_us = now_us() + PAUSE_US;
    return 1;
}

static void reap(struct run *run)
{
    struct signalfd_siginfo info;
    int status;
    pid_t pid;

    while (read(run->children, &info, sizeof info) > 0)
        ;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        if (pid == run->script.pid) {
            run->cause = EXITED;
            run->status = status;
        }
}

static void obey(struct run *run)
{
    if (!read_command(&run->commands, &run->input.more))
        return;
    const struct head *command = &run->commands.head;
    if (command->kind == CANCEL && !run->cause)
        run->cause = CANCELLED;
    if (command->kind == RESEND && frames_are_kept())
        answer(command);
    if (is_input(command) && command->at_us && frames_are_kept())
        answer(&(struct head){.kind = TAKEN, .number = given_size(&run->input.more), .at_us = command->at_us});
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The descriptor to poll, or -1 while the stream is paused; `wake` is brought forward to the end of the pause. */
static int unless_paused(const struct stream *stream, uint64_t now, uint64_t *wake)
{
    if (stream->fd < 0 || stream->paused_until_us <= now)
        return stream->fd;
    *wake = earlier(*wake, stream->paused_until_us);
    return -1;
}

static void wait_and_handle(struct run *run)
{
    uint64_t now = now_us(), wake = run->deadline_us;
    struct pollfd polled[] = {
        {.fd = run->children, .events = POLLIN},
        {.fd = can_answer() ? run->commands.fd : -1, .events = POLLIN},
        {.fd = run->input.fd, .events = has_input(&run->input) ? POLLOUT : 0},
        {.fd = unless_paused(&run->streams[0], now, &wake), .events = POLLIN},
        {.fd = unless_paused(&run->streams[1], now, &wake), .events = POLLIN},
        {.fd = has_unsent() ? STDOUT_FILENO : -1, .events = POLLOUT},
    };
    uint64_t pause = wake > now ? wake - now : 0;
    struct timespec timeout = {.tv_sec = (time_t)(pause / 1000000), .tv_nsec = (long)(pause % 1000000) * 1000};

    if (ppoll(polled, sizeof polled / sizeof *polled, &timeout, NULL) < 0)
        return;
    if (polled[3].revents & POLLIN || polled[4].revents & POLLIN)
        usleep(REST_OF_LINE_US);
    for (int i = 0; i < 2 && !run->cause; i++)
        if (polled[3 + i].revents)
            take_output(run, &run->streams[i]);
    if (polled[2].revents & POLLERR)
        close_input(&run->input); /* the script did */
    else if (polled[2].revents)
        send_input(&run->input);
    if (polled[5].revents)
        send_kept();
    if (polled[0].revents && !run->cause)
        reap(run);
    if (polled[1].revents && !run->cause)
        obey(run);
    if (!run->cause && now_us() >= run->deadline_us)
        run->cause = TIMED_OUT;
}

/* SIGKILL goes to all in one step that no fork can slip through, and reaches stopped processes too. */
static void kill_all(void)
{
    kill(-1, SIGKILL);
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
        ;
}

/* With every writer dead the pipes hold what was printed before, and then end. */
static void take_rest(struct run *run)
{
    for (int i = 0; i < 2; i++)
        while (run->streams[i].fd >= 0 && run->cause != OUTPUT_LIMIT && take_output(run, &run->streams[i]))
            ;
}

static uint64_t microseconds(struct timeval time)
{
    return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_usec;
}

static void report_end(struct run *run, uint64_t ended_us)
{
    struct usage usage = measure_usage();
    struct rusage used;
    int exited = run->cause == EXITED;

    getrusage(RUSAGE_CHILDREN, &used);
    write_end(
        &(struct end){
            .cause = exited && run->status && usage.oom_kills ? OUT_OF_MEMORY : run->cause,
            .exit_code = exited && WIFEXITED(run->status) ? WEXITSTATUS(run->status) : -1,
            .signal = exited && WIFSIGNALED(run->status) ? WTERMSIG(run->status) : 0,
            .oom_kills = (uint32_t)usage.oom_kills,
            .wall_us = ended_us - run->started_us,
            .cpu_us = microseconds(used.ru_utime) + microseconds(used.ru_stime),
            .peak_memory = usage.peak_memory ? usage.peak_memory : (uint64_t)used.ru_maxrss * 1024,
            .stdout_bytes = run->streams[0].bytes,
            .stderr_bytes = run->streams[1].bytes,
        },
        run->frames, "");
}

static void supervise(struct run *run)
{
    run->started_us = now_us();
    run->deadline_us = run->started_us + run->task.job.wall_us;
    write_frame(STARTED, 0, NULL, 0);
    send_input(&run->input);
    while (!run->cause)
        wait_and_handle(run);
    uint64_t ended_us = now_us();
    close_input(&run->input);
    kill_all();
    take_rest(run);
    report_end(run, ended_us);
}

/* The frames are here and nowhere else, so whoever comes gets them, as long as anybody can ask. */
static void serve_frames(struct run *run)
{
    while (frames_are_kept() && (run->commands.fd >= 0 || has_unsent())) {
        struct pollfd polled[] = {
            {.fd = can_answer() ? run->commands.fd : -1, .events = POLLIN},
            {.fd = has_unsent() ? STDOUT_FILENO : -1, .events = POLLOUT},
        };
        poll(polled, 2, -1);
        if (polled[0].revents)
            obey(run);
        if (polled[1].revents)
            send_kept();
    }
}

/* PID 1 has to wish to die of a signal. Only who is outside may ask: he has no number in here. */
static void leave(int number, siginfo_t *info, void *context)
{
    (void)number, (void)context;
    if (info->si_pid == 0)
        _exit(0);
}

static int watch_children(void)
{
    sigset_t children;

    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&children);
    sigaddset(&children, SIGCHLD);
    sigprocmask(SIG_BLOCK, &children, NULL);
    return signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK);
}

static const char *prepare(struct run *run, int has_network)
{
    const char *problem;

    if (getpid() != 1)
        return "the supervisor must be PID 1: it kills every process it can reach"; /* so it stays harmless outside */
    if (has_network && (problem = open_way_out()))
        return problem;
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || syscall(SYS_close_range, 3 + has_network, ~0U, 0) < 0)
        return failure("cannot protect the supervisor");
    sigaction(SIGTERM, &(struct sigaction){.sa_sigaction = leave, .sa_flags = SA_SIGINFO | SA_RESTART}, NULL);
    if ((problem = read_job(STDIN_FILENO, &run->task)))
        return problem;
    if (run->task.job.flags & KEEPS_FRAMES)
        keep_frames();
    if (forbid_system_calls() < 0)
        return failure("cannot install the seccomp filter");
    run->children = watch_children();
    if ((problem = start_script(&run->task, &run->script)))
        return problem;
    open_input(&run->input, &run->task, run->script.input);
    run->streams[0] = (struct stream){.fd = run->script.output, .kind = STDOUT};
    run->streams[1] = (struct stream){.fd = run->script.errors, .kind = STDERR};
    return NULL;
}

int main(int count, char **words)
{
    static struct run run = {.commands = {.fd = STDIN_FILENO}};
    const char *problem = prepare(&run, count > 1);

    (void)words;

    if (!problem)
        supervise(&run);
    else
        write_end(&(struct end){.cause = BROKEN, .exit_code = -1}, 0, problem);
    serve_frames(&run);
    return problem != NULL;
}
