"""The built page, and the headers that keep it safe."""

from quart import Blueprint, Response, send_from_directory

from api.crossing import backend
from api.problems import Problem

blueprint = Blueprint("page", __name__)

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'; "
        "base-uri 'none'; form-action 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}

FOR_EVER = "public, max-age=31536000, immutable"  # a changed file has another name


@blueprint.get("/")
async def index() -> Response:
    if not (backend().page / "index.html").is_file():
        raise Problem(503, "The page is not built; run `make setup`.")
    response = await send_from_directory(backend().page, "index.html")
    response.headers["Cache-Control"] = "no-cache"
    return response


@blueprint.get("/assets/<name>")
async def asset(name: str) -> Response:
    response = await send_from_directory(backend().page / "assets", name)
    response.headers["Cache-Control"] = FOR_EVER
    return response
