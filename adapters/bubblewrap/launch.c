/* Starts bwrap: in the run's cgroup, as an unprivileged user, with an empty environment, four descriptors, and one for each
 * file that it is to copy; where the run has network, also its proxy, and a socket between them. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "keeper.h"

enum { SUPERVISOR_FD = 3 }; /* bwrap's command line ends with /proc/self/fd/3, which needs no path inside */

extern char **environ;

static _Noreturn void give_up(const char *what)
{
    dprintf(STDERR_FILENO, "%s: %s\n", what, strerror(errno));
    _exit(126);
}

static void drop_to(uid_t uid)
{
    if (uid && (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0))
        give_up("cannot drop privileges");
}

/* After every change of identity, which clears it; and the keeper may be dead already. */
static void die_with(pid_t keeper)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || getppid() != keeper)
        give_up("the keeper is gone");
}

static _Noreturn void become(char **command)
{
    static char *empty[] = {NULL};

    environ = empty;
    execv(command[0], command);
    give_up(command[0]);
}

static void join(const struct launch *launch, int log)
{
    dup2(log, STDERR_FILENO);
    if (cgroup_join(launch->cgroup) < 0)
        give_up("cannot join the cgroup");
}

/* In the run's cgroup, so that it takes of the run's share and ends with it. It drops to the run's user by itself. */
static _Noreturn void become_proxy(const struct launch *launch, pid_t keeper, int way_out)
{
    join(launch, open(PROXY_LOG, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    die_with(keeper);
    dup2(STDERR_FILENO, STDOUT_FILENO);
    dup2(way_out, STDIN_FILENO);
    syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, 0);
    become(launch->proxy);
}

/* Above the numbers that bwrap gets, so that no dup2 overwrites another's source. */
static int out_of_the_way(int fd)
{
    int moved = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 10);

    if (fd >= 0)
        close(fd);
    return moved;
}

/* The pipe holds all of it, so that nobody has to stay and write. */
static void leave_at(int fd, const char *content)
{
    ssize_t size = (ssize_t)strlen(content);
    int ends[2];

    if (pipe(ends) < 0)
        give_up("cannot make a pipe");
    for (int i = 0; i < 2; i++)
        ends[i] = out_of_the_way(ends[i]);
    fcntl(ends[1], F_SETFL, O_NONBLOCK);
    if (write(ends[1], content, (size_t)size) != size || dup2(ends[0], fd) < 0)
        give_up("cannot pass a file on");
}

static _Noreturn void become_bwrap(const struct launch *launch, pid_t keeper, int commands, int frames, int log,
                                   int supervisor, int way_out)
{
    int next = FIRST_FILE_FD;

    join(launch, log);
    drop_to(launch->uid);
    die_with(keeper);
    signal(SIGPIPE, SIG_DFL);
    umask(022);
    dup2(commands, STDIN_FILENO);
    dup2(frames, STDOUT_FILENO);
    dup2(supervisor, SUPERVISOR_FD);
    if (way_out >= 0)
        dup2(way_out, WAY_OUT_FD);
    else
        close(WAY_OUT_FD);
    for (const char *const *content = launch->files; *content; content++)
        leave_at(next++, *content);
    syscall(SYS_close_range, next, ~0U, 0);
    become(launch->bwrap);
}

/* Starts the proxy; gives the supervisor's end of the socket to it, or -1. */
static int start_proxy(const struct launch *launch, pid_t *proxy)
{
    pid_t keeper = getpid();
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0 || (*proxy = fork()) < 0)
        return -1;
    if (*proxy == 0)
        become_proxy(launch, keeper, ends[0]);
    close(ends[0]);
    return out_of_the_way(ends[1]);
}

struct child launch(const struct launch *launch)
{
    struct child child = {.pid = -1};
    int way_out = launch->proxy ? start_proxy(launch, &child.proxy) : -1;
    pid_t keeper = getpid();
    int commands[2], frames[2];
    int log = out_of_the_way(open(LOG_FILE, O_WRONLY | O_CREAT | O_APPEND, 0600));
    int supervisor = out_of_the_way(open(launch->supervisor, O_RDONLY));

    if ((launch->proxy && way_out < 0) || log < 0 || supervisor < 0 || pipe(commands) < 0 || pipe(frames) < 0)
        return child;
    for (int i = 0; i < 2; i++)
        commands[i] = out_of_the_way(commands[i]), frames[i] = out_of_the_way(frames[i]);
    child.pid = fork();
    if (child.pid == 0)
        become_bwrap(launch, keeper, commands[0], frames[1], log, supervisor, way_out);
    close(way_out), close(log), close(supervisor), close(commands[0]), close(frames[1]);
    child.commands = commands[1], child.frames = frames[0];
    fcntl(child.commands, F_SETFL, O_NONBLOCK);
    fcntl(child.frames, F_SETFL, O_NONBLOCK);
    return child;
}
