"""Events go through Kafka with the ids of their schemas, which a registry keeps; without it they wait there."""

import time
from itertools import pairwise
from uuid import uuid4

import httpx
import jsonschema
import msgspec
import pytest

from adapters.kafka import headers
from adapters.kafka.framing import FRAME, framed, unframed
from adapters.kafka.lanes import KafkaFeed
from adapters.kafka.progress import progress
from adapters.mongo.log.log import MongoEventLog
from adapters.schemas.exported import committed
from adapters.schemas.record import Record
from adapters.schemas.registry import SchemaRegistry
from adapters.schemas.trouble import RegistryUnavailable, SchemaRefused, SchemaUnknown
from tests.contracts.feed import by_lane, from_start, save_users, take, take_nothing
from tests.contracts.mirroring import Relaying, mirrored
from tests.contracts.schema_changes import COMPATIBLE, REFUSED_BY_REGISTRIES, Demanding, Size, Wider, schema_with

PATIENCE_SECONDS = 20.0


@pytest.fixture(scope="module")
def url(real_registry):
    return real_registry.address


def registered(url, *path):
    """What the registry says over HTTP, without our client."""
    answer = httpx.get("/".join([url, *map(str, path)]))
    answer.raise_for_status()
    return answer.json()


def new_record(version=1):
    return Record(f"Thing{uuid4().hex}.Happened", version)


# Registration -------------------------------------------------------------------------------------------------


def test_all_schemas_are_registered_by_record_name_and_registered_again_without_harm(url):
    registry = SchemaRegistry(url)
    first = [registry.register(record) for record in committed()]
    again = [SchemaRegistry(url).register(record) for record in committed()]
    assert [one.subject for one in first] == [record.name for record in committed()]
    assert [one.id for one in again] == [one.id for one in first]
    assert not any(one.is_new for one in again)
    for one, schema in zip(first, committed().values(), strict=True):
        assert registered(url, "config", one.subject) == {"compatibilityLevel": "BACKWARD"}
        assert msgspec.json.decode(registered(url, "schemas", "ids", one.id)["schema"]) == schema


def test_what_is_new_is_said_to_be_new_and_what_is_there_is_not(url):
    record = new_record()
    registry = SchemaRegistry(url, lambda: {record: schema_with(Size)})
    assert [registry.register(record).is_new for _ in range(2)] == [True, False]


def test_an_incompatible_schema_is_refused_by_its_name_and_the_old_one_stays(url):
    record = new_record()
    before = SchemaRegistry(url, lambda: {record: schema_with(Size)}).register(record)
    with pytest.raises(SchemaRefused, match=rf"refuses {record.name}: .*required property was added"):
        SchemaRegistry(url, lambda: {record: schema_with(Demanding)}).register(record)
    assert registered(url, "subjects", record.name, "versions") == [1]
    assert SchemaRegistry(url, lambda: {record: schema_with(Wider)}).register(record).id != before.id


@pytest.mark.parametrize(("before", "after"), COMPATIBLE)
def test_the_registry_takes_whatever_the_check_takes(url, before, after):
    record = new_record()
    for it in (before, after):
        SchemaRegistry(url, lambda it=it: {record: schema_with(it)}).register(record)


@pytest.mark.parametrize(("before", "after", "_words"), REFUSED_BY_REGISTRIES)
def test_what_the_check_refuses_for_the_registrys_sake_is_refused_there(url, before, after, _words):
    record = new_record()
    SchemaRegistry(url, lambda: {record: schema_with(before)}).register(record)
    with pytest.raises(SchemaRefused):
        SchemaRegistry(url, lambda: {record: schema_with(after)}).register(record)


def test_a_later_version_is_a_subject_of_its_own(url):
    first = new_record()
    second = Record(first.type, 2)
    registry = SchemaRegistry(url, lambda: {first: schema_with(Size), second: schema_with(str)})
    assert registry.register(first).subject == first.type
    assert registry.register(second).subject == f"{first.type}.v2"


def test_an_event_of_a_version_unknown_here_is_not_framed(url):
    with pytest.raises(SchemaUnknown, match=r"User.Registered version 9: .*upgrade this one"):
        SchemaRegistry(url).id_of(Record("User.Registered", 9))


