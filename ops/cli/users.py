"""People's accounts."""

import secrets
from typing import TYPE_CHECKING, Annotated

import typer

from ops.cli.access import Data, core, load_settings, operator
from ops.cli.output import AsJson, Failed, print_json, print_line, print_table, progress

if TYPE_CHECKING:
    from application.accounts import Account, Member
    from ops.containers.core import Core

app = typer.Typer(no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The user name.")]


@app.command("list")
def list_(data: Data = None, as_json: AsJson = False) -> None:
    """All accounts, in the order they were made."""
    members = _members(core(load_settings(data=data)))
    if as_json:
        print_json(members)
        return
    rows = [
        (member.id, member.username or "(erased)", member.role, f"{member.created_at:%F %T}", _lock(member))
        for member in members
    ]
    print_table(("id", "user name", "role", "made (UTC)", "locked until (UTC)"), rows, "There are no accounts yet.")


@app.command("reset-password")
def reset_password(name: Name, data: Data = None, as_json: AsJson = False) -> None:
    """Give an account a new password, shown once; unlocks it and ends all its sessions."""
    container = core(load_settings(data=data))
    account = _account(container, name)
    password = secrets.token_urlsafe(15)
    position = container.accounts().reset_password(operator(container), account.id, password)
    if as_json:
        print_json({"id": account.id, "username": account.username, "password": password, "position": position})
        return
    print_line(f"The password of `{account.username}` is now {password} (shown this once).")


@app.command()
def unlock(name: Name, data: Data = None, as_json: AsJson = False) -> None:
    """Open an account that too many wrong passwords have locked; harmless when it is open."""
    container = core(load_settings(data=data))
    account = _account(container, name)
    position = container.accounts().unlock(operator(container), account.id)
    if as_json:
        print_json({"id": account.id, "username": account.username, "position": position})
        return
    print_line(f"`{account.username}` is open.")


def _members(container: "Core") -> "list[Member]":
    from application.ledger import Selection  # noqa: PLC0415

    now = container.clock().now()
    with progress("positions") as tell:
        registered = list(container.ledger().entries(Selection(type="User.Registered"), tell=tell))
    return [container.accounts().member(entry.stream, now) for entry in registered]


def _account(container: "Core", name: str) -> "Account":
    found = container.accounts().find(name)
    if found is None:
        raise Failed(f"There is no user {name!r}; `runledger users list` shows them all.")
    return found


def _lock(member: "Member") -> str:
    return f"{member.locked_until:%F %T}" if member.locked_until else ""
