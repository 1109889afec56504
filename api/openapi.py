"""The OpenAPI 3.1 document, made from the routes and the types they say they take and give."""

import re
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from importlib.metadata import version
from typing import Any, TypeVar

import msgspec
from quart import Quart
from werkzeug.routing import Rule

from api.problems import ProblemDetails
from api.sessions import SAFE_METHODS

Route = TypeVar("Route", bound=Callable[..., Any])

VERSION = version("runledger")
REFERENCE = "#/components/schemas/{name}"
METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE"}
BODY_PROBLEMS = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
)


class Description(msgspec.Struct, frozen=True):
    """What one route takes and gives. Problems that follow from the rest (`_problems`) need not be named."""

    answers: Mapping[int, Any]
    problems: tuple[int, ...] = ()
    has_optional_body: bool = False
    needs_store: bool = True
    body: Any = None
    example: Mapping[str, Any] | None = None
    query: type[msgspec.Struct] | None = None
    headers: Mapping[str, str] = {}
    media_type: str = "application/json"


_descriptions: dict[str, Description] = {}


def describe(description: Description) -> Callable[[Route], Route]:
    """Put a route into the document; its docstring says what it does."""

    def note(route: Route) -> Route:
        _descriptions[f"{route.__module__}.{route.__name__}"] = description
        return route

    return note


def document(app: Quart) -> dict[str, Any]:
    """The whole document. Routes without a description (the page's files) are left out."""
    routes = [(rule, route, found) for rule, route, found in _routes(app) if found]
    kinds = [ProblemDetails, *(kind for _, _, found in routes for kind in _kinds(found))]
    _, schemas = msgspec.json.schema_components(kinds, ref_template=REFERENCE)
    paths: dict[str, dict[str, Any]] = {}
    for rule, route, found in routes:
        for method in sorted((rule.methods or set()) & METHODS):
            paths.setdefault(_path(rule), {})[method.lower()] = _operation(rule, method, route, found)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Runledger", "version": VERSION},
        "paths": dict(sorted(paths.items())),
        "components": {"schemas": schemas},
    }


def _routes(app: Quart) -> Iterator[tuple[Rule, Callable[..., Any], Description | None]]:
    for rule in app.url_map.iter_rules():
        route = app.view_functions[rule.endpoint]
        yield rule, route, _descriptions.get(f"{route.__module__}.{route.__name__}")


def _kinds(found: Description) -> Iterator[Any]:
    yield from (kind for kind in (*found.answers.values(), found.body, found.query) if kind not in {None, bytes})


def _path(rule: Rule) -> str:
    return re.sub(r"<(?:[^:>]+:)?([^>]+)>", r"{\1}", rule.rule)


def _operation(rule: Rule, method: str, route: Callable[..., Any], found: Description) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.__name__,
        "summary": (route.__doc__ or "").strip(),
        "tags": [rule.endpoint.partition(".")[0]],
        "parameters": [*_path_parameters(rule), *_query_parameters(found), *_headers(method, found)],
        "responses": {str(status): _answer(status, kind, found) for status, kind in found.answers.items()}
        | {str(status): _problem(status) for status in sorted({*found.problems, *_problems(rule, method, found)})},
    }
    if found.body:
        content: dict[str, Any] = {"schema": _schema(found.body)}
        if found.example is not None:
            content["example"] = found.example
        operation["requestBody"] = {"required": not found.has_optional_body, "content": {"application/json": content}}
    return operation


def _problems(rule: Rule, method: str, found: Description) -> Iterator[int]:
    """What can go wrong with every route of this kind."""
    if method not in SAFE_METHODS:
        yield HTTPStatus.FORBIDDEN
    if "id" in rule.arguments:
        yield HTTPStatus.NOT_FOUND
    if found.body:
        yield from BODY_PROBLEMS
    if found.query:
        yield HTTPStatus.UNPROCESSABLE_ENTITY
    if found.query and "min_position" in found.query.__struct_fields__:
        yield HTTPStatus.GATEWAY_TIMEOUT
    if found.needs_store:
        yield from (HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.SERVICE_UNAVAILABLE)
    if found.needs_store and method not in SAFE_METHODS:
        yield HTTPStatus.CONFLICT


def _path_parameters(rule: Rule) -> Iterator[dict[str, Any]]:
    for name in sorted(rule.arguments):
        kind = {"type": "string", "format": "uuid"} if name == "id" else {"type": "string"}
        yield {"name": name, "in": "path", "required": True, "schema": kind}


def _query_parameters(found: Description) -> Iterator[dict[str, Any]]:
    if found.query:
        _, schemas = msgspec.json.schema_components([found.query], ref_template=REFERENCE)
        for name, schema in schemas[found.query.__name__]["properties"].items():
            yield {"name": name, "in": "query", "required": False, "schema": schema}


def _headers(method: str, found: Description) -> Iterator[dict[str, Any]]:
    if method != "GET":
        only = {"type": "string", "const": "runledger"}
        yield {"name": "X-Requested-With", "in": "header", "required": True, "schema": only}
    for name, meaning in found.headers.items():
        yield {"name": name, "in": "header", "required": False, "description": meaning, "schema": {"type": "string"}}


def _answer(status: int, kind: Any, found: Description) -> dict[str, Any]:
    described = {"description": HTTPStatus(status).phrase}
    if kind is None:
        return described
    schema = {"type": "string", "contentEncoding": "binary"} if kind is bytes else _schema(kind)
    return described | {"content": {found.media_type: {"schema": schema}}}


def _problem(status: int) -> dict[str, Any]:
    content = {"application/problem+json": {"schema": _schema(ProblemDetails)}}
    return {"description": HTTPStatus(status).phrase, "content": content}


def _schema(kind: Any) -> dict[str, str]:
    return {"$ref": REFERENCE.format(name=kind.__name__)}
