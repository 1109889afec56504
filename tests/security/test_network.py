"""A run reaches what the policy names, and nothing else, whatever it tries."""

import os
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from adapters.bubblewrap import BubblewrapSandbox
from adapters.network.proxy import CONNECTIONS
from application.ports.sandbox import STDERR, NetworkWithdrawn
from domain.execution import Status
from tests.contracts.running import outcome, output
from tests.security.networked import ASK, ASK_EACH, PORT, Runs
from tests.security.room import OWN, OWN6, PRIVATE, PUBLIC, PUBLIC6, Room

LOOPBACK = """
import socket
try: socket.create_connection(("127.0.0.1", 3128)); print("done")
except OSError as error: print(error.strerror)
"""

# What it reaches ----------------------------------------------------------------------------------------------


def test_a_run_that_asks_for_network_reaches_what_is_public(runs: Runs):
    urls = (f"http://public.example:{PORT}/", f"http://{PUBLIC}:{PORT}/", f"http://[{PUBLIC6}]:{PORT}/")
    assert runs.get(*urls, f"http://six.example:{PORT}/", "http://public.example/") == ["200"] * 5


def test_a_run_that_does_not_ask_reaches_nothing(runs: Runs):
    said = runs.get(f"http://public.example:{PORT}/", f"http://{PUBLIC}:{PORT}/", network=False)
    assert ["200" in line for line in said] == [False, False]
    assert runs.said(LOOPBACK, network=False) == "Connection refused"
    assert runs.said(LOOPBACK) == "done"


def test_a_run_that_asks_where_nobody_has_network_is_not_started(room: Room, folder: Path):
    nobody = BubblewrapSandbox(folder)
    with pytest.raises(NetworkWithdrawn):
        Runs(room, nobody).start("pass")
    assert nobody.list() == []


# What it does not reach ---------------------------------------------------------------------------------------


def test_a_name_that_is_not_listed_is_refused_in_words(runs: Runs):
    answers = runs.get("http://other.example/", "http://public.example:9090/", "http://below.public.example/")
    assert [answer[:3] for answer in answers] == ["403"] * 3
    assert answers[0] == "403 Runs may not reach other.example:80 here: the setting network_hosts does not name it."
    assert runs.get("http://below.public.example:9090/", "http://PUBLIC.example./") == ["200", "200"]


SPELLINGS = {
    "127.0.0.1": ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0", "[::1]", "[::ffff:127.0.0.1]"],
    "10.9.8.7": ["10.9.8.7", "168364039", "0x0a090807", "[::ffff:10.9.8.7]", "[::ffff:a09:807]", "[64:ff9b::a09:807]"],
    "169.254.169.254": ["169.254.169.254", "2852039166", "[::ffff:169.254.169.254]", "[2002:a9fe:a9fe::1]"],
    "own": [OWN, f"[{OWN6}]", f"[::ffff:{OWN}]"],
    "others": [
        "100.64.1.1",
        "[fd00::7]",
        "224.0.0.1",
        "255.255.255.255",
        "[fe80::1]",
        "[ff02::1]",
        "[::]",
        "[::10.9.8.7]",
    ],
    "names": ["private.example", "loop.example", "own.example", "localhost"],
}


@pytest.mark.parametrize("kind", SPELLINGS)
def test_what_is_not_public_is_refused_however_it_is_spelled(runs: Runs, room: Room, kind: str):
    """By the policy `*:8080`, and though the machine itself gets there."""
    for address in (*PRIVATE, OWN, "127.0.0.1"):
        room.on_the_machine(socket.create_connection, (address, PORT), 5).close()
    asked = [
        form.format(place=f"{spelled}:{PORT}")
        for spelled in SPELLINGS[kind]
        for form in ("GET http://{place}/ HTTP/1.1", "CONNECT {place} HTTP/1.1")
    ]
    assert runs.said(ASK_EACH, "\n".join(asked)).splitlines() == [f"403 {line}" for line in asked]


def test_of_a_name_with_several_addresses_only_the_public_ones_are_tried(runs: Runs, room: Room):
    """So that nobody can let a name mean one address when it is looked at, and another when it is used."""
    assert runs.get(f"http://mixed.example:{PORT}/") == ["200"]
    sandbox = BubblewrapSandbox(Path(runs._sandbox._folder).parent, hosts="mixed.example:7070")
    with room.on_the_internet(socket.create_server, ("10.9.8.7", 7070)):
        room.on_the_machine(socket.create_connection, ("10.9.8.7", 7070), 5).close()
        assert Runs(room, sandbox).get("http://mixed.example:7070/")[0].startswith("502")


CERTIFICATES = """
import glob
print(sum(len(glob.glob(f"{folder}/*")) > 0 for folder in ("/etc/ssl/certs", "/etc/pki/tls/certs")))
"""


def test_a_script_with_network_has_the_certificates_that_the_machine_trusts(runs: Runs):
    here = sum(any(Path(folder).glob("*")) for folder in ("/etc/ssl/certs", "/etc/pki/tls/certs"))
    assert (runs.said(CERTIFICATES), runs.said(CERTIFICATES, network=False)) == (str(here), "0")


