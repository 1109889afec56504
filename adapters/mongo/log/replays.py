"""What replays read, and how far they have come."""

from collections.abc import Iterator, Mapping, Sequence
from uuid import UUID, uuid4

import msgspec
from pymongo import ReturnDocument
from pymongo.database import Database

from adapters.mongo.commits import envelope
from adapters.mongo.commits.commits import Placed
from adapters.mongo.connection import Document, durable, reachable
from adapters.mongo.log.journal import Journal
from application.outlets import Mark, Selected, SelectedPage, Stopped
from application.ports.log import UnreadableEvent
from domain.replay import Selection


class MongoSelecting:
    """Implements the port Selecting."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def pages(self, selection: Selection, after: int) -> Iterator[SelectedPage]:
        with reachable():
            last = min(selection.last, self._journal.head.find())
            for placed in self._journal.reading.pages(max(after, selection.first - 1), last):
                yield SelectedPage(placed[-1][0], [_selected(one) for one in placed if selection.holds(_Known(one))])


def _selected(placed: Placed) -> Selected:
    position, line = placed
    return Selected(position, line.lane, line.stream, line.type, line.data)


class _Known:
    """What is known of an event; its actor is looked up where that is asked for."""

    def __init__(self, placed: Placed) -> None:
        self.position, self._line = placed
        self.stream, self.type = self._line.stream, self._line.type

    @property
    def actor(self) -> str:
        try:
            return envelope.unwrap(self._line.data).actor
        except UnreadableEvent:
            return ""  # nobody knows


class MongoMarks:
    """Implements the port Marks: a document for each replay, and in it who moves it."""

    def __init__(self, database: Database[Document]) -> None:
        self._marks = durable(database, "replays")

    def claim(self, replay: UUID) -> Mark:
        owner = {"$set": {"owner": uuid4()}}
        with reachable():
            found = self._marks.find_one_and_update(
                {"_id": replay}, owner, upsert=True, return_document=ReturnDocument.AFTER
            )
        return _mark(found or {})

    def move(self, replay: UUID, mark: Mark) -> None:
        with reachable():
            to = {"$set": msgspec.to_builtins(mark, str_keys=True, builtin_types=(UUID,))}
            if not self._marks.update_one({"_id": replay, "owner": mark.owner}, to).matched_count:
                raise Stopped("somebody else is at it")

    def find(self, replays: Sequence[UUID]) -> Mapping[UUID, Mark]:
        with reachable():
            return {found["_id"]: _mark(found) for found in self._marks.find({"_id": {"$in": list(replays)}})}

    def forget(self, replay: UUID) -> None:
        with reachable():
            self._marks.delete_one({"_id": replay})


def _mark(found: Document) -> Mark:
    return msgspec.convert(found, Mark, strict=False, str_keys=True, builtin_types=(UUID,))
