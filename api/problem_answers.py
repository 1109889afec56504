"""Every error answered with problem details."""

import logging
from collections.abc import Sequence
from http import HTTPStatus

import msgspec
from quart import Quart, Response
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

from api.problems import STATUS_OF, FieldError, Problem, ProblemDetails, details_of
from application.allowance import TooManyRuns
from application.ports.log import LogUnavailable
from domain.user import Locked

log = logging.getLogger(__name__)


NOWHERE = (
    "Nothing is at this address. An id in it is a UUID, a position a whole number; /openapi.json lists all addresses."
)
STORE_SECONDS = 2
"""A store that is away is mostly back by then."""
RUN_SECONDS = 5
"""One of many runs has mostly ended by then."""


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
