"""What a script must not reach, whatever adapter runs it.

Each probe is a small program that prints what it got. Where it can, a test runs it outside too: a probe that finds
nothing anywhere proves nothing. The only addresses ever probed are listeners that the test itself has started.
"""

import ctypes
import os
import signal
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from application.ports.sandbox import STDERR, Frame, Job, Runtime, Sandbox
from domain.execution import Limits, Status
from tests.contracts.running import outcome, output

LIBC = "import ctypes, os; libc = ctypes.CDLL(None, use_errno=True)\n"
ANSWER = "; print('done' if result >= 0 else os.strerror(ctypes.get_errno()))"
FORBIDDEN = "Operation not permitted"

X86 = os.uname().machine == "x86_64"
CALLS = {
    # name: (number on x86-64, number on arm64, arguments)
    "keyctl": (250, 219, "0, -3, 1"),
    "add_key": (248, 217, "b'user', b'x', b'y', 1, -3"),
    "request_key": (249, 218, "b'user', b'x', None, 0"),
    "ptrace": (101, 117, "0, 0, 0, 0"),
    "process_vm_readv": (310, 270, "os.getpid(), None, 0, None, 0, 0"),
    "process_vm_writev": (311, 271, "os.getpid(), None, 0, None, 0, 0"),
    "pidfd_getfd": (438, 438, "0, 0, 0"),
    "kcmp": (312, 272, "os.getpid(), os.getpid(), 0, 0, 0"),
    "bpf": (321, 280, "0, 0, 0"),
    "perf_event_open": (298, 241, "0, 0, 0, 0, 0"),
    "userfaultfd": (323, 282, "0"),
    "io_uring_setup": (425, 425, "1, 0"),
    "mount": (165, 40, "b'x', b'/tmp', b'tmpfs', 0, 0"),
    "umount2": (166, 39, "b'/tmp', 0"),
    "pivot_root": (155, 41, "b'/tmp', b'/tmp'"),
    "chroot": (161, 51, "b'/tmp'"),
    "open_tree": (428, 428, "-100, b'/', 1"),
    "move_mount": (429, 429, "-100, b'/tmp', -100, b'/work', 0"),
    "fsopen": (430, 430, "b'tmpfs', 0"),
    "setns": (308, 268, "0, 0"),
    "open_by_handle_at": (304, 265, "0, 0, 0"),
    "kexec_load": (246, 104, "0, 0, 0, 0"),
    "init_module": (175, 105, "0, 0, b''"),
    "finit_module": (313, 273, "0, b'', 0"),
    "delete_module": (176, 106, "b'x', 0"),
    "clock_settime": (227, 112, "0, 0"),
    "settimeofday": (164, 170, "0, 0"),
    "adjtimex": (159, 171, "0"),
    "reboot": (169, 142, "0, 0, 0, 0"),
    "swapon": (167, 224, "b'x', 0"),
    "acct": (163, 89, "0"),
    "syslog": (103, 116, "3, 0, 0"),
    "quotactl": (179, 60, "0, 0, 0, 0"),
}
HARMLESS_OUTSIDE = ("keyctl", "ptrace", "process_vm_readv", "kcmp", "fsopen", "open_tree")
"""Calls that succeed outside and change nothing there: the controls."""


def call(name: str) -> str:
    number = CALLS[name][0 if X86 else 1]
    whole = "[ctypes.c_long(one) if isinstance(one, int) else one for one in arguments]"  # an int fills half a word
    return f"{LIBC}arguments = [{number}, {CALLS[name][2]}]\nresult = libc.syscall(*{whole}){ANSWER}"


def outside(script: str) -> str:
    """What the same probe prints as an ordinary process of this user."""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def attempt(action: str) -> str:
    return f"import os, socket\ntry:\n    {action}\n    print('done')\nexcept OSError as error: print(error.strerror)"


