"""What a process remembers of its own commits stays small, whatever is written and whoever is interrupted."""

from uuid import uuid4

from adapters.mongo.commits import recent
from adapters.mongo.commits.commits import Commit, Line, document
from adapters.mongo.commits.recent import Recent
from adapters.mongo.writing.tail import ORIGIN


def add(memory: Recent, position: int, size: int = 2) -> None:
    memory.add(document(position, ORIGIN.at, [Commit([Line(uuid4(), 1, "Happened", 0, b"x" * size)])]))


def remembered(memory: Recent, after: int) -> list[int]:
    return [position for position, _ in memory.after(after)]


def test_it_keeps_the_last_commits_and_no_more():
    memory = Recent()
    for position in range(1, recent.MAX_COMMITS + 2):
        add(memory, position)
    assert remembered(memory, 0) == []
    assert remembered(memory, 1) == list(range(2, recent.MAX_COMMITS + 2))


def test_a_commit_larger_than_all_it_keeps_is_not_kept_and_the_next_one_is():
    memory = Recent()
    add(memory, 1)
    add(memory, 2, recent.MAX_BYTES + 1)
    assert remembered(memory, 0) == remembered(memory, 1) == []
    add(memory, 3)
    assert remembered(memory, 2) == [3]


def test_a_sum_that_an_interruption_left_too_large_harms_no_more_than_one_commit():
    memory = Recent()
    memory._bytes = recent.MAX_BYTES + 1
    add(memory, 1)
    assert remembered(memory, 0) == []
    add(memory, 2)
    assert remembered(memory, 1) == [2]


def test_what_lies_before_a_hole_is_forgotten():
    memory = Recent()
    for position in (1, 3, 4):
        add(memory, position)
    assert remembered(memory, 0) == []
    assert remembered(memory, 2) == [3, 4]


def test_what_lies_behind_a_hole_can_be_asked_for_all_the_same():
    memory = Recent()
    for position in (1, 3, 4):
        add(memory, position)
    assert [position for position, _ in memory.since(0)] == [3, 4]
    assert [position for position, _ in memory.since(3)] == [4]
