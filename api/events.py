"""The log, for admins: looked through from the log itself; its figures from a read model."""

from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta
from quart import Blueprint, Response

from api.backend import Backend
from api.crossing import backend, crossing
from api.messages import Position, answer, query
from api.openapi import Description, describe
from api.problems import Problem
from api.sessions import current_admin
from api.waiting import until
from application.causation import Branch, by_causation
from application.ledger import Entry, Ledger, Selection, exported, with_sealed
from application.ports.log import LAST_POSITION
from application.selection import check_order, check_types
from domain.events import EVENTS
from domain.sealed import Sealed
from projections import event_stats
from projections.event_stats import EventCount, EventStats

blueprint = Blueprint("events", __name__, url_prefix="/api/v1/admin/events")

SPAN = 20_000
"""How many positions one request looks through at most."""
LINES_AT_ONCE = 1_000


class EventView(msgspec.Struct, frozen=True, kw_only=True):
    """One event without its own fields. Times in UTC."""

    position: int
    lane: int
    stream: UUID
    version: int
    type: str
    id: UUID
    at: datetime
    actor: str
    correlation: UUID
    causation: UUID | None


class EventDetail(EventView, frozen=True, kw_only=True):
    """All that is known of one event; private content stays sealed."""

    schema: int
    trace: str
    data: Any


class EventPage(msgspec.Struct, frozen=True):
    items: list[EventView]
    next: str | None
    """Send it as `cursor` to look farther, also where nothing was found yet; null at the end."""


class TracedEvent(msgspec.Struct, frozen=True):
    """An event, and those that it led to."""

    event: EventView
    caused: "list[TracedEvent]"


class Trace(msgspec.Struct, frozen=True):
    correlation: UUID
    events: list[TracedEvent]


class EventsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    cursor: Annotated[str, Meta(pattern=r"^[0-9]{1,18}$")] | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 30
    type: str | None = None
    stream: UUID | None = None
    actor: str | None = None
    """Such as `user:` with an id."""
    since: Annotated[datetime, Meta(tz=True)] | None = None
    until: Annotated[datetime, Meta(tz=True)] | None = None
    """Not included."""
    from_position: Position = 0
    to_position: Annotated[int, Meta(ge=1, le=LAST_POSITION)] | None = None


class StatsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    days: Annotated[int, Meta(ge=1, le=366)] = 30
    """How many, up to today (UTC)."""
    min_position: Position = 0


class ExportQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    after: Position = 0
    """Only events after this position."""


@blueprint.get("")
@describe(Description({200: EventPage}, (401, 403), query=EventsQuery))
async def list_events_of_all() -> Response:
    """Events in the order of the log. A page ends with its limit, or 20,000 positions on."""
    await current_admin()
    wanted = query(EventsQuery)
    _check(wanted, await crossing(backend().ledger.head))
    return answer(await crossing(_page, backend().ledger, wanted))


@blueprint.get("/stats")
@describe(Description({200: EventStats}, (401, 403), query=StatsQuery))
async def show_event_stats() -> Response:
    """How many events there are of the last days, by type, day and lane."""
    await current_admin()
    wanted = query(StatsQuery)
    await until(backend(), event_stats.PROJECTION.name, wanted.min_position)
    first = (backend().clock.now() - timedelta(days=wanted.days - 1)).date()
    return answer(event_stats.added_up(await backend().read_models.find(event_stats.since(first), EventCount)))


@blueprint.get("/export")
@describe(Description({200: bytes}, (401, 403), query=ExportQuery, media_type="application/jsonl"))
async def export_events() -> Response:
    """The log as JSON Lines, each event to the byte as it stands there; private content as ciphertext."""
    await current_admin()
    after = query(ExportQuery).after
    if after > (head := await crossing(backend().ledger.head)):
        raise Problem(422, f"There is no position {after} yet; the log ends at {head}.")
    response = Response(_lines(backend(), after), content_type="application/jsonl")
    response.timeout = None  # a log may be long
    return response


@blueprint.get("/<int:position>")
@describe(Description({200: EventDetail}, (401, 403, 404)))
async def show_event(position: int) -> Response:
    """All that is known of one event."""
    await current_admin()
    entry = await _found(position)
    same = {name: getattr(entry, name) for name in EventDetail.__struct_fields__ if name != "data"}
    return answer(EventDetail(**same, data=with_sealed(entry.data, _sealed)))


@blueprint.get("/<int:position>/trace")
@describe(Description({200: Trace}, (401, 403, 404)))
async def trace_event(position: int) -> Response:
    """All that followed from the request that led to an event, as a tree, as far as 20,000 positions around it."""
    await current_admin()
    entry = await _found(position)
    return answer(await crossing(_trace, backend().ledger, entry))


async def _found(position: int) -> Entry:
    found = await crossing(backend().ledger.find, position) if 0 < position <= LAST_POSITION else None
    if found is None:
        raise Problem(404, f"There is no event {position}.")
    return found


async def _lines(backend: Backend, after: int) -> AsyncIterator[bytes]:
    lines = backend.ledger.lines(after)
    while some := await backend.cross(_some, lines):
        yield some


def _some(lines: Iterator[tuple[int, bytes]]) -> bytes:
    return b"".join(exported(position, event) for position, event in islice(lines, LINES_AT_ONCE))


def _check(wanted: EventsQuery, head: int) -> None:
    """Raises SelectionRefused or Problem where no event could ever be found."""
    check_types([] if wanted.type is None else [wanted.type], EVENTS)
    check_order(wanted.since, wanted.until)
    if wanted.from_position > head:
        raise Problem(422, f"There is no position {wanted.from_position} yet; the log ends at {head}.")
    if wanted.to_position is not None and wanted.from_position > wanted.to_position:
        raise Problem(422, f"No position is from {wanted.from_position} on and up to {wanted.to_position}.")


def _page(ledger: Ledger, wanted: EventsQuery) -> EventPage:
    last = min(ledger.head(), wanted.to_position or LAST_POSITION)
    after = max(int(wanted.cursor or 0), wanted.from_position - 1, 0)
    upto = last if wanted.stream else min(last, after + SPAN)
    names = ("type", "stream", "actor", "since", "until")
    selection = Selection(**{name: getattr(wanted, name) for name in names}, upto=upto)
    found = list(islice(ledger.entries(selection, after), wanted.limit))
    reached = found[-1].position if len(found) == wanted.limit else upto
    return EventPage([event_view(entry) for entry in found], str(reached) if reached < last else None)


def _trace(ledger: Ledger, entry: Entry) -> Trace:
    around = Selection(correlation=entry.correlation, upto=entry.position + SPAN)
    branches = by_causation(ledger.entries(around, max(0, entry.position - SPAN)))
    return Trace(entry.correlation, _traced(branches))


def _traced(branches: Sequence[Branch]) -> list[TracedEvent]:
    return [TracedEvent(event_view(branch.entry), _traced(branch.caused)) for branch in branches]


def event_view(entry: Entry) -> EventView:
    return EventView(**{name: getattr(entry, name) for name in EventView.__struct_fields__})


def _sealed(sealed: Sealed[Any]) -> dict[str, Any]:
    return {"state": "sealed", "key": sealed.key, "size": sealed.size}