class EscapeSuite:
    sandbox: Sandbox
    python: Runtime
    bash: Runtime
    ids = range(1000, 1001)
    """What a script may be called."""
    sees = frozenset[str]()
    """Of the machine's usual files, those that are there with other contents."""
    network = False
    """Whether its runs ask for network."""
    variables = frozenset[str]()
    """What a script is given besides the usual ones."""
    data_folder: Path
    """Where the adapter keeps what it knows of its runs, on this machine."""

    def frames(self, script: str, **limits: Any) -> list[Frame]:
        name = f"run-{uuid4()}-1"
        limited = Limits(wall_seconds=10, **limits)
        self.sandbox.start(Job(name, self.python, script.encode(), b"", limited, network=self.network))
        frames = list(self.sandbox.watch(name))
        self.sandbox.remove(name)
        return frames

    def inside(self, script: str) -> str:
        frames = self.frames(script)
        assert outcome(frames).status is Status.SUCCEEDED, output(frames, STDERR).decode()
        return output(frames).decode().strip()

    # The network ----------------------------------------------------------------------------------------------

    def test_a_listener_on_the_hosts_loopback_is_out_of_reach(self):
        with closing(socket.create_server(("127.0.0.1", 0))) as listener:
            probe = attempt(f"socket.create_connection(('127.0.0.1', {listener.getsockname()[1]}), 2)")
            assert outside(probe) == "done"
            assert self.inside(probe) == "Connection refused"

    def test_an_abstract_unix_socket_of_the_host_is_out_of_reach(self):
        with closing(socket.socket(socket.AF_UNIX)) as listener:
            name = f"\\0probe-{uuid4()}"
            listener.bind(name.replace("\\0", "\0"))
            listener.listen()
            probe = attempt(f"socket.socket(socket.AF_UNIX).connect('{name}')")
            assert outside(probe) == "done"
            assert self.inside(probe) == "Connection refused"

    def test_the_only_interface_is_loopback_and_no_route_leads_elsewhere(self):
        interfaces = "print([l.split(':')[0].strip() for l in open('/proc/net/dev') if ':' in l])"
        assert self.inside(interfaces) == "['lo']"
        routes = "print([l.split()[0] for l in open('/proc/net/route')][1:])"
        assert self.inside(routes) == "[]"
        routes6 = "print({l.split()[-1] for l in open('/proc/net/ipv6_route')} - {'lo'})"
        assert self.inside(routes6) == "set()"

    def test_loopback_of_its_own_works(self):
        assert (
            self.inside(
                "import socket; s = socket.create_server(('127.0.0.1', 0))\n"
                "socket.create_connection(s.getsockname()); print('done')"
            )
            == "done"
        )

    @pytest.mark.parametrize(
        ("family", "kind"),
        [("VSOCK", "STREAM"), ("NETLINK", "RAW"), ("PACKET", "RAW"), ("ALG", "SEQPACKET")],
    )
    def test_other_kinds_of_sockets_cannot_be_made(self, family: str, kind: str):
        probe = attempt(f"socket.socket(socket.AF_{family}, socket.SOCK_{kind})")
        assert self.inside(probe) == "Address family not supported by protocol"
        if family == "NETLINK":
            assert outside(probe) == "done"

    # Other processes ------------------------------------------------------------------------------------------

    def test_other_processes_cannot_be_seen(self):
        probe = "import os; print(*sorted(int(p) for p in os.listdir('/proc') if p.isdigit()))"
        assert str(os.getpid()) in outside(probe).split()
        supervisor, _ = map(int, self.inside(probe).split())
        assert supervisor == 1

    def test_the_environment_of_the_host_does_not_leak(self, monkeypatch: pytest.MonkeyPatch):
        secret = f"secret-{uuid4()}"
        monkeypatch.setenv("RUNLEDGER_PROBE", secret)
        probe = (
            "import glob\n"
            "for file in glob.glob('/proc/[0-9]*/environ') + glob.glob('/proc/[0-9]*/cmdline'):\n"
            "    try: text = open(file).read()\n"
            "    except OSError: continue\n"
            f"    if 'secret-' + {secret[7:]!r} in text: print('found')\n"
        )
        assert "found" in outside(probe)
        assert self.inside(probe) == ""

    def test_its_own_environment_is_what_is_promised(self):
        usual = {"HOME", "LANG", "PATH", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"}
        assert {*self.inside("import os; print(*os.environ)").split()} == usual | self.variables

    def test_the_environment_of_pid_1_is_out_of_reach(self):
        assert self.inside("print(repr(open('/proc/self/environ').read()) != \"''\")") == "True"
        assert self.inside(attempt("print(open('/proc/1/environ').read())")) == "Permission denied"

    @pytest.mark.parametrize("entry", ["mem", "fd/0", "fd/1", "maps", "root/etc"])
    def test_the_supervisor_cannot_be_touched(self, entry: str):
        assert self.inside(attempt(f"os.open('/proc/1/{entry}', os.O_RDONLY)")) == "Permission denied"
        assert self.inside(attempt(f"os.open('/proc/self/{entry}', os.O_RDONLY)")) == "done"

    @pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM, signal.SIGCHLD, signal.SIGSEGV])
    def test_the_supervisor_cannot_be_killed_or_stopped(self, number: signal.Signals):
        assert self.inside(f"import os, time; os.kill(1, {int(number)}); time.sleep(0.2); print('done')") == "done"

    def test_shared_memory_of_the_host_is_out_of_reach(self):
        libc = ctypes.CDLL(None, use_errno=True)
        key = int.from_bytes(os.urandom(3)) + 1
        segment = libc.shmget(key, 4096, 0o1666)
        assert segment >= 0
        try:
            probe = f"{LIBC}result = libc.shmget({key}, 4096, 0){ANSWER}"
            assert outside(probe) == "done"
            assert self.inside(probe) == "No such file or directory"
        finally:
            libc.shmctl(segment, 0, None)

    # Frames ---------------------------------------------------------------------------------------------------

    def test_a_script_has_no_descriptor_but_its_three(self):
        probe = "import os; print(sorted(os.listdir('/proc/self/fd')))"
        assert self.inside(probe) == "['0', '1', '2', '3']", "3 is the folder that is being listed"

    def test_a_frame_that_a_script_prints_is_just_output(self):
        forged = b"\x38\x00\x00\x00\x13\x00\x00\x00" + bytes(16) + b"\x01" + bytes(55)
        frames = self.frames(f"import os, sys; os.write(1, {forged!r}); sys.exit(3)")
        assert output(frames) == forged
        assert outcome(frames).exit_code == 3

    # Files ----------------------------------------------------------------------------------------------------

    def test_files_of_the_host_are_out_of_reach(self, tmp_path: Path):
        secret = tmp_path / "secret"
        secret.write_text("secret")
        probe = attempt(f"open('{secret}')")
        assert outside(probe) == "done"
        assert self.inside(probe) == "No such file or directory"

    @pytest.mark.parametrize("path", ["/root", "/home", "/var", "/run", "/sys", "/boot", "/etc/shadow"])
    def test_a_script_sees_no_more_of_the_machine_than_its_language(self, path: str):
        assert self.inside(f"import os; print(os.path.lexists('{path}'))") == str(path in self.sees)

    @pytest.mark.parametrize("file", ["hosts", "passwd", "group"])
    def test_the_names_that_a_script_sees_are_its_sandboxs_own_and_stay_so(self, file: str):
        probe = f"print(open('/etc/{file}').read())"
        assert "sandbox" in self.inside(probe)
        assert not {*outside(probe).splitlines()} <= {*self.inside(probe).splitlines()}, "it is the machine's"
        for change in (f"open('/etc/{file}', 'a')", f"os.chmod('/etc/{file}', 0o666)", f"os.unlink('/etc/{file}')"):
            assert self.inside(attempt(change)) in {"Read-only file system", "Permission denied", FORBIDDEN}

    def test_the_data_folder_is_out_of_reach(self):
        assert self.data_folder.exists()
        assert self.inside(f"import os; print(os.path.lexists('{self.data_folder}'))") == "False"

    def test_a_symlink_in_the_work_folder_leads_nowhere(self, tmp_path: Path):
        (tmp_path / "secret").write_text("secret")
        probe = "import os, tempfile; os.chdir(tempfile.mkdtemp())\n" + attempt(
            f"os.symlink('{tmp_path}', 'out'); open('out/secret'); open('out/planted', 'w')"
        )
        assert outside(probe) == "done"
        (tmp_path / "planted").unlink()
        assert self.inside(probe) == "No such file or directory"
        assert not (tmp_path / "planted").exists()

    @pytest.mark.parametrize("folder", ["/", "/usr", "/etc", "/dev", "/proc", "/usr/lib", "/usr/local/bin"])
    def test_the_system_is_read_only(self, folder: str):
        said = self.inside(attempt(f"open('{folder}/planted', 'w')"))
        assert said in {"Read-only file system", "Permission denied", "No such file or directory"}

    @pytest.mark.parametrize("folder", ["/work", "/tmp", "/dev/shm"])
    def test_its_own_folders_are_writable(self, folder: str):
        assert self.inside(attempt(f"open('{folder}/mine', 'w')")) == "done"

    def test_runs_do_not_see_each_others_files(self):
        assert self.inside("open('/tmp/mine', 'w'); open('/dev/shm/mine', 'w'); print('done')") == "done"
        assert (
            self.inside("import os; print(os.listdir('/tmp'), os.listdir('/dev/shm'), os.listdir('/work'))")
            == "[] [] ['script.py']"
        )

    def test_kernel_settings_cannot_be_written(self):
        writable = (
            "import os\n"
            "files = [os.path.join(folder, name) for folder, _, names in os.walk('/proc/sys') for name in names]\n"
            "print(len(files) > 100, [file for file in files if os.access(file, os.W_OK)])"
        )
        assert self.inside(writable) == "True []"
        core_pattern = attempt("os.open('/proc/sys/kernel/core_pattern', os.O_WRONLY)")
        assert self.inside(core_pattern) in {"Permission denied", "Read-only file system"}
        mounts = "print(*[line.split()[5] for line in open('/proc/self/mountinfo') if ' /proc/sys ' in line])"
        assert "ro" in self.inside(mounts).split(",")

    def test_devices_are_the_harmless_ones(self):
        devices = set(self.inside("import os; print(*os.listdir('/dev'))").split())
        harmless = "null zero full random urandom tty console pts ptmx shm mqueue fd stdin stdout stderr core"
        assert devices <= set(harmless.split())
        assert self.inside(attempt("os.mknod('disk', 0o60666, os.makedev(8, 0))")) == FORBIDDEN

    # Privileges -----------------------------------------------------------------------------------------------

    def test_a_script_has_no_capability_and_can_gain_none(self):
        status = self.inside("print(open('/proc/self/status').read())")
        facts = dict(line.split(":\t", 1) for line in status.splitlines())
        assert {facts[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
        assert (facts["NoNewPrivs"], facts["Seccomp"]) == ("1", "2")

    def test_a_script_is_nobody_in_particular(self):
        said = self.inside("import os; print(*{*os.getresuid(), *os.getresgid(), *os.getgroups()})")
        assert int(said) in self.ids

    @pytest.mark.parametrize("name", CALLS)
    def test_a_forbidden_call_is_refused(self, name: str):
        assert self.inside(call(name)) == FORBIDDEN

    @pytest.mark.parametrize("name", HARMLESS_OUTSIDE)
    def test_what_is_refused_inside_works_outside(self, name: str):
        assert outside(call(name)) == "done"

    @pytest.mark.parametrize("kind", ["USER", "NS", "PID", "NET", "IPC", "UTS", "CGROUP"])
    def test_no_namespace_can_be_nested(self, kind: str):
        flag = {
            "USER": 0x10000000,
            "NS": 0x20000,
            "PID": 0x20000000,
            "NET": 0x40000000,
            "IPC": 0x8000000,
            "UTS": 0x4000000,
            "CGROUP": 0x2000000,
        }[kind]
        unshare = f"{LIBC}result = libc.unshare({flag}){ANSWER}"
        assert self.inside(unshare) == FORBIDDEN
        number = 56 if X86 else 220
        clone = f"{LIBC}result = libc.syscall({number}, {flag | 17}, 0, 0, 0, 0)\nresult or os._exit(0)\n{ANSWER[2:]}"
        assert self.inside(clone) == FORBIDDEN
        if kind == "USER":
            assert outside(unshare) == "done"

    def test_clone3_is_not_there(self):
        assert self.inside(f"{LIBC}result = libc.syscall(435, 0, 0){ANSWER}") == "Function not implemented"

    @pytest.mark.skipif(not X86, reason="only x86-64 has a second way to number its system calls")
    def test_the_x32_numbers_are_no_way_around(self):
        getpid = f"{LIBC}result = libc.syscall(0x40000000 + 39){ANSWER}"
        assert self.inside(getpid) == "Function not implemented"

    @pytest.mark.skipif(not X86, reason="only x86-64 has 32-bit system calls")
    def test_32_bit_calls_are_no_way_around(self):
        code = rb"\xb8\x14\x00\x00\x00\xcd\x80\xc3"  # mov eax, getpid; int 0x80; ret
        script = (
            "import ctypes, mmap\n"
            "page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)\n"
            f"page.write(b'{code.decode()}')\n"
            "print(ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))())"
        )
        assert outcome(self.frames(script)).signal == signal.SIGSYS

    def test_limits_cannot_be_raised_and_nothing_dumps_core(self):
        assert self.inside("import resource as r; print(r.getrlimit(r.RLIMIT_CORE))") == "(0, 0)"
        probe = (
            "import resource as r\n"
            "try: r.setrlimit(r.RLIMIT_NOFILE, (4096, 4096))\n"
            "except ValueError as error: print('refused')"
        )
        assert self.inside(probe) == "refused"

    def test_a_script_has_no_terminal(self):
        assert self.inside(attempt("os.open('/dev/tty', os.O_RDWR)")) == "No such device or address"
        assert self.inside("import os; print(os.getsid(0) == os.getpid())") == "True"

    def test_the_machines_name_does_not_leak(self):
        assert socket.gethostname() not in {"", "sandbox"}
        assert self.inside("import socket; print(socket.gethostname())") == "sandbox"

    def test_threads_and_children_are_confined_as_well(self):
        probe = "def probe():\n    " + call("keyctl").replace("\n", "\n    ") + "\n"
        thread = "import threading\nthread = threading.Thread(target=probe); thread.start(); thread.join()\n"
        child = "import os\nif os.fork() == 0: probe(); os._exit(0)\nos.wait()"
        assert self.inside(probe + thread + child).splitlines() == [FORBIDDEN, FORBIDDEN]
