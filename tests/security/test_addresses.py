"""Which addresses and names runs may be granted."""

from ipaddress import ip_address

import pytest

from adapters.network.addresses import is_own, is_public
from adapters.network.hosts import HostsMisnamed, parse, ports

SPECIAL = [
    *("0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.255.255"),
    *("169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.88.99.1", "192.168.0.1"),
    *("198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.1.1.1", "240.0.0.1"),
    *("255.255.255.255", "::", "::1", "::10.0.0.1", "::8.8.8.8", "::ffff:10.0.0.1", "::ffff:8.8.8.8"),
    *("64:ff9b::8.8.8.8", "64:ff9b:1::1", "100::1", "2001::1", "2001:10::1", "2001:20::1", "2001:db8::1"),
    *("2002:a00:1::1", "2002:808:808::1", "3fff::1", "5f00::1", "fc00::1", "fd00::1", "fe80::1", "fec0::1"),
    *("ff02::1", "ff0e::1"),
]
PUBLIC = [
    *("1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.1", "172.15.0.1", "172.32.0.1", "192.31.196.1"),
    *("223.255.255.255", "2620:4f:8000::1"),
]


@pytest.mark.parametrize("text", SPECIAL)
def test_a_special_address_is_not_public(text: str):
    assert not is_public(ip_address(text))


@pytest.mark.parametrize("text", PUBLIC)
def test_every_other_is(text: str):
    assert is_public(ip_address(text))


def test_loopback_is_this_machines_own():
    assert is_own(ip_address("127.0.0.1"))
    assert not is_own(ip_address("192.31.196.1"))


@pytest.mark.parametrize(
    ("text", "name", "port", "is_allowed"),
    [
        ("example.org", "example.org", 443, True),
        ("example.org", "example.org", 80, True),
        ("example.org", "example.org", 22, False),
        ("example.org:22", "example.org", 22, True),
        ("example.org:22", "example.org", 443, False),
        ("Example.ORG", "example.org", 443, True),
        ("example.org", "www.example.org", 443, False),
        ("example.org", "example.org.evil.example", 443, False),
        ("example.org", "notexample.org", 443, False),
        ("*.example.org", "a.b.example.org", 443, True),
        ("*.example.org", "example.org", 443, False),
        ("*.example.org", "notexample.org", 443, False),
        ("*", "1.1.1.1", 443, True),
        ("*", "example.org", 22, False),
        ("*:22, example.org", "other.example", 22, True),
        ("1.1.1.1:53", "1.1.1.1", 53, True),
        ("", "example.org", 443, False),
    ],
)
def test_what_a_list_of_hosts_allows(text: str, name: str, port: int, is_allowed: bool):
    assert parse(text).allow(name, port) is is_allowed


@pytest.mark.parametrize(
    "text",
    [
        *("http://example.org", "example.org:0", "example.org:65536", "example.org:", "a b", "*.*", "x*.org"),
        *("*example.org", "-a.org", ".org", "[::1]", "me@example.org", "example.org/x"),
        *("127.0.0.1", "10.1", "0x7f000001", "169.254.169.254"),
    ],
)
def test_what_is_no_host_is_refused(text: str):
    with pytest.raises(HostsMisnamed):
        parse(f"good.example,{text}")


def test_a_list_is_shown_as_it_may_be_written():
    text = "a.example,*.b.example:8443,*"
    assert ",".join(map(str, parse(text))) == text
    assert ports(parse(text)) == (80, 443, 8443)
