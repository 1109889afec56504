"""Runs as the API shows them: private content opened."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from domain.execution import Limits, Status
from projections.execution_history import ExecutionRow
from projections.execution_status import ExecutionStatus, TimelineEntry


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
    limits: Limits


class ExecutionPage(msgspec.Struct, frozen=True):
    items: list[ExecutionView]
    next: str | None
    """Send it as `cursor` for the next page; null on the last one."""


class Timeline(msgspec.Struct, frozen=True):
    items: list[TimelineEntry]


class Cancelled(msgspec.Struct, frozen=True):
    position: int


def row_view(row: ExecutionRow) -> ExecutionView:
    return ExecutionView(**{name: getattr(row, name) for name in ExecutionView.__struct_fields__})


def status_view(run: ExecutionStatus) -> ExecutionView:
    """Where a run stands, from its document."""
    return ExecutionView(**_common(run))


def detail_view(run: ExecutionStatus, script: str, stdin: str) -> ExecutionDetail:
    return ExecutionDetail(**_common(run), script=script, stdin=stdin, limits=run.limits)


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
