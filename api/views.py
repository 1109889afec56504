"""Runs as the API shows them: private content opened."""

import re
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from domain.execution import Limits, Status
from projections.execution_history import ExecutionRow
from projections.execution_status import ExecutionStatus, TimelineEntry

TITLE_CHARACTERS = 80
_COMMON = re.compile(r"#!|import\s|from\s+\S+\s+import\s|set\s+[-+]")


class ExecutionView(msgspec.Struct, frozen=True, kw_only=True):
    """One run. Times in UTC, durations in seconds, sizes in bytes."""

    id: UUID
    language: str
    version: str
    status: Status
    reason: str | None
    exit_code: int | None
    signal: int | None
    requested_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    wall_seconds: float | None
    cpu_seconds: float | None
    peak_memory_bytes: int | None
    stdout_bytes: int | None
    stderr_bytes: int | None
    position: int


class ExecutionDetail(ExecutionView, frozen=True, kw_only=True):
    """One run with what was asked for."""

    script: str
    stdin: str
    env: dict[str, str]
    limits: Limits
    retry_of: UUID | None
    """The run that this one repeats."""
    stdin_open: bool
    """Whether it takes more input, by `POST /executions/{id}/stdin`."""
    stdin_offset: int
    """Where that goes on: the number of bytes given so far, without those of `stdin`."""
    network: bool
    """It asked for network, and was granted it."""


class ExecutionItem(ExecutionView, frozen=True, kw_only=True):
    """One run in a list of its owner's."""

    title: str | None
    """The script's first words, at most 80 characters; null when it cannot be read."""


class ExecutionPage(msgspec.Struct, frozen=True):
    items: list[ExecutionItem]
    next: str | None
    """Send it as `cursor` for the next page; null on the last one."""


class Timeline(msgspec.Struct, frozen=True):
    items: list[TimelineEntry]


class Cancelled(msgspec.Struct, frozen=True):
    position: int


def row_view(row: ExecutionRow) -> ExecutionView:
    return ExecutionView(**{name: getattr(row, name) for name in ExecutionView.__struct_fields__})


def item_view(row: ExecutionRow, title: str | None) -> ExecutionItem:
    return ExecutionItem(**msgspec.structs.asdict(row_view(row)), title=title)


def title_of(script: str) -> str:
    """What tells a script from others at a glance: its first words after the lines with which many begin."""
    lines = [line for line in map(str.strip, script.splitlines()) if line]
    telling = [line for line in lines if not _COMMON.match(line)]
    title = " ".join(" ".join(telling or lines).split())
    return title if len(title) <= TITLE_CHARACTERS else f"{title[: TITLE_CHARACTERS - 1]}…"


def status_view(run: ExecutionStatus) -> ExecutionView:
    """Where a run stands, from its document."""
    return ExecutionView(**_common(run))


def detail_view(run: ExecutionStatus, script: str, stdin: str, env: dict[str, str]) -> ExecutionDetail:
    asked: dict[str, Any] = {"script": script, "stdin": stdin, "env": env}
    of_run = ("limits", "retry_of", "stdin_open", "stdin_offset", "network")
    return ExecutionDetail(**_common(run), **asked, **{name: getattr(run, name) for name in of_run})


def _common(run: ExecutionStatus) -> dict[str, Any]:
    of_run = ("id", "language", "version", "status", "requested_at", "started_at", "ended_at", "position")
    of_outcome = (
        "reason",
        "exit_code",
        "signal",
        "wall_seconds",
        "cpu_seconds",
        "peak_memory_bytes",
        "stdout_bytes",
        "stderr_bytes",
    )
    return {name: getattr(run, name) for name in of_run} | {
        name: getattr(run.outcome, name, None) for name in of_outcome
    }
