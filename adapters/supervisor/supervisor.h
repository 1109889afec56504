/* What the parts of the supervisor share. It runs one script as PID 1 of a sandbox; see records.h for its language. */
#ifndef RUNLEDGER_SUPERVISOR_H
#define RUNLEDGER_SUPERVISOR_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "given.h"
#include "records.h"

/* A job, taken apart. All pointers lead into one block that lives as long as the process. */
struct task {
    struct job job;
    char **argv; /* the script's file name is its last word */
    char **envp;
    const char *file_name;
    const char *script;
    const char *input;
};

/* job.c: waits for the JOB record on `fd`. Gives the reason when there is none, NULL when all is well. */
const char *read_job(int fd, struct task *task);

/* network.c: makes a socket that listens on loopback and hands it out to a proxy outside. What it was handed out
 * through stays open, as descriptor 3: the proxy ends when it is closed. Gives the reason when that fails. */
const char *open_way_out(void);

/* script.c */
struct script {
    pid_t pid;
    int input, output, errors; /* our ends of its pipes, non-blocking */
};

/* Writes the script's file into the current folder and starts it there, in a session and with pipes of its own.
 * Gives the reason when that fails. */
const char *start_script(const struct task *task, struct script *script);

/* input.c */
struct input {
    int fd;            /* our end of the script's pipe; -1 once nothing more goes in */
    const char *first; /* of the job */
    uint64_t first_size, sent;
    struct given more;
};

void open_input(struct input *input, const struct task *task, int fd);
void close_input(struct input *input);
int has_input(const struct input *input); /* or its end */
void send_input(struct input *input);

/* commands.c */
struct commands {
    int fd; /* -1 when nobody is left to give any */
    struct head head;
    uint64_t size; /* of the record, as far as it has come */
};

/* Reads once. True when a record is complete: its head stands there, and what it gave is in `input`. */
int read_command(struct commands *commands, struct given *input);
int is_input(const struct head *head);

/* frames.c: one record on standard output; ends this process when nobody reads them any more. */
void write_frame(uint32_t kind, uint64_t number, const void *data, size_t size);
void write_end(const struct end *end, uint64_t number, const char *reason);

/* kept.c: from now on frames are kept in memory, and sent as fast as somebody reads. */
void keep_frames(void);
int frames_are_kept(void);
void keep(const struct head *head, const void *data);
int has_unsent(void);
void send_kept(void);
/* Goes out before any further frame; a RESEND is answered by starting again after a frame. False when too many answers
 * wait already; ask again when some are out. */
int can_answer(void);
void answer(const struct head *answer);

/* usage.c: what the cgroup of this sandbox tells, where it can be seen; zeros where not. */
struct usage {
    uint64_t oom_kills;
    uint64_t peak_memory;
};
struct usage measure_usage(void);

/* "`what`: " and the words for errno, in a static buffer. */
const char *failure(const char *what);

#endif
