"""Sandboxes, what runs in them, and what they say of it."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from domain.execution import Limits, Outcome

STDOUT, STDERR = 1, 2


class Runtime(msgspec.Struct, frozen=True):
    """A catalogue row: a language version and how it is run."""

    language: str
    version: str
    command: tuple[str, ...]
    """What runs a script; its file name is appended. The last word is the language's own program."""
    file_name: str
    image: str
    example: str

    @property
    def program(self) -> str:
        return self.command[-1]


class ExampleScript(msgspec.Struct, frozen=True):
    """A script that shows what can be done, and what it reads."""

    name: str
    description: str
    language: str
    file_name: str
    script: str
    stdin: str


class Job(msgspec.Struct, frozen=True):
    """All a sandbox needs to run one script."""

    sandbox: str
    """The sandbox's name, the same for every try to create it."""
    runtime: Runtime
    script: bytes
    stdin: bytes
    limits: Limits
    environment: Mapping[str, str] = {}
    """The person's own variables, beside those that every run has; a name of both means the person's."""
    stdin_open: bool = False
    """More may come by `feed`; without it stdin is closed after `stdin`."""
    network: bool = False
    """It may reach what the policy names; where there is none any more, its start raises NetworkWithdrawn."""


class Started(msgspec.Struct, frozen=True, tag=True):
    at: datetime


class Output(msgspec.Struct, frozen=True, tag=True):
    number: int
    """1, 2, 3 … over both streams of one run."""
    stream: int
    """STDOUT or STDERR."""
    data: bytes


class Ended(msgspec.Struct, frozen=True, tag=True):
    outcome: Outcome
    at: datetime
    """When it ended; of a lost run, when that was found: what could have told is dead."""


Frame = Started | Output | Ended


class SandboxUnavailable(Exception):
    """Sandboxes cannot be started here; the message says what is missing and how to get it."""


class NetworkWithdrawn(SandboxUnavailable):
    """Runs have no network here any more."""


class SandboxUnreachable(Exception):
    """What runs the sandboxes cannot be reached now; nothing of them is lost. Try again in a moment."""


class NoCapacity(Exception):
    """All slots are taken; try again when a run has ended."""


class SandboxNotFound(Exception):
    """There is no such sandbox (any more)."""


class InputMissing(Exception):
    """Input before this was never given: give it from there on."""


class Sandbox(Protocol):
    """Isolated places to run one script each. They outlive the process that started them.

    Where they are elsewhere, every method but `free_slots` may raise SandboxUnreachable.
    """

    def start(self, job: Job) -> None:
        """Start it; a second start of the same name changes nothing. Raises NoCapacity, SandboxUnavailable."""

    def free_slots(self) -> int:
        """How many starts would find a slot now."""

    def watch(self, sandbox: str, after: int = 0) -> Iterator[Frame]:
        """Its frames, live: Started, each Output numbered above `after`, and at last Ended.

        Works again and again, also after the end, until `remove`. Raises SandboxNotFound.
        """

    def feed(self, sandbox: str, offset: int, data: bytes, is_last: bool) -> None:
        """Give the script more of its standard input, 1 MB at most in all; returns when it is on its way for good.

        `offset` counts the bytes given by `feed` before these: 0 for the first, as `Job.stdin` does not count. Each
        byte is taken once, however often it is given; after the last one the script reads an end of file. Harmless
        when the run has ended. Raises SandboxNotFound (not started, or removed), InputMissing.
        """

    def stop(self, sandbox: str) -> None:
        """Kill the whole tree within a second; the run ends as cancelled. Harmless when it has ended or is unknown."""

    def list(self) -> Sequence[str]:
        """The names of all sandboxes that were started and not removed, running or ended."""

    def remove(self, sandbox: str) -> None:
        """Forget an ended one with its output; kills a running one first. Harmless when unknown."""


class Runtimes(Protocol):
    def find(self, language: str, version: str | None) -> Runtime | None:
        """The newest one that can run here when no version is named; None when there is none."""

    def versions(self, language: str) -> Mapping[str, str | None]:
        """Of a language, oldest first, each with why it cannot run here if it cannot; empty where there is none."""
