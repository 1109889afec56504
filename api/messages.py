"""Request bodies in, answers out: JSON by msgspec, strict in what it takes."""

import json
import re
from typing import Annotated, Any, TypeAlias, TypeVar

import msgspec
from msgspec import Meta
from quart import Response, request

from api.problems import FieldError, Problem
from application.ports.log import LAST_POSITION
from application.sizes import spelled_in

T = TypeVar("T")

Position: TypeAlias = Annotated[int, Meta(ge=0, le=LAST_POSITION)]
"""A position of the log in a query string; 0 is before the first."""

_FIELD = re.compile(r"^(?P<detail>.*?)(?: - at `\$(?P<path>[^`]*)`)?$", re.DOTALL)
_NAMED = re.compile(r"(?:unknown|missing required) field `(?P<name>[^`]*)`")


HALF_A_PAIR = r"a text in it has half of a surrogate pair, such as \ud800 without its other half, which is no character"


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An empty object."""


class Fresh(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A query that waits until its read model has come to a position."""

    min_position: Position = 0


class PageQuery(Fresh, frozen=True, forbid_unknown_fields=True):
    """A part of a list; `cursor` is the `next` of the page before."""

    cursor: Annotated[str, Meta(pattern=r"^[0-9]{1,18}$")] | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 30


async def body(kind: type[T]) -> T:
    """The request's JSON body. Raises a Problem: 400 for broken JSON, 415 for another type, 422 for wrong content."""
    if request.mimetype != "application/json":
        raise Problem(415, "Send JSON with the header Content-Type: application/json.")
    content = await request.get_data()
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.ValidationError as error:
        raise Problem(422, *wrong("The request", error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        reason = HALF_A_PAIR if _has_half_a_pair(content) else error
        raise Problem(400, f"The body is not valid JSON: {reason}.") from None


async def optional_body(kind: type[T]) -> T:
    """Like `body`, but a request without one counts as one that says nothing."""
    return await body(kind) if await request.get_data() else kind()


def _has_half_a_pair(content: str | bytes) -> bool:
    """Whether it would be JSON, but for a character that cannot be. Python's own reader takes that."""
    try:
        json.dumps(json.loads(content), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    except (ValueError, RecursionError):
        return False
    return False


def query(kind: type[T]) -> T:
    """The request's query string. Raises a Problem with status 422."""
    try:
        return msgspec.convert(dict(request.args), kind, strict=False)
    except msgspec.ValidationError as error:
        raise Problem(422, *wrong("The query string", error)) from None


def wrong(subject: str, error: Exception) -> tuple[str, list[FieldError]]:
    """What msgspec says of a subject that is not right, and the same of the field that it is about."""
    sentence = spelled_in(error)
    return f"{subject} is not right: {sentence}.", [_field_error(sentence)]


def _field_error(sentence: str) -> FieldError:
    found = _FIELD.match(sentence)
    path, detail = (found["path"], found["detail"]) if found else (None, sentence)
    named = _NAMED.search(detail)
    return FieldError(".".join(filter(None, [(path or "").lstrip("."), named and named["name"]])), detail)


def answer(value: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status=status, content_type="application/json")
