"""All commands together. Each imports what it needs when it runs, so that every one starts at once."""

import sys

import typer

from ops.cli import events, executions, running, schemas, show
from ops.cli.output import Failed

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="Run scripts in sandboxes, live."
)
app.add_typer(executions.app, name="executions", help="Look at runs and cancel them.")
app.add_typer(events.app, name="events", help="Read the event log.")
app.add_typer(schemas.app, name="schemas", help="The JSON Schemas of the events.")
app.add_typer(show.config_app, name="config", help="The settings.")
app.command("run")(executions.run)
app.command("status")(show.status)
app.command("doctor")(show.doctor)
app.command("up")(running.up)
app.command("api")(running.api)
app.command("worker")(running.worker)
app.command("init", hidden=True)(running.init)


def main() -> None:
    """Run a command; a failure that can be told in words ends with exit code 1."""
    try:
        app()
    except Failed as failure:
        sys.stderr.write(f"{failure}\n")
        sys.exit(failure.code)