def test_without_the_proxy_there_is_no_way(runs: Runs):
    script = (
        "import socket\n"
        f"for family, host in ((socket.AF_INET, '{PUBLIC}'), (socket.AF_INET6, '{PUBLIC6}')):\n"
        f"    try: socket.socket(family).connect((host, {PORT})); print('done')\n"
        "    except OSError as error: print(error.strerror)\n"
        "try: socket.getaddrinfo('public.example', 80); print('done')\n"
        "except OSError as error: print('no name')"
    )
    assert runs.said(script).splitlines() == ["Network is unreachable", "Network is unreachable", "no name"]


# Its bounds and its end ---------------------------------------------------------------------------------------


def proxies(folder: Path) -> list[int]:
    """Of the runs in this folder: their logs are there."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and (entry / "fd/2").readlink().is_relative_to(folder) and is_proxy(entry):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def is_proxy(entry: Path) -> bool:
    return b"adapters.network" in (entry / "cmdline").read_bytes()


def wait_for(is_so: Callable[[], object]) -> None:
    until = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.01)


WAITING = f"{ASK}\nask(b'GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n')\nprint('up')\nimport time; time.sleep(1000)"


def waiting_run(runs: Runs, sandbox: BubblewrapSandbox) -> str:
    """The proxy has answered it once, so it is as it will be."""
    name = runs.start(WAITING)
    next(frame for frame in sandbox.watch(name) if output([frame]))
    return name


def test_a_run_that_does_not_ask_has_no_proxy(runs: Runs, sandbox: BubblewrapSandbox, folder: Path):
    name = runs.start("print('up')\nimport time; time.sleep(1000)", network=False)
    next(frame for frame in sandbox.watch(name) if output([frame]))
    assert proxies(folder) == []
    waiting_run(runs, sandbox)
    assert len(proxies(folder)) == 1


CROWD = f"""{ASK}
def come(text):
    asker = socket.create_connection(PROXY, 60)
    asker.sendall(text)
    return asker
silent = [come(b"") for _ in range(60)]
crowd = [come(b"GET http://public.example:{PORT}/ HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n") for _ in range(140)]
print(sum(b" 200 " in asker.recv(1000) for asker in crowd))
"""


def test_two_hundred_connections_at_once_are_served_some_at_a_time(
    runs: Runs, sandbox: BubblewrapSandbox, folder: Path
):
    """Those that say nothing hold the others up for 10 seconds, and no more."""
    name = runs.start(CROWD)
    wait_for(lambda: proxies(folder))
    proxy, most = proxies(folder)[0], 0
    while proxies(folder):
        with suppress(FileNotFoundError):
            most = max(most, len(list(Path(f"/proc/{proxy}/fd").iterdir())))
        time.sleep(0.05)
    frames = list(sandbox.watch(name))
    assert output(frames).strip() == b"140", output(frames, STDERR)
    assert CONNECTIONS <= most <= 2 * CONNECTIONS + 10


def test_a_proxy_is_nobody_in_particular(runs: Runs, sandbox: BubblewrapSandbox, folder: Path):
    name = waiting_run(runs, sandbox)
    status = Path(f"/proc/{proxies(folder)[0]}/status").read_text()
    facts = dict(line.split(":\t", 1) for line in status.splitlines())
    assert {*map(int, facts["Uid"].split())} & {0} == set()
    assert {facts[name] for name in ("CapPrm", "CapEff", "CapAmb")} == {"0" * 16}
    sandbox.stop(name)


def children(pid: int) -> set[int]:
    return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


@pytest.mark.parametrize("end", ["its own", "a stop", "the death of the keeper", "the death of the supervisor"])
def test_a_proxy_ends_with_its_run(runs: Runs, sandbox: BubblewrapSandbox, folder: Path, end: str):
    name = runs.start("print('up')\nimport time; time.sleep(2)") if end == "its own" else waiting_run(runs, sandbox)
    wait_for(lambda: proxies(folder))
    proxy = proxies(folder)[0]
    keeper = int(Path(f"/proc/{proxy}/stat").read_text().rpartition(")")[2].split()[1])
    match end:
        case "a stop":
            sandbox.stop(name)
            assert proxies(folder) == []
        case "the death of the keeper":
            os.kill(keeper, signal.SIGKILL)
        case "the death of the supervisor":
            os.kill((children(keeper) - {proxy}).pop(), signal.SIGKILL)
    wait_for(lambda: not proxies(folder))


def test_a_run_outlives_its_proxy(runs: Runs, sandbox: BubblewrapSandbox, folder: Path):
    name = runs.start(f"print('up')\nimport time; time.sleep(2)\n{LOOPBACK}")
    next(frame for frame in sandbox.watch(name) if output([frame]))
    for pid in proxies(folder):
        os.kill(pid, signal.SIGKILL)
    frames = list(sandbox.watch(name))
    assert outcome(frames).status is Status.SUCCEEDED
    assert output(frames) == b"up\nConnection refused\n"
