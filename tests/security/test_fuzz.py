"""What reads bytes of others in C, under sanitizers, by coverage-guided fuzzing: `tests/fuzz`.

RUNLEDGER_FUZZ_SECONDS says how long each target is tried, RUNLEDGER_FUZZ_SEED by which chances.
"""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from adapters.supervisor.records import (
    END,
    HEAD,
    KIND_CANCEL,
    KIND_END,
    KIND_INPUT,
    KIND_LAST_INPUT,
    KIND_RESEND,
    KIND_STARTED,
    KIND_STDERR,
    KIND_STDOUT,
    encode_job,
)
from tests.security.supervising import NO_LEAKS, SANITIZERS, job

ROOT = Path(__file__).parents[2]
SECONDS = os.environ.get("RUNLEDGER_FUZZ_SECONDS", "3")
SEED = os.environ.get("RUNLEDGER_FUZZ_SEED", "1")
OPTIONS = {"ASAN_OPTIONS": NO_LEAKS["ASAN_OPTIONS"] + ":quarantine_size_mb=4:allocator_may_return_null=1"}

SUPERVISOR, KEEPER = "adapters/supervisor", "adapters/bubblewrap"


class Target(msgspec.Struct, frozen=True):
    sources: tuple[str, ...]
    """Beside its own file."""
    seeds: tuple[bytes, ...]
    planted: tuple[str, str, str]
    """In which file what may be exchanged for what, so that there is something to find."""
    options: tuple[str, ...] = ()


def record(kind: int, number: int = 0, data: bytes = b"", at: int = 0) -> bytes:
    return HEAD.pack(len(data), kind, number, at) + data


COMMANDS = record(KIND_INPUT, 0, b"first") + record(KIND_INPUT, 3, b"st, ", 7) + record(KIND_RESEND, 2, at=9)
COMMANDS += record(KIND_LAST_INPUT, 7, b"last") + record(KIND_CANCEL)
FRAMES = record(KIND_STARTED) + record(KIND_STDOUT, 1, b"out") + record(KIND_STDERR, 2, b"err")
FRAMES += record(KIND_END, 2, END.pack(1, 0, 0, 0, 5, 5, 5, 3, 3) + b"why")
LIES = (
    record(KIND_END, 0, END.pack(8, 0, 0, 0, 5, 5, 5, 3, 3)),  # no such cause
    record(KIND_END, 0, END.pack(0, 0, 0, 0, 5, 5, 5, 3, 3)),
    record(KIND_END, 0, END.pack(1, 0, 0, 0, 5, 5, 2**63, 3, 3)),  # more memory than can be told
    record(KIND_STARTED, at=2**64 - 1),  # after all years that can be told
)
WATCH, FEED = (word.to_bytes(8, "little") + bytes(8) for word in (1, 4))

TARGETS = {
    "job": Target(
        (f"{SUPERVISOR}/job.c",),
        (encode_job(job("echo hello", b"input"), ["/bin/bash", "-x"]),),
        (f"{SUPERVISOR}/job.c", " || task->job.stdin_size != rest - task->job.script_size", ""),
        ("-Wl,--wrap=malloc,--wrap=calloc",),
    ),
    "commands": Target(
        (f"{SUPERVISOR}/commands.c",),
        tuple(bytes([how]) + COMMANDS for how in range(6)),
        (f"{SUPERVISOR}/given.h", "data + known, size", "data, size"),
    ),
    "kept": Target(
        (),
        (bytes([0, 0] * 3 + [0, 200] * 90 + [1, 9] * 3 + [2, 1, 3, 1, 1, 255]),),
        (f"{SUPERVISOR}/kept.c", "if (is_ours)", "if (is_ours && 0)"),
    ),
    "frames": Target(
        (f"{KEEPER}/frames.c", f"{KEEPER}/spool.c"),
        (*(bytes([how]) + FRAMES for how in range(6)), *(bytes([5]) + lie for lie in LIES)),
        (f"{KEEPER}/frames.c", "head->number != spool->frames + 1", "0"),
    ),
    "spool": Target(
        (f"{KEEPER}/spool.c",),
        (FRAMES, FRAMES[:-3], FRAMES[:40]),
        (f"{KEEPER}/spool.c", "while (!spool->ended && ", "while ("),
    ),
    "clients": Target(
        (f"{KEEPER}/clients.c",),
        (
            bytes([0, 24]) + WATCH + bytes(8) + bytes([6, 0, 1, 29]) + FEED + (5).to_bytes(8, "little") + b"input",
            bytes([2, 10]) + WATCH[:10] + bytes([9, 0]) + bytes([2, 14]) + WATCH[10:] + bytes([8] + [4] * 7),
        ),
        (f"{KEEPER}/clients.c", "client->offset += sizeof head + head.size", "client->offset += head.size"),
    ),
}


@pytest.fixture(scope="module")
def driver(sanitizers: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The part that must not be seen by itself: it is built without coverage."""
    built = tmp_path_factory.mktemp("driver") / "driver.o"
    subprocess.run([*sanitizers, *SANITIZERS, "-c", ROOT / "tests/fuzz/driver.c", "-o", built], check=True)
    return built


def build(name: str, root: Path, compiler: Sequence[str], driver: Path, folder: Path) -> Path:
    target, program = TARGETS[name], folder / "target"
    sources = [root / source for source in (f"tests/fuzz/{name}.c", *target.sources)]
    flags = [*SANITIZERS, "-no-pie", "-fsanitize-coverage=trace-pc,trace-cmp", *target.options]
    subprocess.run([*compiler, *flags, "-o", program, driver, *sources], check=True)
    return program


def fuzz(name: str, program: Path, folder: Path, seconds: str) -> tuple[str, bytes]:
    """What it found, and with which input; empty when nothing."""
    seeds = []
    for number, content in enumerate(TARGETS[name].seeds):
        seeds.append(folder / f"seed-{number}")
        seeds[-1].write_bytes(content)
    command = [program, seconds, SEED, folder / "current", *seeds]
    done = subprocess.run(command, cwd=folder, env=OPTIONS, capture_output=True, check=False, text=True)
    print(name, done.stderr)  # noqa: T201  # how far it came
    current = (folder / "current").read_bytes()
    return ("", b"") if done.returncode == 0 else (done.stderr, current[8 : 8 + int.from_bytes(current[:8], "little")])


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_is_found(name: str, sanitizers: list[str], driver: Path, tmp_path: Path):
    found, by = fuzz(name, build(name, ROOT, sanitizers, driver, tmp_path), tmp_path, SECONDS)
    assert not found, f"{found}\nwith the input {by.hex()}"


@pytest.mark.parametrize("name", TARGETS)
def test_what_is_planted_is_found(name: str, sanitizers: list[str], driver: Path, tmp_path: Path):
    for folder in (SUPERVISOR, KEEPER, "tests/fuzz"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("*.py", "bin", "__pycache__"))
    file, right, wrong = TARGETS[name].planted
    assert (tmp_path / file).read_text().count(right) == 1, "what is exchanged is there"
    (tmp_path / file).write_text((tmp_path / file).read_text().replace(right, wrong))
    found, _ = fuzz(name, build(name, tmp_path, sanitizers, driver, tmp_path), tmp_path, "30")
    assert found
