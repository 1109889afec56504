#ifndef RUNLEDGER_SECCOMP_H
#define RUNLEDGER_SECCOMP_H

/* Confines this process and all it will ever start; cannot be undone. Returns 0, or -1 with errno. */
int forbid_system_calls(void);

#endif
