"""The tree of what led to what."""

from uuid import UUID, uuid4

from application.causation import by_causation
from application.ledger import Entry
from tests.contracts.event_log import NOON

REQUEST = uuid4()


def entry(position: int, causation: int | None = None) -> Entry:
    """The event with this number as its position and id."""
    cause = UUID(int=causation) if causation else None
    return Entry(position, 0, uuid4(), 1, "A.B", 1, UUID(int=position), NOON, "operator", REQUEST, cause, "", {})


def shape(branches):
    return [(branch.entry.position, shape(branch.caused)) for branch in branches]


def test_each_event_stands_below_the_one_that_led_to_it_in_the_order_of_the_log():
    found = by_causation([entry(1), entry(2), entry(5, 1), entry(6, 5), entry(8, 1), entry(9, 2)])
    assert shape(found) == [(1, [(5, [(6, [])]), (8, [])]), (2, [(9, [])])]


def test_an_event_whose_cause_belongs_to_another_request_begins_a_tree():
    assert shape(by_causation([entry(3, 1), entry(4, 3)])) == [(3, [(4, [])])]


def test_no_event_is_left_out_because_it_names_a_later_one_or_itself():
    assert shape(by_causation([entry(1, 2), entry(2, 1), entry(3, 3)])) == [(1, [(2, [])]), (3, [])]


def test_nothing_makes_an_empty_tree():
    assert by_causation([]) == []
