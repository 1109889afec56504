"""Which addresses a run may be connected to: those of the internet, and none of this machine."""

import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address

UNICAST = IPv6Network("2000::/3")
"""All that is given out of IPv6 (IANA's registry of its address space)."""
NOT_PUBLIC = (
    IPv4Network("192.88.99.0/24"),  # relays of 6to4, withdrawn: RFC 7526
    IPv6Network("2001::/23"),  # protocol assignments, Teredo among them, which has an IPv4 address inside
    IPv6Network("2002::/16"),  # 6to4: the same
    IPv6Network("3fff::/20"),  # documentation: RFC 9637
)
"""Beyond what Python's `is_global` knows, in all its versions."""
DISCARD = 9


def is_public(address: Address) -> bool:
    """Everybody on the internet has the same one: not loopback, private, link-local, shared, multicast or reserved.

    Source: IANA's IPv4 and IPv6 special-purpose address registries. What has an IPv4 address inside is none.
    """
    if isinstance(address, IPv6Address) and address not in UNICAST:
        return False
    is_special = address.is_multicast or address.is_reserved or any(address in one for one in NOT_PUBLIC)
    return address.is_global and not is_special


def is_own(address: Address) -> bool:
    """It is this machine's: packets to it come from it. Nothing is sent to find that out."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6  # noqa: PLR2004
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((str(address), DISCARD))
        except OSError:
            return False  # no way leads there at all
        return str(probe.getsockname()[0]) == str(address)
