"""What the contract suites of sandboxes start, and how they look at it."""

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import pytest

from application.ports.sandbox import STDOUT, Ended, Frame, Job, Output, Runtime, Sandbox
from domain.execution import Limits, Outcome

MIB = 1024 * 1024


def output(frames: Sequence[Frame], stream: int = STDOUT) -> bytes:
    return b"".join(frame.data for frame in frames if isinstance(frame, Output) and frame.stream == stream)


def numbers(frames: Sequence[Frame]) -> list[int]:
    return [frame.number for frame in frames if isinstance(frame, Output)]


def outcome(frames: Sequence[Frame]) -> Outcome:
    assert isinstance(frames[-1], Ended), "the last frame is the end"
    return frames[-1].outcome


class Running:
    sandbox: Sandbox
    python: Runtime
    bash: Runtime

    def start(
        self,
        script: bytes,
        stdin: bytes = b"",
        runtime: Runtime | None = None,
        name: str = "",
        *,
        stdin_open: bool = False,
        **limits: Any,
    ) -> str:
        name = name or f"run-{uuid4()}-1"
        job = Job(name, runtime or self.python, script, stdin, Limits(**limits), stdin_open=stdin_open)
        self.sandbox.start(job)
        return name

    def run(self, script: bytes, stdin: bytes = b"", runtime: Runtime | None = None, **limits: Any) -> list[Frame]:
        return list(self.sandbox.watch(self.start(script, stdin, runtime, **limits)))

    def wait_for_output(self, name: str, text: bytes) -> None:
        seen = b""
        for frame in self.sandbox.watch(name):
            seen += frame.data if isinstance(frame, Output) else b""
            if text in seen:
                return
        pytest.fail(f"it ended before it printed {text!r}; it printed {seen!r}")
