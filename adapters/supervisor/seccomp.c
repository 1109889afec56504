/* The system calls a script has no business with, as a seccomp filter (Linux seccomp(2), classic BPF).
 *
 * It lists what is forbidden: a list of what is allowed would break some library of some language every year. Each
 * entry either was reachable from inside a plain sandbox or has a history of holes in the kernel. */
#include "seccomp.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#if defined(__x86_64__)
#define THIS_ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define THIS_ARCHITECTURE AUDIT_ARCH_AARCH64
#else
#error "no seccomp filter for this architecture"
#endif

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif
#ifndef __NR_quotactl_fd /* musl's headers do not know it yet */
#define __NR_quotactl_fd 443
#endif
#define NEW_NAMESPACES \
    (CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP)

#define FIELD(name) (offsetof(struct seccomp_data, name))
#define LOAD(name) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, FIELD(name))
#define ANSWER(value) BPF_STMT(BPF_RET | BPF_K, value)
#define REFUSE(error) ANSWER(SECCOMP_RET_ERRNO | (error))
#define ALLOW ANSWER(SECCOMP_RET_ALLOW)
/* The next `n` statements are for this value only. */
#define WHEN(value, n) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, n)
#define WHEN_ANY_BIT(bits, n) BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, bits, 0, n)
#define FORBID(call) WHEN(__NR_##call, 1), REFUSE(EPERM)

static struct sock_filter filter[] = {
    LOAD(arch),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, THIS_ARCHITECTURE, 1, 0),
    ANSWER(SECCOMP_RET_KILL_PROCESS),
    LOAD(nr),
#if defined(__x86_64__)
    /* The x32 calls have numbers of their own that the list below would not match. */
    BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1),
    REFUSE(ENOSYS),
    FORBID(iopl), FORBID(ioperm), FORBID(modify_ldt),
#endif

    /* Namespaces. clone3 has its flags behind a pointer: without it the C library falls back to clone. */
    WHEN(__NR_clone3, 1), REFUSE(ENOSYS),
    WHEN(__NR_clone, 4), LOAD(args[0]), WHEN_ANY_BIT(NEW_NAMESPACES, 1), REFUSE(EPERM), ALLOW,
    WHEN(__NR_unshare, 4), LOAD(args[0]), WHEN_ANY_BIT(NEW_NAMESPACES | CLONE_NEWTIME, 1), REFUSE(EPERM), ALLOW,
    FORBID(setns),

    /* Sockets: the internet families, which lead nowhere here, and local ones. Not netlink, vsock, packet, alg ... */
    WHEN(__NR_socket, 6), LOAD(args[0]),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_UNIX, 3, 0),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET, 2, 0),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET6, 1, 0),
    REFUSE(EAFNOSUPPORT), ALLOW,

    /* Other processes' memory and descriptors. */
    FORBID(ptrace), FORBID(process_vm_readv), FORBID(process_vm_writev), FORBID(kcmp), FORBID(pidfd_getfd),
    /* Keyrings are not namespaced by the network, mount or pid namespaces. */
    FORBID(keyctl), FORBID(add_key), FORBID(request_key),
    /* Large parts of the kernel that a script does not need. */
    FORBID(bpf), FORBID(perf_event_open), FORBID(userfaultfd),
    FORBID(io_uring_setup), FORBID(io_uring_enter), FORBID(io_uring_register),
    /* The mount family. */
    FORBID(mount), FORBID(umount2), FORBID(pivot_root), FORBID(chroot), FORBID(move_mount), FORBID(open_tree),
    FORBID(fsopen), FORBID(fsconfig), FORBID(fsmount), FORBID(fspick), FORBID(mount_setattr),
    FORBID(name_to_handle_at), FORBID(open_by_handle_at), FORBID(quotactl), FORBID(quotactl_fd),
    /* The machine itself. */
    FORBID(kexec_load), FORBID(init_module), FORBID(finit_module), FORBID(delete_module), FORBID(reboot),
    FORBID(swapon), FORBID(swapoff), FORBID(acct), FORBID(syslog), FORBID(vhangup),
    FORBID(clock_settime), FORBID(settimeofday), FORBID(adjtimex), FORBID(clock_adjtime),
#ifdef __NR_kexec_file_load
    FORBID(kexec_file_load),
#endif
    ALLOW,
};

int forbid_system_calls(void)
{
    struct sock_fprog program = {.len = sizeof filter / sizeof *filter, .filter = filter};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -1;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
}
