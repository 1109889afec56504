"""Comparing a read model with a fold of the log, document by document, while it goes on changing."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from hashlib import sha256
from math import ceil
from typing import Any, Protocol, TypeAlias
from zlib import crc32

import msgspec

from application.ports.log import Recorded
from application.progress import Tell, tell_nobody
from projections.changes import Changes
from projections.folding import Folding
from projections.projection import DocumentId, Projection
from projections.scanning import Scanning

PASS_DOCUMENTS = 40_000
"""How many documents are compared in one pass over the log; they are in memory as the fold makes them."""
SAMPLE = 20
"""One document of so many is compared where not all are."""
FEW = 1_000
"""So few documents are all compared, always."""
LOOKS = 3
"""How often what differs is looked at again: parked events may have been folded in between."""

Wanted: TypeAlias = Callable[[DocumentId], bool]


class Flaw(StrEnum):
    CHANGED = "changed"
    """It is not what the fold makes."""
    STALE = "stale"
    """It lacks its newest events."""
    MISSING = "missing"
    EXTRA = "extra"
    """The fold makes no such document."""


class Finding(msgspec.Struct, frozen=True):
    """A document that is not as the log says."""

    document: str
    flaw: Flaw
    position: int
    """Of the last event in it, as stored; 0 where it is missing."""
    fields: tuple[str, ...] = ()
    """Those that differ."""

    @property
    def in_words(self) -> str:
        where = f", last changed by position {self.position}" if self.position else ""
        return f"{self.document} is {self.flaw}{where}{': ' if self.fields else ''}{', '.join(self.fields)}"


class Verified(msgspec.Struct, frozen=True):
    """What was compared, and what was found."""

    documents: int
    digest: str
    """Of the stored documents that were compared: the sum of their SHA-256 modulo 2^256, in hex; no order counts."""
    findings: tuple[Finding, ...] = ()

    def __add__(self, other: "Verified") -> "Verified":
        total = (int(self.digest, 16) + int(other.digest, 16)) % 2**256
        return Verified(self.documents + other.documents, f"{total:064x}", self.findings + other.findings)


NOTHING = Verified(0, f"{0:064x}")


class Form(Protocol):
    """How the store keeps documents."""

    def canonical(self, document: Mapping[str, Any]) -> bytes:
        """The same bytes for what it keeps as the same document, whatever the order of its fields."""

    def decoded(self, canonical: bytes) -> dict[str, Any]: ...


class Stored(Form, Protocol):
    """Where the read models are. Every method may raise LogUnavailable."""

    def positions_of(self, projection: str, generation: int) -> Mapping[int, int]:
        """How far the generation has come, by lane."""

    def skipped(self, projection: str, generation: int) -> frozenset[int]:
        """The positions that are parked in this generation, or discarded."""

    def documents(self, projection: str, generation: int) -> Iterator[tuple[DocumentId, dict[str, Any]]]:
        """All documents as they are stored, with the lane each belongs to as its `lane`."""

    def count(self, projection: str, generation: int) -> int:
        """About how many documents there are."""


class Verification:
    """Of some lanes of one generation."""

    def __init__(
        self, log: Scanning, stored: Stored, projection: Projection, generation: int, lanes: frozenset[int]
    ) -> None:
        self._log = log
        self._stored = stored
        self._projection = projection
        self._generation = generation
        self._lanes = lanes

    def run(self, *, is_full: bool, tell: Tell = tell_nobody) -> Verified:
        """Compare every document, or a sample."""
        count = self._stored.count(self._projection.name, self._generation)
        parts = ceil(count / PASS_DOCUMENTS) or 1
        if not is_full and count > FEW:
            return self._compare(_part(0, max(parts, SAMPLE)), tell)
        passes = (self._compare(_part(number, parts), _pass(tell, number, parts)) for number in range(parts))
        return sum(passes, start=NOTHING)

    def _compare(self, is_wanted: Wanted, tell: Tell) -> Verified:
        verified = self._look(is_wanted, tell)
        for _ in range(LOOKS):
            if not verified.findings:
                break
            doubtful = {finding.document for finding in verified.findings}
            again = self._look(lambda document: str(document) in doubtful, tell)  # noqa: B023 - called before it changes
            verified = msgspec.structs.replace(verified, findings=again.findings)
        return verified

    def _look(self, is_wanted: Wanted, tell: Tell) -> Verified:
        """The cursors first: each document is at least as new as its lane's."""
        positions = self._stored.positions_of(self._projection.name, self._generation)
        look = _Look(self._stored, {lane: positions[lane] for lane in self._lanes})
        for id, document in self._stored.documents(self._projection.name, self._generation):
            if document["lane"] in self._lanes and is_wanted(id):
                look.add(id, document)
        skipped = self._stored.skipped(self._projection.name, self._generation)
        foldings = {lane: Folding(self._projection, discarded=skipped, is_wanted=is_wanted) for lane in self._lanes}
        for page in self._log.scan(self._lanes, 0, look.end):
            look.take(page.events, foldings)
            tell(page.upto, look.end)
        return look.result(foldings)


