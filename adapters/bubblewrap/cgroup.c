/* Limits, measures and kills all processes of a run by its cgroup.
 *
 * Version 2: docs.kernel.org/admin-guide/cgroup-v2.html; version 1: docs.kernel.org/admin-guide/cgroup-v1/. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "keeper.h"

enum { MEMORY, PIDS, CPU };                  /* the order of version 1's folders */
enum { ROUNDS = 5000, FIRST_PAUSE_US = 50, PAUSE_US = 1000 }; /* at most some five seconds */

static const char *folder_of(const struct cgroup *cgroup, int controller)
{
    return cgroup->folder[cgroup->version == 1 ? controller : 0];
}

static int open_in(const char *folder, const char *file, int flags)
{
    char path[PATH_MAX + 64];

    snprintf(path, sizeof path, "%s/%s", folder, file);
    return open(path, flags | O_CLOEXEC);
}

static int write_in(const char *folder, const char *file, const char *text)
{
    int fd = open_in(folder, file, O_WRONLY);
    ssize_t written = fd < 0 ? -1 : write(fd, text, strlen(text));
    int error = errno;

    if (fd >= 0)
        close(fd);
    errno = error;
    return written < 0 ? -1 : 0;
}

static char *read_in(const char *folder, const char *file)
{
    static char text[65536];
    int fd = open_in(folder, file, O_RDONLY);
    ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof text - 1);

    if (fd >= 0)
        close(fd);
    text[got < 0 ? 0 : got] = 0;
    return text;
}

static uint64_t number_after(const char *text, const char *key)
{
    const char *found = strstr(text, key);

    return found ? strtoull(found + strlen(key), NULL, 10) : 0;
}

/* A kernel without swap accounting has no such file; then nothing is swapped out at all (below). */
static int write_if_there(const char *folder, const char *file, const char *text)
{
    int result = write_in(folder, file, text);

    return result < 0 && (errno == ENOENT || errno == EOPNOTSUPP) ? 0 : result;
}

static int limit_v1(const struct cgroup *cgroup, const struct cgroup_limits *limits)
{
    const char *memory = folder_of(cgroup, MEMORY), *cpu = folder_of(cgroup, CPU);

    if (write_in(memory, "memory.limit_in_bytes", limits->memory) < 0 ||
        write_if_there(memory, "memory.memsw.limit_in_bytes", limits->memory) < 0 ||
        write_if_there(memory, "memory.swappiness", "0") < 0)
        return -1;
    if (write_in(folder_of(cgroup, PIDS), "pids.max", limits->pids) < 0)
        return -1;
    return write_in(cpu, "cpu.cfs_quota_us", limits->cpu_quota); /* the period is 100 ms unless told otherwise */
}

static int limit_v2(const struct cgroup *cgroup, const struct cgroup_limits *limits)
{
    const char *folder = cgroup->folder[0];

    if (write_in(folder, "memory.max", limits->memory) < 0 || write_if_there(folder, "memory.swap.max", "0") < 0)
        return -1;
    if (write_in(folder, "pids.max", limits->pids) < 0)
        return -1;
    return write_in(folder, "cpu.max", limits->cpu_quota);
}

int cgroup_create(const struct cgroup *cgroup, const struct cgroup_limits *limits)
{
    for (int i = 0; i < cgroup->folders; i++)
        if (mkdir(cgroup->folder[i], 0755) < 0 && errno != EEXIST) /* version 1 may have two controllers in one */
            return -1;
    if (cgroup->version == 0)
        return 0;
    return cgroup->version == 1 ? limit_v1(cgroup, limits) : limit_v2(cgroup, limits);
}

/* By version 1's `tasks` a single thread moves itself without the lock that all forks of the machine share; taking
 * that lock costs an RCU grace period, some 13 ms. */
