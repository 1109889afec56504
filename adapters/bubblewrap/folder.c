/* A sandbox's folder appears in one step, complete: lock, spool, socket and the name of its cgroup. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "keeper.h"

enum { BACKLOG = 64 };

int lock_file(const char *path, int flags)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd >= 0 && flock(fd, flags) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* The name is relative: a socket's path has room for 107 bytes only. */
static int listen_here(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = SOCKET_FILE};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, BACKLOG) < 0)
        fail("cannot listen on " SOCKET_FILE);
    return fd;
}

static void empty_folder(void)
{
    unlink(LOCK_FILE), unlink(SPOOL_FILE), unlink(SOCKET_FILE), unlink(CGROUP_FILE);
}

/* Another start of the same sandbox was first: nothing is left to do. */
static _Noreturn void step_back(const char *folder)
{
    empty_folder();
    rmdir(folder);
    exit(0);
}

/* The mark is made before the folder of a removed sandbox goes, so it is seen by whoever can have that name again. */
void make_folder(const char *path, const char *mark, const struct cgroup *cgroup, struct spool *spool, int *listener)
{
    char draft[PATH_MAX];
    const char *name = strrchr(path, '/') + 1;

    snprintf(draft, sizeof draft, "%.*s.new-%d-%ju", (int)(name - path), path, getpid(), (uintmax_t)monotonic_us());
    if (mkdir(draft, 0700) < 0 || chdir(draft) < 0)
        fail(draft);
    if (lock_file(LOCK_FILE, LOCK_EX) < 0) /* others touch it only for a glance, to see whether it is held */
        fail("cannot lock the sandbox");
    spool_create(spool);
    cgroup_note(cgroup);
    *listener = listen_here();
    if (rename(draft, path) < 0) {
        if (errno != EEXIST && errno != ENOTEMPTY)
            fail(path);
        step_back(draft);
    }
    if (access(mark, F_OK) == 0)
        step_back(path);
}
