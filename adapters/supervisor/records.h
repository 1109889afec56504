/* The records that the supervisor, the keeper and the Python side exchange.
 *
 * A record is a fixed head, then `size` bytes. All integers are little-endian, nothing is padded by the compiler.
 * To the supervisor (its standard input): one JOB, then any INPUT and CANCEL. From it (its standard output): STARTED, then
 * STDOUT and STDERR in the order they were read, at last one END. The spool file holds the latter, byte for byte,
 * but for the END, which the keeper completes with what only the cgroup knows.
 *
 * Where nobody outside keeps the frames (a pod), a job asks the supervisor to keep them: then it stays after the END,
 * and to each RESEND it answers RESENT, the first record again, and all frames above `number`. A reader that comes late
 * reads from the middle of some record: it looks for its own RESENT, whose `at_us` it has made up so that no script
 * can write it. Other readers see the same frames again, never a gap. An INPUT that has an `at_us` is answered there,
 * too: TAKEN repeats it, and its number says how much of the input has come.
 *
 * INPUT and LAST_INPUT are pieces of one stream. A piece that begins before the end of what has come gives only what
 * is new, and one that begins behind it gives nothing, so pieces may come twice. Several may write to one supervisor
 * (a pod): records of at most COMMAND_MAX bytes, written at once, do not mix. */
#ifndef RUNLEDGER_RECORDS_H
#define RUNLEDGER_RECORDS_H

#include <stdint.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "records are written as they lie in memory, which must be little-endian"
#endif

enum kind { JOB = 1, CANCEL = 2, RESEND = 3, INPUT = 4, LAST_INPUT = 5 };
enum frame_kind { STARTED = 16, STDOUT = 17, STDERR = 18, END = 19, RESENT = 20, TAKEN = 21 };

struct head {
    uint32_t size;   /* bytes that follow this head */
    uint32_t kind;
    uint64_t number; /* STDOUT, STDERR: 1, 2, 3 ... over both; END: the last of them; RESEND: after it;
                        INPUT: the bytes of it before these; TAKEN: those that have come; otherwise 0 */
    uint64_t at_us;  /* microseconds since 1970, UTC; RESEND, INPUT: what the answer shall say */
};

/* On the keeper's socket a client asks once. WATCH answers with the frames (STARTED, the output numbered above `after`,
 * END) as they come; STOP ends the run as cancelled, and the keeper hangs up when nothing of it is left. FEED and
 * FEED_LAST are followed by `size` bytes of input, of which `after` came before, and answered with 8 bytes: how much
 * has come. */
enum question { WATCH = 1, STOP = 2, FEED = 3, FEED_LAST = 4 };

struct request {
    uint64_t question;
    uint64_t after;
    uint64_t size;
};

enum { FRAME_MAX = 16384, REASON_MAX = 512, JOB_MAX = 64 << 20, INPUT_MAX = 1 << 20, COMMAND_MAX = 4096 };

/* The last microsecond of the year 9999; and no other number in an END is above INT64_MAX. */
#define LATEST_US 253402300799999999u

/* How much input has come, where no more is wanted. */
#define ALL_INPUT UINT64_MAX

/* JOB: this, then argc + envc strings and the script's file name, each ended by NUL, then script, then stdin. */
struct job {
    uint64_t wall_us;
    uint64_t output_bytes;
    uint64_t script_size;
    uint64_t stdin_size;
    uint32_t argc;
    uint32_t envc;
    uint32_t pids; /* of the script's user; 0: a cgroup counts them */
    uint32_t flags;
};

enum { KEEPS_FRAMES = 1, MORE_INPUT = 2 };

/* Where the supervisor is started with a word, a socket to a proxy is there; scripts find the proxy at that port. */
enum { WAY_OUT_FD = 4, PROXY_PORT = 3128 };

enum cause { EXITED = 1, TIMED_OUT = 2, OUTPUT_LIMIT = 3, CANCELLED = 4, OUT_OF_MEMORY = 5, LOST = 6, BROKEN = 7 };

/* END: this, then up to REASON_MAX bytes of UTF-8 that say what broke. */
struct end {
    uint32_t cause;
    int32_t exit_code; /* -1: it did not exit by itself */
    int32_t signal;    /* 0: no signal ended it */
    uint32_t oom_kills;
    uint64_t wall_us;
    uint64_t cpu_us;
    uint64_t peak_memory; /* bytes, of the whole cgroup; without one, of the largest process */
    uint64_t stdout_bytes;
    uint64_t stderr_bytes;
};

_Static_assert(sizeof(struct head) == 24, "head");
_Static_assert(sizeof(struct request) == 24, "request");
_Static_assert(sizeof(struct job) == 48, "job");
_Static_assert(sizeof(struct end) == 56, "end");

#endif
