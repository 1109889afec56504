"""Which languages can be run."""

import typer

from ops.cli.access import Data, load_settings
from ops.cli.output import AsJson, print_json, print_table

app = typer.Typer(no_args_is_help=True)


@app.callback()
def runtimes() -> None:
    """One command so far."""


@app.command("list")
def list_(data: Data = None, as_json: AsJson = False) -> None:
    """Every language and version, and why it cannot run here if it cannot."""
    from api.catalogue import runtime_views  # noqa: PLC0415
    from ops.containers.core import Core  # noqa: PLC0415

    views = runtime_views(Core(settings=load_settings(data=data)).runtimes().rows)
    if as_json:
        print_json(views)
        return
    rows = [(view.language, view.version, view.reason or "can run") for view in views]
    print_table(("language", "version", "here"), rows, "")
