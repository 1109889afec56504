"""One run of a script, from the request to its one final status."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec
from eventsourcing.domain import event

from domain.aggregate import Aggregate, DomainError
from domain.sealed import Sealed
from domain.standard_input import StandardInput


class Status(StrEnum):
    QUEUED = "queued"
    STARTING = "starting"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    OUT_OF_MEMORY = "out_of_memory"
    OUTPUT_LIMIT = "output_limit"
    CANCELLED = "cancelled"
    LOST = "lost"
    INTERNAL_ERROR = "internal_error"

    @property
    def is_final(self) -> bool:
        return self not in {Status.QUEUED, Status.STARTING, Status.RUNNING}


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one run may use. Times in seconds, sizes in bytes, cpus in cores."""

    wall_seconds: float = 30.0
    cpus: float = 1.0
    memory_bytes: int = 256 * 1024 * 1024
    pids: int = 64
    output_bytes: int = 10 * 1024 * 1024
    disk_bytes: int = 64 * 1024 * 1024

    def exceed(self, ceilings: "Limits") -> bool:
        """Whether any is above its ceiling."""
        return any(getattr(self, name) > getattr(ceilings, name) for name in self.__struct_fields__)


class Outcome(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a run ended and what it used, as the kernel tells it."""

    status: Status
    reason: str
    """In words, for people."""
    exit_code: int | None = None
    signal: int | None = None
    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_memory_bytes: int = 0
    last_frame: int = 0
    """The number of the last output frame; 0 when there was none."""
    stdout_bytes: int = 0
    stderr_bytes: int = 0


class ExecutionEnded(DomainError):
    """The run has ended already; it can be run again."""


class NotEnded(DomainError):
    """The run has not ended yet; it can be run again when it has."""


class NoLongerWaiting(DomainError):
    """The run does not wait any more; only of those that do the priority can be set."""


class Execution(Aggregate):
    """One run of a script."""

    name = "Execution"
    word = "run"

    class Requested(Aggregate.Created):
        class_version = 2

        owner: UUID
        language: str
        version: str
        script: Sealed[str]
        stdin: Sealed[bytes] | None
        limits: Limits
        fingerprint: str
        """HMAC of the canonical request under the owner's data key: tells a repeated request from a reused key."""
        environment: Sealed[bytes] | None
        """The person's own variables, a JSON object; None where there are none."""
        retry_of: UUID | None
        """The run that this one repeats."""
        stdin_open: bool
        """Whether more may come after `stdin`."""
        network: bool
        """It may reach what the policy names, where there is one."""

        @staticmethod
        def upcast_v1_v2(fields: dict[str, Any]) -> None:
            fields["environment"] = None
            fields["retry_of"] = None
            fields["stdin_open"] = False
            fields["network"] = False

    class Prioritized(Aggregate.Event):
        priority: int

    class SandboxCreated(Aggregate.Event):
        sandbox: str

    class Started(Aggregate.Event):
        pass

    class InputGiven(Aggregate.Event):
        offset: int
        """How many bytes were given before, without those of the request."""
        size: int
        data: Sealed[bytes] | None
        """None where it only ends the input."""
        is_last: bool

    class CancelRequested(Aggregate.Event):
        pass

    class Finished(Aggregate.Event):
        outcome: Outcome
        output: Sealed[bytes] | None
        """All output frames in order, as the supervisor numbered them; None when there was no output."""

    @event(Requested)
    def __init__(
        self,
        id: UUID,
        owner: UUID,
        language: str,
        version: str,
        script: Sealed[str],
        stdin: Sealed[bytes] | None,
        limits: Limits,
        fingerprint: str,
        timestamp: datetime,
        environment: Sealed[bytes] | None = None,
        retry_of: UUID | None = None,
        stdin_open: bool = False,
        network: bool = False,
    ) -> None:
        self.owner = owner
        self.language = language
        self.language_version = version
        self.script = script
        self.stdin = stdin
        self.limits = limits
        self.fingerprint = fingerprint
        self.environment = environment
        self.retry_of = retry_of
        self.input = StandardInput(stdin_open, stdin.size if stdin else 0)
        self.network = network
        self.priority = 0
        self.status = Status.QUEUED
        self.sandbox: str | None = None
        self.is_cancel_requested = False

    @event(Prioritized)
    def _prioritized(self, priority: int) -> None:
        self.priority = priority

    @event(SandboxCreated)
    def _sandbox_created(self, sandbox: str) -> None:
        self.sandbox = sandbox
        self.status = Status.STARTING

    @event(Started)
    def _started(self, timestamp: datetime) -> None:
        self.started_at = timestamp
        self.status = Status.RUNNING

    @event(InputGiven)
    def _input_given(self, size: int, is_last: bool) -> None:
        self.input = self.input.after(size, is_last)

    @event(CancelRequested)
    def _cancel_requested(self, timestamp: datetime) -> None:
        self.cancel_requested_at = timestamp
        self.is_cancel_requested = True

    @event(Finished)
    def _finished(self, outcome: Outcome, output: Sealed[bytes] | None, timestamp: datetime) -> None:
        self.outcome = outcome
        self.output = output
        self.ended_at = timestamp
        self.status = outcome.status

    def prioritize(self, priority: int, at: datetime) -> None:
        """Let it come before those with a lower priority, as long as it waits."""
        self._check_open()
        if self.sandbox is not None:
            raise NoLongerWaiting
        if priority != self.priority:
            self.trigger_event(self.Prioritized, priority=priority, timestamp=at)

    def create_sandbox(self, sandbox: str, at: datetime) -> None:
        """Record the intent to start a sandbox; asking again for the same one changes nothing."""
        self._check_open()
        if self.sandbox is None:
            self.trigger_event(self.SandboxCreated, sandbox=sandbox, timestamp=at)

    def start(self, at: datetime) -> None:
        """The script runs; hearing it again changes nothing."""
        self._check_open()
        if self.status is not Status.RUNNING:
            self.trigger_event(self.Started, timestamp=at)

    def check_input(self, size: int, offset: int | None = None) -> None:
        """Raises what `give_input` would."""
        self._check_open()
        self.input.check(size, offset)

    def give_input(self, data: Sealed[bytes] | None, size: int, is_last: bool, at: datetime) -> None:
        """Let the script read more. Raises ExecutionEnded, and what StandardInput does."""
        self.check_input(size)
        given = self.input.bytes
        self.trigger_event(self.InputGiven, offset=given, size=size, data=data, is_last=is_last, timestamp=at)

    def cancel(self, at: datetime) -> None:
        """Ask for the end. A run that has no sandbox yet ends at once."""
        self._check_open()
        if not self.is_cancel_requested:
            self.trigger_event(self.CancelRequested, timestamp=at)
        if self.sandbox is None:
            self.finish(Outcome(Status.CANCELLED, "cancelled before it started"), None, at)

    def finish(self, outcome: Outcome, output: Sealed[bytes] | None, at: datetime) -> None:
        """Record the one true ending."""
        self._check_open()
        self.trigger_event(self.Finished, outcome=outcome, output=output, timestamp=at)

    def again(self, id: UUID, fingerprint: str, at: datetime, stdin: Sealed[bytes] | None = None) -> "Execution":
        """A new run of the same, whose it was. `stdin` is all that this one was given to read. Raises NotEnded."""
        if not self.status.is_final:
            raise NotEnded
        return Execution(
            id=id,
            owner=self.owner,
            language=self.language,
            version=self.language_version,
            script=self.script,
            stdin=stdin or self.stdin,
            limits=self.limits,
            fingerprint=fingerprint,
            environment=self.environment,
            retry_of=self.id,
            stdin_open=self.input.is_asked_for and not self.input.is_ended,
            network=self.network,
            timestamp=at,
        )

    def _check_open(self) -> None:
        if self.status.is_final:
            raise ExecutionEnded(f"The run has ended already, as {self.status.value}; it can be run again.")
