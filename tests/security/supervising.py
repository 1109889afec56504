"""A supervisor built with sanitizers, and how to speak to it."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest

from adapters.supervisor.build import find_compiler
from adapters.supervisor.records import HEAD, KIND_RESEND, KIND_RESENT, KIND_TAKEN, encode_job, read_frames
from application.ports.sandbox import Job, Runtime
from domain.execution import Limits

SANITIZERS = ("-std=c11", "-D_GNU_SOURCE", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-fno-sanitize-recover=all")
SANITIZERS += ("-fsanitize=address,undefined",)
BASH = Runtime("bash", "5.2", ("/bin/bash",), "script.sh", "", "")


def find_sanitizers(folder: Path) -> list[str]:
    """The machine's compiler, where it has them: gcc and clang do, ziglang does not."""
    compiler = find_compiler()
    (folder / "empty.c").write_text("int main(void) { return 0; }")
    built = subprocess.run([*compiler, *SANITIZERS, "-o", folder / "empty", folder / "empty.c"], check=False)
    if built.returncode != 0:
        pytest.skip(f"{compiler[0]} cannot build with sanitizers: apt-get install gcc")
    return compiler


# Leaks: the job lives as long as the process, and looking for them needs ptrace, which the filter forbids.
NO_LEAKS = {"ASAN_OPTIONS": "detect_leaks=0"}


def sandboxed(program: Path) -> list[str]:
    """As PID 1 of a namespace: it refuses to be anything else."""
    bwrap = [shutil.which("bwrap") or "bwrap", "--unshare-all", "--as-pid-1", "--ro-bind", "/", "/", "--proc", "/proc"]
    return [*bwrap, "--dev", "/dev", "--tmpfs", "/mnt", "--chdir", "/mnt", str(program)]


def supervise(program: Path, given: bytes) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(sandboxed(program), input=given, capture_output=True, check=False, timeout=60, env=NO_LEAKS)


def frames_of(program: Path, job: Job) -> Iterator[object]:
    done = supervise(program, encode_job(job, job.runtime.command))
    assert done.stderr == b"", done.stderr.decode()
    return read_frames(BytesIO(done.stdout).read)


def job(script: str, stdin: bytes = b"", **limits: float) -> Job:
    return Job("x", BASH, script.encode(), stdin, Limits(**limits))


class Kept:
    """A supervisor that keeps its frames, spoken to through its pipes."""

    def __init__(self, program: Path, job: Job, first: int | None = None) -> None:
        """Given the `first` bytes of its job, or all of it."""
        self._process = subprocess.Popen(
            sandboxed(program), stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=NO_LEAKS
        )
        self.write(encode_job(job, job.runtime.command, keeps_frames=True)[:first])

    def write(self, record: bytes) -> None:
        self._process.stdin.write(record)
        self._process.stdin.flush()

    def write_at_once(self, record: bytes) -> None:
        """As one of several writers."""
        assert os.write(self._process.stdin.fileno(), record) == len(record)

    def ask(self, after: int, mark: int) -> None:
        self.write(HEAD.pack(0, KIND_RESEND, after, mark))

    def read(self, size: int) -> bytes:
        return self._process.stdout.read(size)

    def skip_to(self, mark: int) -> tuple[int, list[int]]:
        """The number in the answer with this mark, and the kinds of the records before it."""
        kinds: list[int] = []
        while True:
            size, kind, number, at = HEAD.unpack(self.read(HEAD.size))
            self.read(size)
            if kind in (KIND_RESENT, KIND_TAKEN) and at == mark:
                return number, kinds
            kinds.append(kind)

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()

    def close(self) -> None:
        self._process.stdin.close()

    def hang_up(self) -> int:
        self.close()
        rest = self._process.stdout.read()
        assert rest == b"", rest
        return self._process.wait(10)
