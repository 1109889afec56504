"""Which hosts runs may reach, in the words of the setting `network_hosts`."""

import re
from collections.abc import Iterator
from ipaddress import ip_address
from typing import NamedTuple

from adapters.network.addresses import is_public

WEB = (80, 443)
"""The ports of a host that is named without one."""
EVERY = "*"
ENTRY = re.compile(
    r"(?P<name>\*|(?:\*\.)?[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_-]+)*)(?::(?P<port>[0-9]{1,5}))?"
)
NUMBERS = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")
"""What is taken for an address: its last part is a number (url.spec.whatwg.org, `ends in a number`)."""
LAST_PORT = 65535


class HostsMisnamed(ValueError):
    """Write hosts as example.org, *.example.org (all below it), *, each with or without :port, and commas between."""


class Host(NamedTuple):
    """`name` in lower case; `*.` before it means all below it, and `*` alone every host."""

    name: str
    ports: tuple[int, ...]

    def __str__(self) -> str:
        return self.name if self.ports == WEB else f"{self.name}:{self.ports[0]}"

    def is_meant(self, name: str, port: int) -> bool:
        is_below = self.name.startswith("*.") and name.endswith(self.name[1:])
        return port in self.ports and (self.name in {EVERY, name} or is_below)


class Hosts(tuple[Host, ...]):
    """All that runs may reach; empty where they have no network."""

    __slots__ = ()

    def allow(self, name: str, port: int) -> bool:
        """Whether a run may ask for it. What the name leads to is looked at as well, when it is connected to."""
        return any(host.is_meant(name, port) for host in self)


def parse(text: str) -> Hosts:
    """Raises HostsMisnamed."""
    return Hosts(_entries(text))


def ports(hosts: Hosts) -> tuple[int, ...]:
    """All ports of any of them."""
    return tuple(sorted({port for host in hosts for port in host.ports}))


def _entries(text: str) -> Iterator[Host]:
    for entry in filter(None, (part.strip().lower() for part in text.split(","))):
        found = ENTRY.fullmatch(entry)
        if not found or not 0 < int(found["port"] or 1) <= LAST_PORT:
            raise HostsMisnamed(f"{entry} is no host. {HostsMisnamed.__doc__}")
        _check_address(found["name"])
        yield Host(found["name"], (int(found["port"]),) if found["port"] else WEB)


def _check_address(name: str) -> None:
    """A list that promises what the proxy always refuses would mislead."""
    if NUMBERS.fullmatch(name) and not _is_public_address(name):
        raise HostsMisnamed(f"{name} is no public address, and runs can reach no other.")


def _is_public_address(name: str) -> bool:
    try:
        return is_public(ip_address(name))
    except ValueError:
        return False
