"""Sizes in bytes, also as people say them."""

import re

_POWERS = {"GiB": 1 << 30, "MiB": 1 << 20, "KiB": 1 << 10}
_LEAST = re.compile(r"(?<= >= )(?P<size>[0-9]+)(?= - at `\$[^`]*_bytes`$)")


def spelled(size: float) -> str:
    """Such as `16777216 (16 MiB)`; what is less than a KiB stays as it is."""
    for unit, power in _POWERS.items():
        if size >= power:
            return f"{size} ({f'{size / power:,.1f}'.removesuffix('.0')} {unit})"
    return str(size)


def spelled_in(sentence: object) -> str:
    """What msgspec says of a size that is too small, with the least that would do spelled."""
    return _LEAST.sub(lambda least: spelled(int(least["size"])), str(sentence))
