"""The JSON Schemas of the events: in the repository, and in a schema registry."""

from typing import TYPE_CHECKING, Any

import typer

from ops.cli.access import Data, load_settings
from ops.cli.output import AsJson, Failed, print_json, print_line, print_table

if TYPE_CHECKING:
    from adapters.schemas.record import Record
    from adapters.schemas.registry import SchemaRegistry

app = typer.Typer(no_args_is_help=True)


@app.command()
def check(as_json: AsJson = False) -> None:
    """Whether the event classes agree with the schema files, and can read all events there may be."""
    from adapters.schemas import exported  # noqa: PLC0415
    from domain.events import EVENTS  # noqa: PLC0415

    try:
        problems = exported.check()
    except exported.FileUnreadable as error:
        raise Failed(str(error)) from error
    if as_json:
        print_json({"events": len(EVENTS), "problems": problems})
    if problems:
        raise Failed("\n".join(problem.says for problem in problems))
    if not as_json:
        print_line(f"The schema files of {len(EVENTS)} events agree with their classes.")


@app.command()
def export(as_json: AsJson = False) -> None:
    """Write the schema files that are missing or out of date; refuses what would hide an incompatible change."""
    from adapters.schemas import exported  # noqa: PLC0415

    try:
        written = exported.export()
    except exported.FileUnreadable as error:
        raise Failed(str(error)) from error
    except exported.Incompatible as refusal:
        raise Failed("\n".join(problem.says for problem in refusal.problems)) from refusal
    if as_json:
        print_json([str(file) for file in written])
        return
    for file in written:
        print_line(file)
    print_line(f"{len(written)} schema files written.")


@app.command()
def register(data: Data = None, as_json: AsJson = False) -> None:
    """Register all schemas with the schema registry of the settings."""
    from adapters.schemas.exported import committed  # noqa: PLC0415
    from adapters.schemas.registry import SchemaRegistry  # noqa: PLC0415
    from adapters.schemas.trouble import RegistryUnavailable  # noqa: PLC0415

    url = load_settings(data=data).schema_registry_url
    if not url:
        raise Failed("No schema registry is set; set RUNLEDGER_SCHEMA_REGISTRY_URL to its URL.", code=2)
    registry = SchemaRegistry(url)
    try:
        found = [_register(registry, record) for record in committed()]
    except RegistryUnavailable as error:
        raise Failed(str(error)) from error
    if as_json:
        print_json(found)
    else:
        print_table(("subject", "id", "status"), [(row["subject"], row["id"], row["status"]) for row in found], "")
    if refusals := [row["reason"] for row in found if row["reason"]]:
        raise Failed("\n".join(refusals))


def _register(registry: "SchemaRegistry", record: "Record") -> dict[str, Any]:
    from adapters.schemas.trouble import SchemaRefused  # noqa: PLC0415

    try:
        registered = registry.register(record)
    except SchemaRefused as refusal:
        return {"subject": record.name, "id": None, "status": "refused", "reason": str(refusal)}
    status = "new" if registered.is_new else "known"
    return {"subject": record.name, "id": registered.id, "status": status, "reason": None}