def test_what_is_no_registry_is_said_to_be_none_without_its_password(url):
    elsewhere = url.replace("/apis/ccompat/v7", "/elsewhere").replace("//", "//me:sesame@")
    with pytest.raises(RegistryUnavailable, match="correct RUNLEDGER_SCHEMA_REGISTRY_URL") as trouble:
        SchemaRegistry(elsewhere).id_of(Record("User.Registered", 1))
    assert "sesame" not in str(trouble.value)


# The relay ----------------------------------------------------------------------------------------------------


def until(condition):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


class FromKafkaAlone(MongoEventLog):
    """Tells consumers nothing of what the log holds."""

    def lane_heads(self):
        return {}

    def read_lane(self, *_):
        return []


def test_values_name_the_schema_that_they_follow(log, database, broker, url):
    with Relaying(database, broker, framed(SchemaRegistry(url).id_of)):
        save_users(log, 5)
        records = mirrored(broker, 10)
    assert len(records) == 10
    for record in records:
        magic, id = FRAME.unpack_from(record.value())
        schema = msgspec.json.decode(registered(url, "schemas", "ids", id)["schema"])
        assert magic == b"\x00"
        assert schema["title"].encode() == dict(record.headers())["ce_type"]
        jsonschema.Draft7Validator(schema).validate(msgspec.json.decode(record.value()[FRAME.size :]))


def test_consumers_read_framed_records(journal, log, database, broker, url):
    subscription = KafkaFeed(FromKafkaAlone(journal), broker.server.address).subscribe("readers", from_start)
    take_nothing(subscription)  # until it has its lanes: it would begin at their ends later on
    with Relaying(database, broker, framed(SchemaRegistry(url).id_of)):
        save_users(log, 10)
        events = take(20, subscription)
    subscription.close()
    assert by_lane(events) == by_lane(log.read(0, 100))


def test_while_the_registry_is_down_the_log_goes_on_and_the_relay_catches_up_afterwards(
    log, database, broker, real_registry
):
    feed = KafkaFeed(log, broker.server.address)
    real_registry.kill()
    try:
        with Relaying(database, broker, framed(SchemaRegistry(real_registry.address).id_of)):
            save_users(log, 10)
            until(lambda: "does not answer as one" in progress(database).trouble)
            subscription = feed.subscribe("readers", from_start)
            events = take(20, subscription)
            subscription.close()
            assert by_lane(events) == by_lane(log.read(0, 100))
            assert mirrored(broker, 1, patience=1.0) == []

            real_registry.start()
            save_users(log, 1)
            places = [headers.place(record.headers()) for record in mirrored(broker, 22)]
            assert sorted(place.position for place in places) == list(range(1, 23))
            until(lambda: (progress(database).position, progress(database).trouble) == (22, ""))
    finally:
        if not real_registry.server.answers():
            real_registry.start()


def test_while_the_registry_refuses_the_relay_says_why_and_goes_on_when_it_does_no_more(log, database, broker, url):
    record = Record("User.Registered", 1)
    SchemaRegistry(url).register(record)
    shipped = {**committed(), record: committed()[record] | {"required": ["unheard_of"]}}
    with Relaying(database, broker, framed(SchemaRegistry(url, lambda: shipped).id_of)):
        save_users(log, 1)
        until(lambda: "refuses User.Registered" in progress(database).trouble)
        assert mirrored(broker, 1, patience=1.0) == []
        shipped[record] = committed()[record]
        assert len(mirrored(broker, 2)) == 2


def test_the_waits_for_the_registry_grow(log, database, broker, monkeypatch):
    monkeypatch.setattr("adapters.kafka.relay.LONGEST_WAIT", 0.4)
    asked = []

    def refuse(record):
        asked.append(time.monotonic())
        raise SchemaRefused

    with Relaying(database, broker, framed(refuse)):
        save_users(log, 1)
        until(lambda: len(asked) > 4)
    waits = [after - before for before, after in pairwise(asked)]
    assert [wait > least for wait, least in zip(waits, [0.1, 0.2, 0.4, 0.4], strict=False)] == [True] * 4


def test_what_was_sent_before_there_was_a_registry_is_read_as_well():
    assert unframed(b'{"type":"User.LoggedIn"}') == b'{"type":"User.LoggedIn"}'
    assert unframed(b'\x00\x00\x00\x00\x07{"type":"User.LoggedIn"}') == b'{"type":"User.LoggedIn"}'
