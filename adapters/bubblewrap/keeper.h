/* What the parts of the keeper share. One keeper owns one run: bwrap, its cgroup, and the spool of its frames. */
#ifndef RUNLEDGER_KEEPER_H
#define RUNLEDGER_KEEPER_H

#include <limits.h>
#include <poll.h>
#include <stdint.h>
#include <sys/types.h>

#include "../supervisor/given.h"
#include "../supervisor/records.h"

/* The exit code that means: try again when another run has ended. */
enum { NO_CAPACITY = 3 };

/* Says what is wrong on standard error and ends the process with 1. */
_Noreturn void fail(const char *what);
uint64_t monotonic_us(void);
uint64_t wall_clock_us(void);

/* Names inside a sandbox's folder, which is the keeper's working folder. */
#define LOCK_FILE "lock"     /* held as long as the keeper lives */
#define SPOOL_FILE "spool"   /* the frames */
#define SOCKET_FILE "socket" /* where the keeper answers */
#define CGROUP_FILE "cgroup" /* the cgroup's folders, one a line */
#define LOG_FILE "log"       /* what bwrap and the supervisor complain about */
#define PROXY_LOG "proxy-log" /* what the proxy complains about */

/* cgroup.c: version 1 has three folders (memory, pids, cpu), version 2 has one, version 0 means there is none. */
enum { CGROUP_FOLDERS = 3 };

struct cgroup {
    int version;
    int folders;
    char folder[CGROUP_FOLDERS][PATH_MAX];
};

struct cgroup_limits {
    const char *memory;    /* bytes */
    const char *pids;      /* processes and threads */
    const char *cpu_quota; /* microseconds in each 100 ms */
};

struct cgroup_usage {
    uint64_t oom_kills;
    uint64_t peak_memory; /* bytes; 0 when the kernel does not tell */
};

int cgroup_create(const struct cgroup *cgroup, const struct cgroup_limits *limits); /* -1 with errno */
int cgroup_join(const struct cgroup *cgroup);                                       /* -1 with errno */
void cgroup_unthrottle(const struct cgroup *cgroup);
void cgroup_kill(const struct cgroup *cgroup); /* returns when nothing lives in it, or after some seconds */
struct cgroup_usage cgroup_measure(const struct cgroup *cgroup);
void cgroup_remove(const struct cgroup *cgroup);
void cgroup_note(const struct cgroup *cgroup); /* writes CGROUP_FILE, which must stand before the folders do */
void cgroup_recall(struct cgroup *cgroup);     /* reads it */

/* spool.c */
struct spool {
    int fd;
    uint64_t size; /* up to the end of the last whole record */
    uint64_t frames, stdout_bytes, stderr_bytes;
    uint64_t started_us; /* wall clock; 0 before STARTED */
    int ended;
};

void spool_create(struct spool *spool);
void spool_reopen(struct spool *spool); /* counts what is there and cuts off half a record */
int spool_append(struct spool *spool, const struct head *head, const void *data); /* -1 with errno */
void spool_end(struct spool *spool, struct end *end, const char *reason);

/* launch.c: bwrap finds each of the files it is to copy at a descriptor of its own. */
enum { FIRST_FILE_FD = 5, FILES_MAX = 4 };

struct launch {
    const char *supervisor; /* its program file */
    char **bwrap;           /* command line; to it is added where the supervisor is */
    uid_t uid;              /* what bwrap runs as; 0: as we are */
    const struct cgroup *cgroup;
    char **proxy; /* command line of the network's way out; NULL: there is none */
    const char *const *files; /* their contents, up to a NULL */
};

struct child {
    pid_t pid;
    pid_t proxy; /* 0: none */
    int commands, frames; /* the supervisor's standard input and output, non-blocking */
};

struct child launch(const struct launch *launch); /* pid -1 with errno */

/* folder.c */
void make_folder(const char *path, const char *mark, const struct cgroup *cgroup, struct spool *spool, int *listener);
int lock_file(const char *path, int flags); /* the descriptor that holds it, or -1 */

/* give.c */
struct giving {
    int fd;  /* the supervisor's standard input */
    int job; /* a file with the JOB record; -1 once it is given */
    int wants_cancel, cancel_given;
    struct given input; /* what clients gave */
    uint64_t passed;    /* on to the supervisor */
    int end_passed;
};

int has_something_to_give(const struct giving *giving);
void give(struct giving *giving);

/* frames.c */
enum { CHUNK = FRAME_MAX + sizeof(struct head) };

struct frames {
    int fd; /* the supervisor's standard output */
    struct spool *spool;
    uint64_t output_bytes; /* no more than this is taken */
    int closed;            /* nobody can write a frame any more */
    const char *broken;    /* why no more is read; NULL while all is well */
    struct end end;        /* of the supervisor; cause 0 when there was none */
    char reason[REASON_MAX + 1];
    char data[CHUNK]; /* as far as they have come */
    size_t size;
};

int take_frames(struct frames *frames); /* true when there may be more at once */

/* clients.c */
enum { CLIENTS_MAX = 128, CLIENT_POLLS = CLIENTS_MAX + 1 };

struct client {
    int fd; /* -1: this place is free */
    struct request request;
    size_t request_size; /* as far as it has come */
    uint64_t fed;        /* of the input that follows it */
    uint64_t offset;     /* in the spool, of what is sent next */
    uint64_t span_end;   /* up to here the spool is sent as it lies */
};

struct clients {
    int listener; /* -1 when no more are taken */
    struct given *input;
    struct client client[CLIENTS_MAX];
};

void clients_init(struct clients *clients, int listener, struct given *input);
void clients_poll(const struct clients *clients, const struct spool *spool, struct pollfd polled[CLIENT_POLLS]);
void clients_serve(struct clients *clients, const struct spool *spool, const struct pollfd polled[CLIENT_POLLS]);
int clients_want_stop(const struct clients *clients);
void clients_take_leave(struct clients *clients, const struct spool *spool); /* the run ended: serve the rest */

/* run.c: from the running child to the END in the spool. */
struct run {
    struct child child;
    uint64_t wall_us;
    uint64_t output_bytes;
    int locks[2];        /* slot and uid: given back when nothing of the run is left */
    const struct cgroup *cgroup;
    struct spool *spool;
    struct giving *giving;
    struct clients *clients;
};

void keep(struct run *run);

/* settle.c: brings a sandbox whose keeper died to its end, in the working folder. */
void settle(void);

#endif
