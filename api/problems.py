"""Errors as people and programs get them: problem details (RFC 9457)."""

from collections.abc import Iterator, Sequence
from http import HTTPStatus

import msgspec

from application.accounts import NotLoggedIn, WeakPassword, WrongLogin
from application.allowance import TooManyRuns
from application.environment import EnvironmentRefused
from application.executions import KeyReused, NetworkNotGranted
from application.languages import UnknownLanguage
from application.moments import NoSuchMoment
from application.outlets import TargetMisnamed, TargetRefused
from application.ports.log import LogUnavailable, StreamNotFound, UnreadableEvent, VersionConflict
from application.ports.seals import ContentUnreadable, Erased, WrongMasterKey
from application.read_models import UnknownReadModel
from application.run_requests import InvalidRequest, LimitAboveCeiling, TooLarge
from application.selection import SelectionRefused
from domain.dead_letter import ReasonMissing
from domain.execution import ExecutionEnded, NoLongerWaiting, NotEnded
from domain.name import NameTaken
from domain.read_model import NothingToGoBackTo, UnderWay
from domain.replay import ReplayIs
from domain.standard_input import InputElsewhere, InputEnded, InputNotAskedFor, TooMuchInput
from domain.user import Locked
from projections.projection import DocumentDamaged


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
