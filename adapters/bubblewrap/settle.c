/* The keeper of this sandbox is dead: kill what it may have left, and write the end it could not write. */
#include <sys/file.h>
#include <unistd.h>

#include "keeper.h"

enum { PATIENCE_SECONDS = 10 }; /* a keeper that lives and is just ending lets go of its lock by then */

void settle(void)
{
    static struct cgroup cgroup;
    struct spool spool;
    struct end lost = {.cause = LOST, .exit_code = -1};

    alarm(PATIENCE_SECONDS);
    if (lock_file(LOCK_FILE, LOCK_EX) < 0)
        fail("cannot lock the sandbox");
    alarm(0);
    cgroup_recall(&cgroup);
    cgroup_kill(&cgroup);
    cgroup_remove(&cgroup);
    spool_reopen(&spool);
    if (!spool.ended)
        spool_end(&spool, &lost, "");
    unlink(SOCKET_FILE);
}
