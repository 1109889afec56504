"""What somebody asks to run, and what it may not be."""

from typing import Annotated

import msgspec
from msgspec import Meta

from application import environment
from application.sizes import spelled, spelled_in
from domain.aggregate import DomainError
from domain.execution import Limits
from domain.standard_input import BYTES

SCRIPT_CHARACTERS = 50_000


class TooLarge(DomainError):
    """A part of the request is larger than allowed."""


class LimitAboveCeiling(DomainError):
    """A limit is above what this installation allows."""

    def __init__(self, limit: str, value: float, ceiling: float) -> None:
        told = spelled if limit.endswith("_bytes") else str
        super().__init__(f"limits.{limit} is {told(value)}; at most {told(ceiling)} is allowed here.")
        self.limit = limit


class InvalidRequest(DomainError):
    """A part of the request is not what it may be."""


class LimitWishes(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Limits other than the default ones; times in seconds, sizes in bytes, cpus in cores."""

    wall_seconds: Annotated[float, Meta(gt=0)] | None = None
    cpus: Annotated[float, Meta(ge=0.01)] | None = None
    memory_bytes: Annotated[int, Meta(ge=16 * 1024 * 1024)] | None = None
    pids: Annotated[int, Meta(ge=1)] | None = None
    output_bytes: Annotated[int, Meta(ge=1)] | None = None
    disk_bytes: Annotated[int, Meta(ge=64 * 1024)] | None = None

    def within(self, defaults: Limits, ceilings: Limits) -> Limits:
        """The limits of the run. Raises LimitAboveCeiling."""
        wishes = {name: value for name, value in msgspec.structs.asdict(self).items() if value is not None}
        for name, value in wishes.items():
            if value > getattr(ceilings, name):
                raise LimitAboveCeiling(name, value, getattr(ceilings, name))
        return msgspec.structs.replace(defaults, **wishes)


class RunRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What somebody wants to run."""

    language: str
    script: Annotated[str, Meta(description=f"at most {SCRIPT_CHARACTERS:,} characters")]
    version: Annotated[str, Meta(min_length=1)] | None = None
    stdin: Annotated[str, Meta(description=f"at most {BYTES:,} bytes of UTF-8")] | None = None
    limits: LimitWishes | None = None
    env: (
        Annotated[
            dict[str, str],
            Meta(description=f"at most {environment.VARIABLES} variables, {environment.BYTES:,} bytes in all"),
        ]
        | None
    ) = None
    stdin_open: Annotated[bool, Meta(description="Whether more may follow `stdin` while it runs.")] = False
    network: Annotated[bool, Meta(description="reach the hosts that GET /k8s-limits names; else none")] = False


def check(request: RunRequest) -> None:
    """What comes as JSON was checked on its way in; this is for every other way."""
    try:
        msgspec.convert(msgspec.to_builtins(request), RunRequest)
    except msgspec.ValidationError as error:
        raise InvalidRequest(spelled_in(error)) from error


def canonical(request: RunRequest) -> bytes:
    """What a key is bound to: without what is not asked for and was not there at first, for keys of that time."""
    fields = msgspec.to_builtins(request)
    for name in ("env", "stdin_open", "network"):
        if not getattr(request, name):
            del fields[name]
    return msgspec.json.encode(fields, order="deterministic")


def contents(request: RunRequest) -> tuple[bytes, bytes]:
    """The script and what it reads. Raises TooLarge."""
    if len(request.script) > SCRIPT_CHARACTERS:
        raise TooLarge(f"The script has {len(request.script):,} characters; at most {SCRIPT_CHARACTERS:,} are allowed.")
    stdin = (request.stdin or "").encode()
    if len(stdin) > BYTES:
        raise TooLarge(f"stdin has {len(stdin):,} bytes; at most {BYTES:,} are allowed.")
    return request.script.encode(), stdin