int cgroup_join(const struct cgroup *cgroup)
{
    for (int i = 0; i < cgroup->folders; i++)
        if (write_in(cgroup->folder[i], cgroup->version == 1 ? "tasks" : "cgroup.procs", "0") < 0)
            return -1;
    return 0;
}

void cgroup_unthrottle(const struct cgroup *cgroup)
{
    if (cgroup->version == 1)
        write_in(folder_of(cgroup, CPU), "cpu.cfs_quota_us", "-1");
    if (cgroup->version == 2)
        write_in(cgroup->folder[0], "cpu.max", "max");
}

/* Whoever was killed is mostly gone within 0.1 ms. */
static void pause_in(int round)
{
    int pause = round < 5 ? FIRST_PAUSE_US << round : PAUSE_US;

    usleep((useconds_t)pause);
}

/* True when somebody was there to kill. */
static int kill_members(const char *folder)
{
    int found = 0;

    for (char *at = read_in(folder, "cgroup.procs"), *next; *at; at = next) {
        pid_t pid = (pid_t)strtol(at, &next, 10);
        if (next == at)
            break;
        if (pid > 1 && pid != getpid())
            kill(pid, SIGKILL), found = 1;
        next += strspn(next, "\n");
    }
    return found;
}

void cgroup_kill(const struct cgroup *cgroup)
{
    if (cgroup->version == 0)
        return;
    cgroup_unthrottle(cgroup); /* a process that waits for its share cannot die */
    write_in(folder_of(cgroup, PIDS), "pids.max", "0"); /* nor may it fork while we count the others */
    if (cgroup->version == 2)
        write_in(cgroup->folder[0], "cgroup.kill", "1"); /* Linux 5.14; the loop below does for older ones */
    for (int round = 0; round < ROUNDS && kill_members(folder_of(cgroup, PIDS)); round++)
        pause_in(round);
}

struct cgroup_usage cgroup_measure(const struct cgroup *cgroup)
{
    const char *folder = cgroup->folder[0];
    struct cgroup_usage usage = {0, 0};

    if (cgroup->version == 1) {
        usage.oom_kills = number_after(read_in(folder, "memory.oom_control"), "oom_kill ");
        usage.peak_memory = strtoull(read_in(folder, "memory.max_usage_in_bytes"), NULL, 10);
    }
    if (cgroup->version == 2) {
        usage.oom_kills = number_after(read_in(folder, "memory.events"), "oom_kill ");
        usage.peak_memory = strtoull(read_in(folder, "memory.peak"), NULL, 10); /* Linux 5.19 */
    }
    return usage;
}

void cgroup_remove(const struct cgroup *cgroup)
{
    for (int i = 0; i < cgroup->folders; i++)
        for (int round = 0; round < ROUNDS && rmdir(cgroup->folder[i]) < 0 && errno == EBUSY; round++)
            pause_in(round);
}

void cgroup_note(const struct cgroup *cgroup)
{
    FILE *file = fopen(CGROUP_FILE, "we");

    if (!file)
        fail("cannot write " CGROUP_FILE);
    fprintf(file, "%d\n", cgroup->version);
    for (int i = 0; i < cgroup->folders; i++)
        fprintf(file, "%s\n", cgroup->folder[i]);
    if (fclose(file))
        fail("cannot write " CGROUP_FILE);
}

static int read_line(FILE *file, char *line, int size)
{
    if (!fgets(line, size, file))
        return 0;
    line[strcspn(line, "\n")] = 0;
    return 1;
}

void cgroup_recall(struct cgroup *cgroup)
{
    FILE *file = fopen(CGROUP_FILE, "re");
    char version[16] = "0";

    *cgroup = (struct cgroup){0};
    if (!file)
        return;
    if (read_line(file, version, sizeof version))
        cgroup->version = atoi(version);
    while (cgroup->folders < CGROUP_FOLDERS && read_line(file, cgroup->folder[cgroup->folders], PATH_MAX))
        cgroup->folders++;
    fclose(file);
}
