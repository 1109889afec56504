"""What the proxy passes on is what was asked for, and what is no request it refuses."""

import json

import pytest

from tests.security.networked import ASK, ASK_ALL, PORT, Runs

THERE = f"http://public.example:{PORT}/"
TUNNEL = f"""{ASK}
with socket.create_connection(PROXY, 20) as asker:
    asker.sendall(b"CONNECT public.example:{PORT} HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
    assert asker.recv(1000).endswith(b" 200 \\r\\n\\r\\n")
    asker.sendall(b"POST /t HTTP/1.1\\r\\nHost: y\\r\\nConnection: close\\r\\nContent-Length: 300000\\r\\n\\r\\n")
    asker.sendall(b"z" * 300000)
    answer = b""
    while data := asker.recv(65536):
        answer += data
print(answer.count(b"z"))
"""


def head(*lines: str) -> str:
    return "\r\n".join([*lines, "", ""])


def test_a_request_arrives_whole_and_without_what_is_the_proxys(runs: Runs):
    request = head(
        f"POST {THERE}a?b=c HTTP/1.1",
        *("Host: wrong.example", "Proxy-Authorization: x", "Connection: close, X-Mine", "X-Mine: 1", "X-Kept: 1"),
        "Content-Length: 5",
    )
    answer, _, body = runs.said(ASK_ALL, f"{request}hello").partition("\r\n\r\n")
    assert answer.startswith("HTTP/1.1 200 OK\r\n")
    asked = json.loads(body)
    assert (asked["path"], asked["content"], asked["host"]) == ("/a?b=c", "hello", f"public.example:{PORT}")
    assert asked["names"] == ["Connection", "Content-Length", "Host", "X-Kept"]


def test_a_tunnel_passes_on_every_byte_in_both_directions(runs: Runs):
    assert runs.said(TUNNEL) == "300000"


def test_a_second_request_behind_the_first_is_not_passed_on(runs: Runs):
    requests = head(f"GET {THERE} HTTP/1.1", "Host: x") + head("GET http://other.example/ HTTP/1.1", "Host: x")
    assert runs.said(ASK_ALL, requests).count("HTTP/1.1") == 1


WRONG = {
    "a page": (head("GET / HTTP/1.1", "Host: public.example"), "400"),
    "another scheme": (head("GET ftp://public.example/ HTTP/1.1", "Host: x"), "400"),
    "a password": (head(f"GET http://me:secret@public.example:{PORT}/ HTTP/1.1", "Host: x"), "400"),
    "no port": (head("CONNECT public.example HTTP/1.1", "Host: x"), "400"),
    "port 0": (head("CONNECT public.example:0 HTTP/1.1", "Host: x"), "400"),
    "port 70000": (head("CONNECT public.example:70000 HTTP/1.1", "Host: x"), "400"),
    "two lengths": (
        head(f"POST {THERE} HTTP/1.1", "Host: x", "Content-Length: 3", "Transfer-Encoding: chunked", "", "0"),
        "400",
    ),
    "different lengths": (
        head(f"POST {THERE} HTTP/1.1", "Host: x", "Content-Length: 3", "Content-Length: 4", "", "abcd"),
        "400",
    ),
    "an unknown coding": (head(f"POST {THERE} HTTP/1.1", "Host: x", "Transfer-Encoding: xchunked"), "501"),
    "a space before a colon": (head(f"GET {THERE} HTTP/1.1", "Host : x"), "400"),
    "a line break in it": (head(f"GET {THERE}\nX: y HTTP/1.1", "Host: x"), "400"),
    "no HTTP": (head("\x16\x03\x01" + "\x00" * 100), "400"),
    "a long head": (head(f"GET {THERE} HTTP/1.1", "Host: x", f"X: {'y' * 60_000}"), "431"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_no_request_for_a_proxy_is_refused(runs: Runs, kind: str):
    request, status = WRONG[kind]
    script = f"{ASK}\ntry: print(ask(sys.stdin.buffer.read())[9:12])\nexcept ConnectionResetError: print('reset')"
    assert runs.said(script, request) in {status, "reset"}
    assert runs.get(THERE) == ["200"]
