"""Runs with network, on the machine of a room, and what they ask for."""

from uuid import uuid4

from adapters.bubblewrap import BubblewrapSandbox
from adapters.bubblewrap.catalogue import installed
from application.ports.sandbox import STDERR, Frame, Job
from domain.execution import Limits, Status
from tests.contracts.running import outcome, output
from tests.security.room import Room

PORT = 8080
HOSTS = f"*:{PORT},public.example:80,*.public.example:9090"
GET = """
import sys, urllib.request, urllib.error
for url in sys.stdin.read().split():
    try:
        print(url, urllib.request.urlopen(url, timeout=20).status)
    except urllib.error.HTTPError as error:
        print(url, error.code, error.read().decode().strip())
    except OSError as error:
        print(url, error)
"""
"""Asks for every address on its stdin, as programs do."""
ASK = """
import socket, sys
PROXY = ("127.0.0.1", 3128)
def ask(request):
    with socket.create_connection(PROXY, 60) as asker:
        asker.sendall(request)
        answer = b""
        while data := asker.recv(65536):
            answer += data
    return answer.decode()
"""
"""Asks by hand; what a script does with it follows."""
ASK_ALL = f"{ASK}\nprint(ask(sys.stdin.buffer.read()))"
ASK_EACH = f"""{ASK}
for line in sys.stdin.read().splitlines():
    print(ask(line.encode() + b"\\r\\nHost: x\\r\\n\\r\\n")[9:12], line)
"""
"""For every first line of a request on its stdin the status that it is answered with."""


class Runs:
    """On the machine of the room."""

    def __init__(self, room: Room, sandbox: BubblewrapSandbox) -> None:
        self._room, self._sandbox = room, sandbox
        self._rows = {row.language: row for row in installed()}

    def start(self, script: str, stdin: str = "", *, network: bool = True, language: str = "python") -> str:
        name = f"run-{uuid4()}-1"
        job = Job(name, self._rows[language], script.encode(), stdin.encode(), Limits(), network=network)
        self._room.on_the_machine(self._sandbox.start, job)
        return name

    def frames(self, script: str, stdin: str = "", **more) -> list[Frame]:
        return list(self._sandbox.watch(self.start(script, stdin, **more)))

    def said(self, script: str, stdin: str = "", **more) -> str:
        frames = self.frames(script, stdin, **more)
        assert outcome(frames).status is Status.SUCCEEDED, output(frames, STDERR).decode()
        return output(frames).decode().strip()

    def get(self, *urls: str, **more) -> list[str]:
        return [line.partition(" ")[2] for line in self.said(GET, "\n".join(urls), **more).splitlines()]
