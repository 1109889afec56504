"""From a name that a script asks for to a connection with an address that was looked at."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from http import HTTPStatus
from ipaddress import ip_address
from typing import NamedTuple

from adapters.network.addresses import is_own, is_public
from adapters.network.hosts import Hosts

SECONDS = 10.0
"""For a name to be found, and for each of its addresses to answer."""
AUTHORITY = re.compile(r"(?P<name>[A-Za-z0-9_.-]{1,253}|\[(?P<v6>[0-9A-Fa-f:.]{2,45})\])(?::(?P<port>[0-9]{1,5}))?")
"""RFC 3986, 3.2, without user and password."""
NOT_LISTED = "Runs may not reach {place} here: the setting network_hosts does not name it."
NOT_PUBLIC = "Runs may not reach {place}: it is no address of the internet, or one of this machine's own."
NOT_FOUND = "{place} was not found."
NO_ANSWER = "{place} does not answer."


class Refused(Exception):
    """Why there is no connection, as a status of HTTP and a sentence."""

    def __init__(self, status: HTTPStatus, why: str) -> None:
        super().__init__(why)
        self.status = status


class Place(NamedTuple):
    """A host and a port, as a script names it; `name` in lower case."""

    name: str
    port: int

    def __str__(self) -> str:
        return f"[{self.name}]:{self.port}" if ":" in self.name else f"{self.name}:{self.port}"


def place_of(authority: str, usual_port: int | None = None) -> Place:
    """Of `host:port`. Raises Refused."""
    found = AUTHORITY.fullmatch(authority)
    port = int(found["port"] or usual_port or 0) if found else 0
    if not found or not 0 < port < 1 << 16:
        raise Refused(HTTPStatus.BAD_REQUEST, "The request names no host and port.")
    return Place((found["v6"] or found["name"]).lower().removesuffix("."), port)


async def connect(place: Place, hosts: Hosts) -> socket.socket:
    """To an address that is public itself, whatever the name says to whoever asks next. Raises Refused."""
    if not hosts.allow(*place):
        raise Refused(HTTPStatus.FORBIDDEN, NOT_LISTED.format(place=place))
    is_there = False
    async for family, address in _public_addresses(place):
        is_there = True
        if connection := await _connected(family, address):
            return connection
    if is_there:
        raise Refused(HTTPStatus.BAD_GATEWAY, NO_ANSWER.format(place=place))
    raise Refused(HTTPStatus.FORBIDDEN, NOT_PUBLIC.format(place=place))


async def _public_addresses(place: Place) -> AsyncIterator[tuple[int, tuple[str, int]]]:
    for family, text in await _addresses(place):
        found = ip_address(text.partition("%")[0])
        if is_public(found) and not is_own(found):
            yield family, (str(found), place.port)


async def _addresses(place: Place) -> list[tuple[int, str]]:
    """Asked for in bytes: text would need a codec that is not there when the user has changed."""
    looking = asyncio.get_running_loop().getaddrinfo(place.name.encode(), place.port, type=socket.SOCK_STREAM)
    try:
        return [(family, str(address[0])) for family, *_, address in await asyncio.wait_for(looking, SECONDS)]
    except (OSError, TimeoutError):
        raise Refused(HTTPStatus.BAD_GATEWAY, NOT_FOUND.format(place=place)) from None


async def _connected(family: int, address: tuple[str, int]) -> socket.socket | None:
    connection = socket.socket(family, socket.SOCK_STREAM)
    connection.setblocking(False)
    try:
        await asyncio.wait_for(asyncio.get_running_loop().sock_connect(connection, address), SECONDS)
    except (OSError, TimeoutError):
        connection.close()
        return None
    return connection
