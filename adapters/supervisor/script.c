#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "supervisor.h"

enum { OPEN_FILES = 1024 };

extern char **environ;

static int write_file(const struct task *task)
{
    int fd = open(task->file_name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);

    for (uint64_t done = 0; fd >= 0 && done < task->job.script_size;) {
        ssize_t written = write(fd, task->script + done, task->job.script_size - done);
        if (written < 0)
            return -1;
        done += (uint64_t)written;
    }
    return fd < 0 ? -1 : close(fd);
}

static void limit_resources(const struct job *job)
{
    struct rlimit processes = {job->pids + 1, job->pids + 1}; /* the supervisor is one of its user's */

    if (job->pids)
        setrlimit(RLIMIT_NPROC, &processes);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    setrlimit(RLIMIT_NOFILE, &(struct rlimit){OPEN_FILES, OPEN_FILES});
}

/* Where the script takes all the CPU there is, the supervisor's turn comes first: a cancel waits for no fork bomb. */
static void stand_back(void)
{
    enum { LAST = 19 };

    if (setpriority(PRIO_PROCESS, 0, LAST) < 0)
        errno = 0; /* a kernel without priorities: then all take turns */
}

/* The script's processes are what the kernel shall pick when memory is short, never the supervisor. */
static void volunteer_for_oom(void)
{
    int fd;

    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); /* files under /proc/self belong to root otherwise */
    fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd >= 0 && write(fd, "1000", 4) < 0)
        errno = 0; /* without it the largest process goes first, which is nearly always the script's */
}

/* Whatever was ignored where Runledger was started. */
static void reset_signals(void)
{
    sigset_t none;

    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL); /* in vain for those that nobody can ignore */
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void become_script(const struct task *task, int input, int output, int errors, int report)
{
    setsid();
    reset_signals();
    volunteer_for_oom();
    stand_back();
    limit_resources(&task->job);
    dup2(input, STDIN_FILENO);
    dup2(output, STDOUT_FILENO);
    dup2(errors, STDERR_FILENO);
    environ = task->envp;
    execvp(task->argv[0], task->argv); /* all other descriptors are close-on-exec */
    int error = errno;
    if (write(report, &error, sizeof error) < 0)
        _exit(126);
    _exit(127);
}

/* Waits until the child runs its program; errno tells why it does not. */
static int await_exec(int report)
{
    int error = 0;
    ssize_t got = read(report, &error, sizeof error);

    close(report);
    errno = got < 0 ? errno : error;
    return errno ? -1 : 0;
}

const char *start_script(const struct task *task, struct script *script)
{
    int input[2], output[2], errors[2], report[2];

    if (write_file(task) < 0)
        return failure("cannot write the script's file");
    if (pipe2(input, O_CLOEXEC) || pipe2(output, O_CLOEXEC) || pipe2(errors, O_CLOEXEC) || pipe2(report, O_CLOEXEC))
        return failure("cannot make pipes");
    script->pid = fork();
    if (script->pid == 0)
        become_script(task, input[0], output[1], errors[1], report[1]);
    close(input[0]), close(output[1]), close(errors[1]), close(report[1]);
    if (script->pid < 0)
        return failure("cannot start a process");
    script->input = input[1], script->output = output[0], script->errors = errors[0];
    fcntl(script->input, F_SETFL, O_NONBLOCK);
    fcntl(script->output, F_SETFL, O_NONBLOCK);
    fcntl(script->errors, F_SETFL, O_NONBLOCK);
    return await_exec(report[0]) < 0 ? failure(task->argv[0]) : NULL;
}