class _Look:
    """The stored documents beside what the fold makes of the events up to where they are."""

    def __init__(self, form: Form, cursors: Mapping[int, int]) -> None:
        self._form = form
        self._cursors = cursors
        self._ends = dict(cursors)
        """Up to where events are needed, by lane."""
        self._stored: dict[DocumentId, bytes] = {}
        self._ahead: dict[int, dict[int, list[DocumentId]]] = defaultdict(lambda: defaultdict(list))
        """Documents changed since the cursors were read: by lane and by the position of their last event."""
        self._later: dict[int, list[Recorded]] = defaultdict(list)
        self._digest = 0
        self._findings: list[Finding] = []

    @property
    def end(self) -> int:
        return max(self._ends.values())

    def add(self, id: DocumentId, document: dict[str, Any]) -> None:
        lane, position = document["lane"], document.get("position", 0)
        self._stored[id] = stored = self._form.canonical(document)
        self._digest += int.from_bytes(sha256(str(id).encode() + stored).digest(), "big")
        if position > self._cursors[lane]:
            self._ahead[lane][position].append(id)
            self._ends[lane] = max(self._ends[lane], position)

    def take(self, events: Iterable[Recorded], foldings: Mapping[int, Folding]) -> None:
        for event in events:
            if event.position <= self._cursors[event.lane]:
                foldings[event.lane].take(event)
            elif event.position <= self._ends[event.lane]:
                self._later[event.lane].append(event)

    def result(self, foldings: Mapping[int, Folding]) -> Verified:
        ahead = {id for by_position in self._ahead.values() for ids in by_position.values() for id in ids}
        for lane, folding in foldings.items():
            for id in folding.changes.keys() - ahead:
                self._compare(id, lane, folding.changes)
            self._compare_ahead(lane, folding)
        made = {id for folding in foldings.values() for id in folding.changes}
        for id in self._stored.keys() - made - ahead:
            self._findings.append(Finding(str(id), Flaw.EXTRA, self._position(id)))
        return Verified(len(self._stored), f"{self._digest % 2**256:064x}", tuple(self._findings))

    def _compare_ahead(self, lane: int, folding: Folding) -> None:
        """Each document right behind the event it was last changed by."""
        for event in self._later[lane]:
            folding.take(event)
            for id in self._ahead[lane].pop(event.position, ()):
                self._compare(id, lane, folding.changes)
        for position, ids in self._ahead[lane].items():
            self._findings += (Finding(str(id), Flaw.CHANGED, position, ("position",)) for id in ids)

    def _compare(self, id: DocumentId, lane: int, changes: Changes) -> None:
        if id not in changes:
            self._findings.append(Finding(str(id), Flaw.EXTRA, self._position(id)))
        elif id not in self._stored:
            self._findings.append(Finding(str(id), Flaw.MISSING, 0))
        elif self._stored[id] != (made := self._form.canonical({**changes[id].document, "lane": lane})):
            self._findings.append(self._difference(id, made))

    def _difference(self, id: DocumentId, made: bytes) -> Finding:
        stored, expected = self._form.decoded(self._stored[id]), self._form.decoded(made)
        differ = {name for name in stored.keys() | expected.keys() if stored.get(name) != expected.get(name)}
        is_stale = stored.get("position", 0) < expected["position"]
        return Finding(
            str(id), Flaw.STALE if is_stale else Flaw.CHANGED, stored.get("position", 0), tuple(sorted(differ))
        )

    def _position(self, id: DocumentId) -> int:
        return int(self._form.decoded(self._stored[id]).get("position", 0))


def _part(number: int, of: int) -> Wanted:
    """One of so many parts of all documents, by their ids."""
    return _any if of == 1 else lambda document: crc32(str(document).encode()) % of == number


def _any(_document: DocumentId) -> bool:
    return True


def _pass(tell: Tell, number: int, of: int) -> Tell:
    """Tells how far all passes are together."""
    return lambda done, total: tell(number * total + done, of * total)
