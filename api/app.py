"""The Quart application: every route, every error as problem details, live streams that end when it does."""

import asyncio
from collections.abc import AsyncGenerator

from opentelemetry import trace
from opentelemetry.propagate import extract
from quart import Quart, Response, current_app, g, request
from werkzeug.routing import IntegerConverter

from api import (
    all_executions,
    auth,
    batch,
    catalogue,
    dead_letters,
    events,
    executions,
    health,
    live,
    openapi,
    page,
    problem_answers,
    projections,
    replays,
    sagas,
    standard_input,
    users,
)
from api.backend import Backend
from api.crossing import backend
from api.live_feeds import LiveFeeds, live_feeds
from api.live_streams import LiveStreams, live_streams
from api.messages import answer
from api.sessions import check_same_site

BODY_BYTES = 8 * 1024 * 1024
RESOURCES = (
    *(auth, executions, batch, standard_input, live, catalogue, projections, replays, dead_letters),
    *(all_executions, sagas, events, users, health, page),
)

tracer = trace.get_tracer("runledger.api")


class Digits(IntegerConverter):
    """A position in a path: ASCII digits, where the framework takes those of any script."""

    regex = "[0-9]+"


def create_app(with_backend: Backend | None) -> Quart:
    """The app on a backend; without one it only knows its routes."""
    app = Quart("runledger", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = BODY_BYTES
    app.extensions["runledger"] = with_backend
    app.url_map.converters["int"] = Digits
    for resource in RESOURCES:
        app.register_blueprint(resource.blueprint)
    app.add_url_rule("/openapi.json", "openapi", _document)
    problem_answers.register(app)
    app.before_request(check_same_site)
    app.before_request(_open_span)
    app.after_request(_finish)
    app.extensions["live_streams"] = LiveStreams()
    app.extensions["live_feeds"] = LiveFeeds()
    app.while_serving(_live_updates)
    return app


async def _live_updates() -> AsyncGenerator[None, None]:
    """Beside serving: hear what Redis says, and look once a second for what it did not say."""
    feeds = live_feeds()
    runs = (
        backend().bus.run(),
        live_streams().remind(backend()),
        feeds.me.run(backend()),
        feeds.admin.run(backend()),
        feeds.hear_progress(backend()),
    )
    tasks = [asyncio.ensure_future(run) for run in runs]
    yield
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _document() -> Response:
    return answer(openapi.document(current_app))


async def _open_span() -> None:
    """The request's span; a stream goes on longer, so it is no task's current one but stands in `g`."""
    g.span = tracer.start_span(f"{request.method} {request.url_rule or 'unknown'}", extract(dict(request.headers)))


async def _finish(response: Response) -> Response:
    response.headers.update(page.SECURITY_HEADERS)
    if "span" in g:
        g.span.set_attribute("http.response.status_code", response.status_code)
        g.span.end()
    return response
