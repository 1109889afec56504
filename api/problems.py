"""Errors as people and programs get them: problem details (RFC 9457)."""

import logging
from collections.abc import Iterator, Sequence
from http import HTTPStatus

import msgspec
from quart import Quart, Response
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

from application.accounts import NotLoggedIn, WeakPassword, WrongLogin
from application.allowance import TooManyRuns
from application.environment import EnvironmentRefused
from application.executions import (
    InvalidRequest,
    KeyReused,
    LimitAboveCeiling,
    NetworkNotGranted,
    TooLarge,
    UnknownLanguage,
)
from application.moments import NoSuchMoment
from application.outlets import TargetMisnamed, TargetRefused
from application.ports import (
    ContentUnreadable,
    Erased,
    LogUnavailable,
    StreamNotFound,
    UnreadableEvent,
    VersionConflict,
    WrongMasterKey,
)
from application.read_models import UnknownReadModel
from application.selection import SelectionRefused
from domain.dead_letter import ReasonMissing
from domain.execution import ExecutionEnded, NoLongerWaiting, NotEnded
from domain.name import NameTaken
from domain.read_model import NothingToGoBackTo, UnderWay
from domain.replay import ReplayIs
from domain.standard_input import InputElsewhere, InputEnded, InputNotAskedFor, TooMuchInput
from domain.user import Locked
from projections.projection import DocumentDamaged

log = logging.getLogger(__name__)


NOWHERE = (
    "Nothing is at this address. An id in it is a UUID, a position a whole number; /openapi.json lists all addresses."
)
STORE_SECONDS = 2
"""A store that is away is mostly back by then."""
RUN_SECONDS = 5
"""One of many runs has mostly ended by then."""


class FieldError(msgspec.Struct, frozen=True):
    field: str
    detail: str


class ProblemDetails(msgspec.Struct, frozen=True, omit_defaults=True):
    """What went wrong and what to do about it."""

    title: str
    status: int
    detail: str
    type: str = "about:blank"
    errors: Sequence[FieldError] = ()


class Problem(Exception):
    """Ends a request with problem details."""

    def __init__(self, status: int, detail: str, errors: Sequence[FieldError] = ()) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = errors


STATUS_OF: dict[type[Exception], int] = {
    NotLoggedIn: 401,
    WrongLogin: 401,
    StreamNotFound: 404,
    UnknownReadModel: 404,
    NameTaken: 409,
    KeyReused: 409,
    ExecutionEnded: 409,
    NotEnded: 409,
    NoLongerWaiting: 409,
    InputNotAskedFor: 409,
    InputEnded: 409,
    InputElsewhere: 409,
    VersionConflict: 409,
    UnderWay: 409,
    NothingToGoBackTo: 409,
    ReplayIs: 409,
    TargetRefused: 409,
    Erased: 410,
    UnknownLanguage: 422,
    TooLarge: 422,
    TooMuchInput: 422,
    LimitAboveCeiling: 422,
    EnvironmentRefused: 422,
    NetworkNotGranted: 422,
    InvalidRequest: 422,
    WeakPassword: 422,
    ReasonMissing: 422,
    NoSuchMoment: 422,
    SelectionRefused: 422,
    TargetMisnamed: 422,
    Locked: 429,
    TooManyRuns: 429,
    UnreadableEvent: 500,
    DocumentDamaged: 500,
    ContentUnreadable: 500,
    WrongMasterKey: 500,
    LogUnavailable: 503,
}


def fields_of(error: Exception) -> Iterator[str]:
    """What of the request it is about, where a page can show it there."""
    match error:
        case EnvironmentRefused():
            yield "env"
        case LimitAboveCeiling(limit=limit):
            yield f"limits.{limit}"


def details_of(error: Exception) -> ProblemDetails:
    """What an expected error is to people."""
    status = next(STATUS_OF[kind] for kind in type(error).__mro__ if kind in STATUS_OF)
    is_meant_for_us = status == HTTPStatus.SERVICE_UNAVAILABLE
    detail = type(error).__doc__ or "" if is_meant_for_us else str(error) or type(error).__doc__ or ""
    errors = [FieldError(field, detail) for field in fields_of(error)]
    return ProblemDetails(HTTPStatus(status).phrase, status, detail, errors=errors)


def answer_problem(
    status: int, detail: str, errors: Sequence[FieldError] = (), wait_seconds: int | None = None
) -> Response:
    details = ProblemDetails(HTTPStatus(status).phrase, status, detail, errors=errors)
    response = Response(msgspec.json.encode(details), status=status, content_type="application/problem+json")
    if wait_seconds is not None:
        response.headers["Retry-After"] = str(wait_seconds)
    return response


def seconds_to_wait(error: Exception) -> int | None:
    """After how long it is worth trying again, where that is known."""
    match error:
        case Locked(seconds=seconds):
            return seconds
        case LogUnavailable():
            return STORE_SECONDS
        case TooManyRuns():
            return RUN_SECONDS
    return None


def register(app: Quart) -> None:
    """Answer every error, expected or not, with problem details."""
    app.register_error_handler(Problem, _problem)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _unexpected)
    for kind in STATUS_OF:
        app.register_error_handler(kind, _expected)


async def _problem(problem: Problem) -> Response:
    return answer_problem(problem.status, problem.detail, problem.errors)


async def _expected(error: Exception) -> Response:
    details = details_of(error)
    if details.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("a request failed: %s", str(error) or type(error).__name__)
    return answer_problem(details.status, details.detail, details.errors, wait_seconds=seconds_to_wait(error))


async def _http(error: HTTPException) -> Response:
    detail = NOWHERE if isinstance(error, NotFound) else error.description
    response = answer_problem(error.code or 500, detail or "")
    if isinstance(error, MethodNotAllowed):
        response.headers["Allow"] = ", ".join(sorted(error.valid_methods or ()))
    return response


async def _unexpected(error: Exception) -> Response:
    log.error("a request failed", exc_info=error)
    return answer_problem(500, "Something went wrong here; it was written to the server's log. Try again.")
