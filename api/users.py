"""People's accounts, for admins."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import msgspec
from quart import Blueprint, Response

from api.all_executions import OwnedView, owned_view
from api.crossing import backend, crossing
from api.events import EventView, event_view
from api.messages import Fresh, PageQuery, answer, query
from api.openapi import Description, describe
from api.problems import Problem
from api.sessions import current_admin
from api.waiting import until
from application.ledger import Selection
from application.ports.seals import Erased, Seals
from domain.sealed import Sealed
from domain.user import Role
from projections import execution_history, usage, user_directory
from projections.execution_history import ExecutionRow
from projections.usage import Usage
from projections.user_directory import Person

blueprint = Blueprint("users", __name__, url_prefix="/api/v1/admin/users")

RUNS, EVENTS, DAYS = 10, 20, 30


class UserView(msgspec.Struct, frozen=True, kw_only=True):
    """One account. Times in UTC."""

    id: UUID
    username: str | None
    """Null when the person's data was erased."""
    role: Role
    registered_at: datetime
    last_login_at: datetime | None
    last_failure_at: datetime | None
    """When a wrong password was given last."""
    position: int


class UserDetail(UserView, frozen=True, kw_only=True):
    locked_until: datetime | None


class UserPage(msgspec.Struct, frozen=True):
    items: list[UserView]
    next: str | None
    """Send it as `cursor` for the next page; null on the last one."""


class UserOverview(msgspec.Struct, frozen=True):
    """One account and what it did last."""

    user: UserDetail
    runs: list[OwnedView]
    usage: Sequence[Usage]
    """Of the last 30 days (UTC), the newest first; days without a run are left out."""
    events: list[EventView]
    """The account's own, the newest first."""


@blueprint.get("")
@describe(Description({200: UserPage}, (401, 403), query=PageQuery))
async def list_users() -> Response:
    """All accounts, in the order they were made."""
    await current_admin()
    wanted = query(PageQuery)
    await until(backend(), user_directory.PROJECTION.name, wanted.min_position)
    people = await backend().read_models.find(user_directory.page(int(wanted.cursor or 0), wanted.limit + 1), Person)
    shown = people[: wanted.limit]
    next = str(shown[-1].registered_position) if len(people) > wanted.limit else None
    return answer(UserPage(await crossing(_views, backend().seals, shown), next))


@blueprint.get("/<uuid:id>")
@describe(Description({200: UserDetail}, (401, 403), query=Fresh))
async def show_user(id: UUID) -> Response:
    """One account, and whether it is locked now."""
    await current_admin()
    return answer(await _detail(id, query(Fresh).min_position))


@blueprint.get("/<uuid:id>/overview")
@describe(Description({200: UserOverview}, (401, 403), query=Fresh))
async def show_overview(id: UUID) -> Response:
    """One account with its last runs, its usage by day and its last events."""
    await current_admin()
    position = query(Fresh).min_position
    await until(backend(), execution_history.PROJECTION.name, position)
    detail = await _detail(id, position)
    find = backend().read_models.find
    runs = await find(execution_history.page(id, None, RUNS), ExecutionRow)
    days = await backend().read_models.add_up(usage.by_day(id, await crossing(_before_days)), Usage)
    return answer(UserOverview(detail, [owned_view(row) for row in runs], days, await crossing(_last_events, id)))


async def _detail(id: UUID, min_position: int) -> UserDetail:
    await until(backend(), user_directory.PROJECTION.name, min_position)
    people = await backend().read_models.find(user_directory.one(id), Person)
    if not people:
        raise Problem(404, f"There is no user {id}.")
    (view,) = await crossing(_views, backend().seals, people)
    member = await crossing(backend().accounts.member, id, backend().clock.now())
    return UserDetail(**msgspec.structs.asdict(view), locked_until=member.locked_until)


def _views(seals: Seals, people: Sequence[Person]) -> list[UserView]:
    return [_view(seals, person) for person in people]


def _view(seals: Seals, person: Person) -> UserView:
    same = {name: getattr(person, name) for name in UserView.__struct_fields__ if name != "username"}
    return UserView(**same, username=_name(seals, person.username))


def _name(seals: Seals, username: Sealed[str]) -> str | None:
    try:
        return seals.open(username).decode()
    except Erased:
        return None


def _before_days() -> int:
    """Where the log ended before the first of the last days."""
    first = (backend().clock.now() - timedelta(days=DAYS - 1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return backend().ledger.position_at(first - timedelta(milliseconds=1))


def _last_events(id: UUID) -> list[EventView]:
    found = list(backend().ledger.entries(Selection(stream=id)))
    return [event_view(entry) for entry in reversed(found[-EVENTS:])]
