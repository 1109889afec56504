"""Commits are handed over by socket, between the processes of one user."""

import socket
from contextlib import suppress

import pytest

from adapters.mongo.commits.commits import Commit
from adapters.mongo.writing import sockets
from adapters.mongo.writing.wire import Answer, Handed
from tests.contracts.handing_over import HandoverContract, leading, line


class TestSocketWay(HandoverContract):
    @pytest.fixture
    def word(self):
        return "socket"

    def test_a_stranger_is_not_served(self, journal, monkeypatch):
        monkeypatch.setattr(sockets, "is_own", lambda _: False)
        with leading(journal):
            name = journal.database.leases.find_one({"_id": "writer"})["state"]["socket"]
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(sockets.address(name))
                with suppress(BrokenPipeError):  # he may be turned away before he has spoken
                    connection.sendall(sockets.frame(Handed.of(Commit([line()]))))
                assert sockets.receive(connection, Answer) is None
        assert journal.head.find() == 0
