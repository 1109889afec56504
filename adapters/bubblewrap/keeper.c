/* The keeper of one run. `keeper run` starts it and returns; it lives on as a process of its own until the run has
 * ended and those who watch have seen it. `keeper settle FOLDER` tidies up after a keeper that was killed. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "keeper.h"

enum { PROXY_WORDS = 8 };

struct options {
    const char *folder;
    const char *mark; /* stands as soon as the sandbox was removed */
    const char *slots_folder;
    int slots;
    const char *uids_folder; /* NULL: stay who we are */
    int uids;
    uid_t first_uid;
    struct cgroup_limits limits;
    struct cgroup parents;
    const char *supervisor;
    char *proxy[PROXY_WORDS + 2]; /* and the run's uid, and the final NULL */
    int proxy_words;
    const char *files[FILES_MAX + 1]; /* and the final NULL */
    char **bwrap;
};

void fail(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t clock_us(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t monotonic_us(void)
{
    return clock_us(CLOCK_MONOTONIC);
}

uint64_t wall_clock_us(void)
{
    return clock_us(CLOCK_REALTIME);
}

static void add_parent(struct cgroup *parents, const char *folder)
{
    if (parents->folders == CGROUP_FOLDERS || strlen(folder) >= PATH_MAX / 2)
        fail("too many cgroup folders, or too long a path");
    strcpy(parents->folder[parents->folders++], folder);
}

/* One word of the proxy's command line. */
static void add_word(struct options *options, char *word)
{
    if (options->proxy_words == PROXY_WORDS)
        fail("too many words for the proxy");
    options->proxy[options->proxy_words++] = word;
}

static void add_file(struct options *options, const char *content)
{
    int count = 0;

    while (options->files[count])
        count++;
    if (count == FILES_MAX)
        fail("too many files");
    options->files[count] = content;
}

static struct options parse(int argc, char **argv)
{
    static const struct option names[] = {
        {"folder", 1, 0, 'f'}, {"mark", 1, 0, 'e'},
        {"slots-folder", 1, 0, 's'}, {"slots", 1, 0, 'n'},
        {"uids-folder", 1, 0, 'd'}, {"uids", 1, 0, 'i'}, {"first-uid", 1, 0, 'u'},
        {"memory", 1, 0, 'm'}, {"pids", 1, 0, 'p'},         {"cpu-quota", 1, 0, 'c'}, {"cgroup-version", 1, 0, 'v'},
        {"cgroup", 1, 0, 'g'}, {"supervisor", 1, 0, 'b'},   {"proxy", 1, 0, 'x'},
        {"file", 1, 0, 'o'}, {0}};
    static struct options options;

    for (int name; (name = getopt_long(argc, argv, "+", names, NULL)) != -1;)
        switch (name) {
        case 'f': options.folder = optarg; break;
        case 'e': options.mark = optarg; break;
        case 's': options.slots_folder = optarg; break;
        case 'n': options.slots = atoi(optarg); break;
        case 'd': options.uids_folder = optarg; break;
        case 'i': options.uids = atoi(optarg); break;
        case 'u': options.first_uid = (uid_t)atoi(optarg); break;
        case 'm': options.limits.memory = optarg; break;
        case 'p': options.limits.pids = optarg; break;
        case 'c': options.limits.cpu_quota = optarg; break;
        case 'v': options.parents.version = atoi(optarg); break;
        case 'g': add_parent(&options.parents, optarg); break;
        case 'b': options.supervisor = optarg; break;
        case 'x': add_word(&options, optarg); break;
        case 'o': add_file(&options, optarg); break;
        default: exit(2);
        }
    options.bwrap = argv + optind;
    return options;
}

/* The number of a free lock file among `count`; the kernel gives it back even after kill -9. */
static int take_one(const char *folder, int count, int *held)
{
    char path[PATH_MAX];

    for (int number = 0; number < count; number++) {
        snprintf(path, sizeof path, "%s/%d", folder, number);
        if ((*held = lock_file(path, LOCK_EX | LOCK_NB)) >= 0)
            return number;
        if (errno != EWOULDBLOCK)
            fail(path);
    }
    fprintf(stderr, "all %d of %s are taken\n", count, folder);
    exit(NO_CAPACITY);
}

static struct cgroup own_cgroup(const struct options *options, int number)
{
    struct cgroup own = options->parents;

    for (int i = 0; i < own.folders; i++)
        snprintf(own.folder[i], PATH_MAX, "%.2000s/runledger-%d-%.200s", options->parents.folder[i], number,
                 strrchr(options->folder, '/') + 1);
    return own;
}

static struct job read_sizes(int job)
{
    struct job sizes;

    if (pread(job, &sizes, sizeof sizes, sizeof(struct head)) != (ssize_t)sizeof sizes)
        fail("no job on standard input");
    return sizes;
}

/* Goes on as a process that no terminal, session or parent can end; the caller learns by the pipe how it went. */
static int become_daemon(void)
{
    int ready[2];
    char all_is_well;

    if (pipe2(ready, O_CLOEXEC) < 0)
        fail("cannot make a pipe");
    pid_t first = fork();
    if (first < 0)
        fail("cannot fork");
    if (first > 0) {
        close(ready[1]);
        waitpid(first, NULL, 0);
        _exit(read(ready[0], &all_is_well, 1) == 1 ? 0 : 1);
    }
    setsid();
    if (fork() != 0)
        _exit(0);
    return ready[1];
}

static void let_go_of_caller(int ready)
{
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);

    for (int fd = 0; fd <= STDERR_FILENO; fd++)
        dup2(nothing, fd);
    if (write(ready, "", 1) < 0)
        _exit(1); /* who started it was killed: then a second start finds the folder, and `settle` ends it */
    close(ready);
}

static _Noreturn void undo(const char *folder, const struct cgroup *cgroup, const char *what)
{
    int error = errno;

    cgroup_remove(cgroup);
    unlink(LOCK_FILE), unlink(SPOOL_FILE), unlink(SOCKET_FILE), unlink(CGROUP_FILE);
    unlink(LOG_FILE), unlink(PROXY_LOG);
    rmdir(folder);
    errno = error;
    fail(what);
}

/* NULL where the run has no network. */
static char **proxy_of(struct options *options, uid_t uid)
{
    static char text[16];

    if (!options->proxy_words)
        return NULL;
    snprintf(text, sizeof text, "%ju", (uintmax_t)uid);
    options->proxy[options->proxy_words] = text;
    return options->proxy;
}

static void run(struct options *options)
{
    static struct spool spool;
    static struct clients clients;
    static struct cgroup cgroup;
    static struct giving giving;
    int job = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 10), slot_lock, uid_lock = -1, listener;
    int number = take_one(options->slots_folder, options->slots, &slot_lock);
    uid_t uid = 0;
    struct job sizes = read_sizes(job);

    if (options->uids_folder)
        uid = options->first_uid + (uid_t)(number = take_one(options->uids_folder, options->uids, &uid_lock));
    cgroup = own_cgroup(options, number);
    make_folder(options->folder, options->mark, &cgroup, &spool, &listener);
    if (cgroup_create(&cgroup, &options->limits) < 0)
        undo(options->folder, &cgroup, "cannot make a cgroup");
    int ready = become_daemon();
    struct child child = launch(
        &(struct launch){options->supervisor, options->bwrap, uid, &cgroup, proxy_of(options, uid), options->files});
    if (child.pid < 0)
        undo(options->folder, &cgroup, "cannot start bwrap");
    let_go_of_caller(ready);
    giving.fd = child.commands, giving.job = job;
    giving.input.is_whole = giving.end_passed = !(sizes.flags & MORE_INPUT);
    clients_init(&clients, listener, &giving.input);
    keep(&(struct run){child, sizes.wall_us, sizes.output_bytes, {slot_lock, uid_lock}, &cgroup, &spool, &giving, &clients});
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    umask(077);
    if (argc > 1 && strcmp(argv[1], "run") == 0) {
        struct options options = parse(argc - 1, argv + 1);
        run(&options);
    } else if (argc == 3 && strcmp(argv[1], "settle") == 0) {
        if (chdir(argv[2]) < 0)
            fail(argv[2]);
        settle();
    } else {
        fprintf(stderr, "usage: keeper run OPTIONS -- BWRAP ... | keeper settle FOLDER\n");
        return 2;
    }
    return 0;
}
