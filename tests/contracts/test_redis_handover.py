"""Commits are handed over by Redis, which carries them and can neither read them nor make one."""

import logging
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from time import monotonic
from uuid import uuid4

import msgspec
import pytest
import redis
from eventsourcing.persistence import OperationalError

from adapters.embedded.redis import Redis
from adapters.embedded.server import free_port
from adapters.mongo.commits.commits import Commit
from adapters.mongo.log.journal import Journal
from adapters.mongo.log.log import MongoEventLog
from adapters.mongo.writing import handover, leadership
from adapters.mongo.writing.bell import Bell
from adapters.mongo.writing.sockets import SocketWay
from adapters.mongo.writing.wire import Answer, Handed
from adapters.redis.desk import Replayed
from adapters.redis.handover import RedisWay
from adapters.redis.letters import Address, Request, Unreadable
from tests.contracts.event_log import OPERATOR, new_user
from tests.contracts.handing_over import HandoverContract, leading, line, wait_for
from tests.contracts.test_redis_live_output import server  # noqa: F401 - a fixture
from tests.servers import running

NOWHERE = "redis://127.0.0.1:9"


class TestRedisWay(HandoverContract):
    @pytest.fixture
    def word(self, server):  # noqa: F811
        return server.address

    @pytest.fixture
    def client(self, word):
        with redis.Redis.from_url(word) as client:
            yield client

    @pytest.fixture
    def overheard(self, client):
        """All that goes over the writers' channels while a stranger listens: channel and letter."""
        letters, stop = [], threading.Event()

        def listen() -> None:
            with client.pubsub(ignore_subscribe_messages=True) as pubsub:
                pubsub.psubscribe("writer:*")
                while not stop.is_set():
                    if message := pubsub.get_message(timeout=0.1):
                        letters.append((message["channel"].decode(), message["data"]))

        listening = threading.Thread(target=listen)
        listening.start()
        wait_for(lambda: client.pubsub_numpat() == 1)
        yield letters
        stop.set()
        listening.join()

    @staticmethod
    def address(database) -> Address:
        return Address(**database.leases.find_one({"_id": "writer"})["state"]["redis"])

    # Strangers ------------------------------------------------------------------------------------------------

    def test_letters_say_nothing_to_a_stranger(self, journal, other, overheard):
        with leading(journal):
            user = new_user()
            MongoEventLog(other).save(OPERATOR, user)
            wait_for(lambda: len(overheard) >= 2)
        assert not [letter for _, letter in overheard if user.id.bytes in letter or str(user.id).encode() in letter]

    def test_what_no_reader_of_the_store_has_written_is_refused_and_told_of_once(
        self, journal, other, database, client, overheard, caplog
    ):
        log = MongoEventLog(other)
        with leading(journal), caplog.at_level(logging.WARNING):
            log.save(OPERATOR, new_user())
            address = self.address(database)
            request = Request(uuid4(), 1, [Handed.of(Commit([line()]))])
            wrong_key = msgspec.structs.replace(address, key=Address.new().key)
            wait_for(lambda: overheard)
            _, real = overheard[0]
            forged = [
                wrong_key.close(address.channel, request),
                address.close(address.answers_to(request.asker), request),  # of another channel
                address.close(address.channel, [Answer(uuid4(), 1)]),  # no request
                msgspec.msgpack.encode(request),  # in the open
                real[:-1] + bytes([real[-1] ^ 1]),
                real[: len(real) // 2],
                b"x",
                bytes(100_000),
            ]
            for letter in forged:
                assert client.publish(address.channel, letter)
            assert log.save(OPERATOR, new_user()) == 2
        assert [event.position for event in log.read(0, 10)] == [1, 2]
        refused = [record for record in caplog.records if record.name == "adapters.redis.desk"]
        assert len(refused) == 1

    def test_an_answer_counts_for_its_asker_and_from_a_reader_of_the_store_alone(
        self, leader, other, database, client, placed
    ):
        """The leader is silent; a stranger answers in its place."""
        process = leader("forgets")
        address, log = self.address(database), MongoEventLog(other)
        with ThreadPoolExecutor(1) as caller:
            saving = caller.submit(log.save, OPERATOR, new_user())
            assert process.stdout.readline() == "forgets\n"
            line = other._handover._line
            [commit] = line._questions._asked
            mine = address.answers_to(line._asker)
            answer = [Answer(commit, 1_000)]
            wrong_key = msgspec.structs.replace(address, key=Address.new().key)
            for letter in (
                wrong_key.close(mine, answer),
                address.close(address.answers_to(uuid4()), answer),
                address.close(address.channel, answer),
                b"x",
            ):
                assert client.publish(mine, letter)
            process.kill()
            assert saving.result() == 1

    def test_a_replayed_letter_stores_nothing(self, journal, other, database, client, overheard, caplog):
        log = MongoEventLog(other)
        with leading(journal), caplog.at_level(logging.WARNING):
            log.save(OPERATOR, new_user())
            log.save(OPERATOR, new_user())
            wait_for(lambda: len(overheard) >= 4)
            channel = self.address(database).channel
            for letter in [letter for where, letter in overheard if where == channel] * 3:
                client.publish(channel, letter)
            assert log.save(OPERATOR, new_user()) == 3
        assert log.head() == 3
        assert Replayed.__doc__ in caplog.text

    def test_a_replayed_letter_does_not_store_what_its_asker_was_told_is_not_stored(
        self, journal, other, database, client, overheard, monkeypatch
    ):
        """The unique versions would not keep it out: none of it is in the log."""
        log, place = MongoEventLog(other), journal.writer._tail.place

        def refuse(_):
            raise OperationalError("the server cannot be reached")

        with leading(journal):
            journal.writer._tail.place = refuse
            with pytest.raises(Exception, match="cannot be reached"):
                log.save(OPERATOR, new_user())
            journal.writer._tail.place = place
            channel = self.address(database).channel
            for letter in [letter for where, letter in overheard if where == channel]:
                client.publish(channel, letter)
            assert log.save(OPERATOR, new_user()) == 1
        assert log.head() == 1

    def test_each_term_has_a_key_of_its_own(self, journal, database):
        addresses = []
        for _ in range(2):
            with leading(journal):
                addresses.append(self.address(database))
        old, new = addresses
        letter = old.close(new.channel, Request(uuid4(), 1, []))
        with pytest.raises(Unreadable):
            new.open(new.channel, letter, Request)
        assert "redis" not in database.leases.find_one({"_id": "writer"})["state"]

    def test_a_letter_that_nobody_hears_was_not_handed_over(self, journal, other, placed):
        log = MongoEventLog(other)
        with leading(journal):
            log.save(OPERATOR, new_user())
        log.save(OPERATOR, new_user())
        assert [commit.is_doubtful for commit in placed] == [False]

    def test_a_leader_takes_a_new_key_in_time(self, journal, database, monkeypatch):
        monkeypatch.setattr(leadership, "LONGEST_SECONDS", 0.3)
        monkeypatch.setattr(leadership, "RENEWAL_SECONDS", 0.1)
        monkeypatch.setattr(leadership, "TRY_AGAIN_SECONDS", 0.0)
        keys = set()
        with leading(journal):
            wait_for(lambda: keys.update(database.leases.distinct("state.redis.key")) or len(keys) > 1)

    def test_whoever_hears_no_answers_any_more_asks_anew(self, journal, other, database, client):
        """Redis ends the connections of those who listen; the leader is heard again, the asker would wait in vain."""
        log = MongoEventLog(other)
        with leading(journal):
            log.save(OPERATOR, new_user())
            channel = self.address(database).channel
            client.client_kill_filter(_type="pubsub")
            wait_for(lambda: dict(client.pubsub_numsub(channel))[channel.encode()] == 1)
            begun = monotonic()
            assert log.save(OPERATOR, new_user()) == 2
            assert monotonic() - begun < handover.ANSWER_SECONDS

    # Without Redis --------------------------------------------------------------------------------------------

    @pytest.fixture
    def own_redis(self, tmp_path):
        with running(Redis.create(tmp_path, free_port()), tmp_path) as started:
            yield started

    def test_redis_restarted_in_the_middle_fails_nobody(self, database, own_redis):
        leader, other = (
            Journal(database, bell_of=lambda _: Bell(), ways=[RedisWay(own_redis.address)]) for _ in range(2)
        )
        log, stop, positions = MongoEventLog(other), threading.Event(), []

        def save() -> None:
            while not stop.is_set():
                positions.append(log.save(OPERATOR, new_user()))

        with leading(leader), ThreadPoolExecutor(4) as callers:
            saving = [callers.submit(save) for _ in range(4)]
            try:
                wait_for(lambda: len(positions) > 50)
                own_redis.kill()
                before = len(positions)
                wait_for(lambda: len(positions) > before + 50)
                own_redis.start()
                wait_for(lambda: other._handover._line and not other._handover._line.is_dead, 20.0)
            finally:
                stop.set()
            for one in saving:
                one.result()
        assert sorted(positions) == list(range(1, len(positions) + 1))
        leader.close()
        other.close()

    def test_while_redis_is_away_everybody_writes_for_himself_at_once(self, database):
        leader, other = (Journal(database, bell_of=lambda _: Bell(), ways=[RedisWay(NOWHERE)]) for _ in range(2))
        with leading(leader):
            begun = monotonic()
            assert MongoEventLog(other).save(OPERATOR, new_user()) == 1
            assert monotonic() - begun < 1.0
        leader.close()
        other.close()

    def test_nobody_waits_for_a_redis_that_does_not_answer(self, database):
        with silent_server() as url:
            leader, other = (Journal(database, bell_of=lambda _: Bell(), ways=[RedisWay(url)]) for _ in range(2))
            with leading(leader), ThreadPoolExecutor(8) as callers:
                log = MongoEventLog(other)
                begun = monotonic()
                list(callers.map(lambda _: log.save(OPERATOR, new_user()), range(8)))
                assert monotonic() - begun < 3.0
            leader.close()
            other.close()

    def test_a_leader_without_redis_leads_by_socket(self, database, word):
        leader = Journal(database, bell_of=lambda _: Bell(), ways=[SocketWay(), RedisWay(NOWHERE)])
        other = Journal(database, bell_of=lambda _: Bell(), ways=[SocketWay(), RedisWay(word)])
        other.writer.submit = None  # it has no way to write for itself
        with leading(leader):
            assert MongoEventLog(other).save(OPERATOR, new_user()) == 1
        del other.writer.submit
        leader.close()
        other.close()

    def test_who_is_on_another_machine_is_reached_by_redis(self, database, word, monkeypatch):
        """No socket there has this name."""
        leader = Journal(database, bell_of=lambda _: Bell(), ways=[SocketWay(), RedisWay(word)])
        other = Journal(database, bell_of=lambda _: Bell(), ways=[SocketWay(), RedisWay(word)])
        other.writer.submit = None
        with leading(leader):
            monkeypatch.setattr("adapters.mongo.writing.sockets.address", lambda name: f"\0elsewhere-{name}")
            assert MongoEventLog(other).save(OPERATOR, new_user()) == 1
        del other.writer.submit
        leader.close()
        other.close()


@contextmanager
def silent_server():
    """It takes connections and says nothing."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}"
