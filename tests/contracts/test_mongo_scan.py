"""A scan gives every event once and in order, wherever it begins and ends, and names a hole."""

import random
from uuid import uuid4

import pytest

from adapters.mongo.commits import reading
from adapters.mongo.commits.commits import Line
from application.ports.log import LogDamaged
from tests.contracts.feed import save_users

SIZES = [1, 3, 1, 12, 1, 1, 40, 2, 7]
TOTAL = sum(SIZES)


@pytest.fixture
def filled(journal):
    for size in SIZES:
        journal.append([Line(uuid4(), 1, "User.Registered", number % 3, b"{}") for number in range(size)])
    return journal


def scanned(journal, after, upto):
    return [position for page in journal.reading.pages(after, upto) for position, _ in page]


@pytest.mark.parametrize("page", [1, 2, 5, 500])
def test_every_event_comes_once_and_in_order_wherever_it_begins_and_ends(filled, monkeypatch, page):
    monkeypatch.setattr(reading, "PAGE", page)
    for after in range(0, TOTAL, 5):
        for upto in {after, after + 1, *random.sample(range(after, TOTAL), min(4, TOTAL - after)), TOTAL}:
            assert scanned(filled, after, upto) == list(range(after + 1, upto + 1)), (after, upto)


def test_nothing_behind_a_hole_is_given_and_the_hole_is_named(filled, database, monkeypatch):
    monkeypatch.setattr(reading, "PAGE", 4)
    database.commits.delete_one({"_id": 6})
    pages = filled.reading.pages(0, TOTAL)
    assert [position for _ in range(2) for position, _ in next(pages)] == [1, 2, 3, 4, 5]
    with pytest.raises(LogDamaged, match=f"no event at position 6, though it goes on to {TOTAL}"):
        next(pages)
    with pytest.raises(LogDamaged, match="position 6"):
        filled.reading.check_is_end(5, TOTAL)
    filled.reading.check_is_end(TOTAL, TOTAL)


def test_the_log_scans_the_events_of_some_lanes_up_to_its_end(log):
    save_users(log, 30)
    everything = log.read(0, 1_000)
    lanes = frozenset({0, 3, 5})
    pages = list(log.scan(lanes, 7, 10_000))
    assert [event for page in pages for event in page.events] == [
        event for event in everything if event.lane in lanes and event.position > 7
    ]
    assert pages[-1].upto == log.head()
    assert sum(page.bytes for page in pages) > 0
