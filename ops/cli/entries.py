"""How entries of the log are shown."""

import base64
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from ops.cli.output import print_drawn, print_line, print_table

if TYPE_CHECKING:
    from rich.tree import Tree

    from application.causation import Branch
    from application.ledger import Entry
    from application.ports.seals import Seals
    from domain.sealed import Sealed


def as_line(entry: "Entry") -> str:
    return f"{entry.position:>8}  {entry.at:%T.%f}  {entry.type:<28} {entry.stream}  v{entry.version}  {entry.actor}"


def as_json_line(entry: "Entry") -> str:
    return msgspec.json.encode(entry).decode()


# One entry ----------------------------------------------------------------------------------------------------


def with_content(entry: "Entry", seals: "Seals", is_opened: bool) -> "Entry":
    """Sealed content as an object with its state: `sealed`, `open`, `erased`, or `unreadable` and why."""
    from application.ledger import with_sealed  # noqa: PLC0415

    data = with_sealed(entry.data, lambda sealed: _content(sealed, seals, is_opened))
    return msgspec.structs.replace(entry, data=data)


def _content(sealed: "Sealed[Any]", seals: "Seals", is_opened: bool) -> dict[str, Any]:
    from application.ports.seals import ContentUnreadable, Erased  # noqa: PLC0415

    known = {"key": sealed.key, "size": sealed.size}
    try:
        if is_opened:
            return {"state": "open", **known, **_text_or_bytes(seals.open(sealed))}
        return {"state": "erased" if seals.is_erased(sealed) else "sealed", **known}
    except Erased:
        return {"state": "erased", **known}
    except ContentUnreadable as problem:
        return {"state": "unreadable", **known, "detail": str(problem)}


def _text_or_bytes(content: bytes) -> dict[str, str]:
    try:
        return {"text": content.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(content).decode()}


def in_words(value: Any, seals: "Seals") -> str:
    """JSON; sealed content by its state and size."""
    from application.ledger import as_sealed, with_sealed  # noqa: PLC0415

    shown = with_sealed(value, lambda sealed: _content(sealed, seals, is_opened=False))
    return msgspec.json.encode(shown).decode() if as_sealed(value) is None else _in_words(shown)


def print_entry(entry: "Entry") -> None:
    fields = {name: getattr(entry, name) for name in entry.__struct_fields__ if name != "data"}
    print_table(("", ""), list(fields.items()), "")
    print_line("")
    own = entry.data if isinstance(entry.data, dict) else {"data": entry.data}
    for name, value in own.items():
        print_line(f"{name}: {_in_words(value)}")


def _in_words(value: Any) -> str:
    if not isinstance(value, dict) or "state" not in value:
        return msgspec.json.encode(value).decode()
    match value["state"]:
        case "open":
            content: str = value.get("text") or value.get("base64", "")
            return "\n" + "\n".join(f"    {line}" for line in content.splitlines())
        case "unreadable":
            return f"cannot be read: {value['detail']}"
        case state:
            return f"{state} ({value['size']:,} bytes)"


# A trace ------------------------------------------------------------------------------------------------------


def as_trace(correlation: UUID, branches: "Sequence[Branch]") -> dict[str, Any]:
    return {"correlation": correlation, "events": [_as_branch(branch, branches[0].entry) for branch in branches]}


def _as_branch(branch: "Branch", first: "Entry") -> dict[str, Any]:
    """One event with the seconds since the first one, and what it led to."""
    entry = branch.entry
    fields = {name: getattr(entry, name) for name in entry.__struct_fields__ if name not in {"data", "correlation"}}
    seconds = (entry.at - first.at).total_seconds()
    return {**fields, "seconds": seconds, "caused": [_as_branch(one, first) for one in branch.caused]}


def print_trace(correlation: UUID, branches: "Sequence[Branch]") -> None:
    from rich.tree import Tree  # noqa: PLC0415

    first = branches[0].entry
    tree = Tree(f"request {correlation}, {first.at:%F %T} (UTC)", highlight=False)
    for branch in branches:
        _grow(tree, branch, first)
    print_drawn(tree)


def _grow(tree: "Tree", branch: "Branch", first: "Entry") -> None:
    entry = branch.entry
    seconds = (entry.at - first.at).total_seconds()
    grown = tree.add(
        f"{entry.position}  +{seconds:.3f} s  {entry.type}  {entry.stream} v{entry.version}  {entry.actor}"
    )
    for one in branch.caused:
        _grow(grown, one, first)
