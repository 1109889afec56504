"""Registering, logging in and out, and who am I."""

from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta
from quart import Blueprint, Response, request

from api.crossing import backend, crossing
from api.messages import answer, body
from api.openapi import Description, describe
from api.sessions import COOKIE, clear_cookie, context, current_account, set_cookie
from application.accounts import Account, NotLoggedIn
from domain.user import Role

blueprint = Blueprint("auth", __name__, url_prefix="/api/v1/auth")


EXAMPLE = {"username": "ada", "password": "a long pass phrase"}


class Login(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    username: Annotated[str, Meta(min_length=1, max_length=200)]
    password: Annotated[str, Meta(max_length=1000)]


class Me(msgspec.Struct, frozen=True):
    """Who is logged in; all fields are null when nobody is."""

    id: UUID | None
    username: str | None
    role: Role | None


class Registered(msgspec.Struct, frozen=True):
    id: UUID
    username: str
    role: Role
    position: int


@blueprint.post("/register")
@describe(Description({201: Registered}, body=Login, example=EXAMPLE))
async def register() -> Response:
    """Make an account and log in. The password needs at least 10 characters."""
    wanted = await body(Login)
    account, position = await crossing(backend().accounts.register, context(), wanted.username, wanted.password)
    _, token = await crossing(backend().accounts.log_in, context(), wanted.username, wanted.password)
    response = answer(Registered(account.id, account.username, account.role, position), 201)
    set_cookie(response, token)
    return response


@blueprint.post("/login")
@describe(Description({200: Account}, (401, 429), body=Login, example=EXAMPLE))
async def login() -> Response:
    """Log in. After five wrong passwords within 15 minutes the account waits."""
    given = await body(Login)
    account, token = await crossing(backend().accounts.log_in, context(), given.username, given.password)
    response = answer(account)
    set_cookie(response, token)
    return response


@blueprint.post("/logout")
@describe(Description({204: None}))
async def logout() -> Response:
    """Revoke the session. Harmless when nobody is logged in."""
    token = request.cookies.get(COOKIE)
    if token is not None:
        await crossing(backend().accounts.log_out, context(), token)
    response = Response(b"", status=204)
    clear_cookie(response)
    return response


@blueprint.get("/me")
@describe(Description({200: Me}, (410,)))
async def me() -> Response:
    """Who is logged in; null everywhere when nobody is."""
    try:
        account = await current_account()
    except NotLoggedIn:
        return answer(Me(None, None, None))
    return answer(Me(account.id, account.username, account.role))
