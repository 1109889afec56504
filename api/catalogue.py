"""What can be run, and within which limits."""

from collections.abc import Iterable, Sequence

import msgspec
from quart import Blueprint, Response

from api.crossing import backend, crossing
from api.messages import answer
from api.openapi import Description, describe
from application.ports.sandbox import ExampleScript, Runtime
from domain.execution import Limits

blueprint = Blueprint("catalogue", __name__, url_prefix="/api/v1")


class RuntimeView(msgspec.Struct, frozen=True):
    """A language version; `reason` says why it cannot run here."""

    language: str
    version: str
    is_available: bool
    reason: str | None
    example: str


class RuntimeList(msgspec.Struct, frozen=True):
    runtimes: list[RuntimeView]


class LimitsView(msgspec.Struct, frozen=True):
    """What a run may use by default, and at most. Times in seconds, sizes in bytes, cpus in cores."""

    defaults: Limits
    ceilings: Limits
    network_hosts: Sequence[str]
    """What a run that asks for network may reach, with the ports 80 and 443 where none is said; empty: nothing."""


class ExampleScripts(msgspec.Struct, frozen=True):
    examples: Sequence[ExampleScript]


@blueprint.get("/runtimes")
@describe(Description({200: RuntimeList}, needs_store=False))
async def list_runtimes() -> Response:
    """The languages and their versions."""
    return answer(RuntimeList(runtime_views(await crossing(backend().catalogue))))


def runtime_views(rows: Iterable[tuple[Runtime, str | None]]) -> list[RuntimeView]:
    """Of every language version with why it cannot run here, if it cannot."""
    return [
        RuntimeView(runtime.language, runtime.version, reason is None, reason, runtime.example)
        for runtime, reason in rows
    ]


@blueprint.get("/example-scripts")
@describe(Description({200: ExampleScripts}, needs_store=False))
async def list_examples() -> Response:
    """Scripts to begin with, in every language of the catalogue, each with what it reads."""
    return answer(ExampleScripts(backend().examples))


@blueprint.get("/k8s-limits")
@describe(Description({200: LimitsView}, needs_store=False))
async def show_limits() -> Response:
    """The limits of a run."""
    return answer(LimitsView(backend().defaults, backend().ceilings, backend().network_hosts))
