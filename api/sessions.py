"""Who is asking: the session cookie, and the context that a request's commands carry."""

from uuid import UUID

from opentelemetry import trace
from opentelemetry.propagate import inject
from quart import Response, g, request

from api.crossing import backend, crossing
from api.problems import Problem
from application.accounts import SESSION_LIFETIME, Account, NotLoggedIn
from application.ports.log import Context
from domain.user import Role

COOKIE = "runledger_session"
CSRF_HEADER, CSRF_VALUE = "X-Requested-With", "runledger"
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}


async def check_same_site() -> None:
    """A form or script of another site cannot set this header, so it cannot use the cookie to change anything."""
    if request.method not in SAFE_METHODS and request.headers.get(CSRF_HEADER) != CSRF_VALUE:
        raise Problem(403, f"Send the header {CSRF_HEADER}: {CSRF_VALUE} with every request that changes something.")


async def current_account() -> Account:
    """Raises NotLoggedIn."""
    token = request.cookies.get(COOKIE)
    if token is None:
        raise NotLoggedIn
    account = await crossing(backend().accounts.who, context(), token)
    g.account = account
    return account


async def current_admin() -> Account:
    """Raises NotLoggedIn, or a Problem with status 403 for everybody else."""
    account = await current_account()
    if account.role is not Role.ADMIN:
        raise Problem(403, "This is for admins alone; ask one.")
    return account


def context(actor: UUID | None = None) -> Context:
    """The context of this request's commands."""
    carrier: dict[str, str] = {}
    inject(carrier, trace.set_span_in_context(g.span))
    return Context(
        actor=f"user:{actor}" if actor else "anonymous",
        at=backend().clock.now(),
        correlation=request_id(),
        trace=carrier.get("traceparent", ""),
    )


def request_id() -> UUID:
    if "request_id" not in g:
        g.request_id = backend().ids.new()
    found: UUID = g.request_id
    return found


def set_cookie(response: Response, token: str) -> None:
    response.set_cookie(
        COOKIE,
        token,
        max_age=int(SESSION_LIFETIME.total_seconds()),
        httponly=True,
        samesite="Lax",
        secure=backend().is_https,
        path="/",
    )


def clear_cookie(response: Response) -> None:
    response.delete_cookie(COOKIE, httponly=True, samesite="Lax", secure=backend().is_https, path="/")
