"""The variables that a person gives a run: private, as a script is."""

import re
from collections.abc import Mapping

import msgspec

from domain.aggregate import DomainError

VARIABLES = 100
BYTES = 32 * 1024
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")

_decoder = msgspec.json.Decoder(dict[str, str])


class EnvironmentRefused(DomainError):
    """These variables cannot be given to a run."""


def encode(variables: Mapping[str, str]) -> bytes:
    """As they are sealed. Raises EnvironmentRefused."""
    if len(variables) > VARIABLES:
        raise EnvironmentRefused(f"env has {len(variables)} variables; at most {VARIABLES} are allowed.")
    for name, value in variables.items():
        _check(name, value)
    size = sum(len(name.encode()) + len(value.encode()) for name, value in variables.items())
    if size > BYTES:
        raise EnvironmentRefused(f"env has {size:,} bytes; at most {BYTES:,} are allowed.")
    return msgspec.json.encode(variables)


def _check(name: str, value: str) -> None:
    if not NAME.fullmatch(name):
        told = "is letters, digits and _, no digit first, at most 128 characters"
        raise EnvironmentRefused(f"env has a variable {name[:128]!r}; a name {told}.")
    if "\0" in value:
        raise EnvironmentRefused(f"env.{name} has a NUL in it, which no variable can have.")


def decode(content: bytes) -> dict[str, str]:
    return _decoder.decode(content)
