"""All commands together. Each imports what it needs when it runs, so that every one starts at once."""

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from ops.cli import (
    dlq,
    events,
    executions,
    keys,
    projections,
    replay,
    run,
    running,
    runtimes,
    sagas,
    schemas,
    show,
    topics,
    users,
)
from ops.cli.output import (
    CUT,
    UNLIMITED,
    Failed,
    Unwritable,
    Unwritten,
    close,
    print_line,
    say,
    take_over_outputs,
    visible,
)
from ops.settings import SettingsInvalid


class Commands(TyperGroup):
    """All commands: each ends in the same way when whoever reads its output has had enough."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """With the whole first sentence of each."""
        commands = ((name, self.commands[name]) for name in self.list_commands(ctx))
        with formatter.section("Commands"):
            formatter.write_dl([(name, one.get_short_help_str(UNLIMITED)) for name, one in commands if not one.hidden])

    def make_context(self, *args: Any, **options: Any) -> Any:
        with _while_somebody_reads():
            return super().make_context(*args, **options)

    def invoke(self, ctx: Any) -> Any:
        if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:  # commands undo what they have begun
            signal.signal(signal.SIGINT, signal.default_int_handler)
        with _while_somebody_reads():
            return super().invoke(ctx)


@contextmanager
def _while_somebody_reads() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        close(sys.stdout)
        sys.exit(CUT)


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        from importlib.metadata import version  # noqa: PLC0415

        print_line(f"runledger {version('runledger')}")
        raise typer.Exit


@app.callback()
def runledger(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and go.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Run scripts in sandboxes, live."""


for group, name, help in (
    (executions.app, "executions", "Look at runs, cancel and repeat them."),
    (runtimes.app, "runtimes", "The languages."),
    (sagas.app, "sagas", "The way of each run through its sandbox."),
    (users.app, "users", "People's accounts."),
    (events.app, "events", "Read the event log; fill Kafka from it."),
    (projections.app, "projections", "Look at read models, rebuild and verify them."),
    (replay.app, "replay", "Events once more: into a file, a topic, or a read model beside."),
    (dlq.app, "dlq", "Events that could not be folded, and what waits behind them."),
    (schemas.app, "schemas", "The JSON Schemas of the events."),
    (keys.app, "keys", "The keys that private content is sealed with."),
    (topics.app, "topics", "The topics in Kafka."),
    (show.config_app, "config", "The settings."),
):
    app.add_typer(group, name=name, help=help, cls=Commands)
app.command("run")(run.run)
app.command("status")(show.status)
app.command("doctor")(show.doctor)
app.command("up")(running.up)
app.command("api")(running.api)
app.command("worker")(running.worker)
app.command("init", hidden=True)(running.init)


LASTING = {"up", "api", "worker"}
"""Commands whose threads finish what they have begun."""


def main() -> NoReturn:
    """Run a command and end; a failure that can be told in words ends with exit code 1."""
    try:
        take_over_outputs()
        _check_text(sys.argv[1:])
        app()
    except SystemExit as end:
        _leave(end.code)
    except Failed as failure:
        _end(str(failure), failure.code)
    except Unwritable as error:  # of help; whatever else prints tells it itself
        _end(str(Unwritten.of(error)), 1)
    except Exception as error:
        if not _is_told(error):
            raise
        _end(str(error), 1)
    _leave(0)


def _leave(code: str | int | None) -> NoReturn:
    """Without the threads of the store's client, which look only each half second whether they should end."""
    if LASTING.intersection(sys.argv[1:2]) or isinstance(code, str):
        sys.exit(code)
    os._exit(code or 0)  # what prints has written all there is


def _check_text(arguments: Sequence[str]) -> None:
    """Bytes that are no text fit into no name, id or JSON. Raises Failed with exit code 2."""
    for argument in arguments:
        try:
            argument.encode()
        except UnicodeEncodeError:
            shown = os.fsencode(argument).decode(errors="backslashreplace")
            raise Failed(f"The argument {shown} is no text; write it in UTF-8.", code=2) from None


def _is_told(error: Exception) -> bool:
    """Whether its message says to people what is wrong, wherever it comes from."""
    from application.ports.log import LogUnavailable, UnreadableEvent  # noqa: PLC0415
    from application.ports.seals import ContentUnreadable, Erased, WrongMasterKey  # noqa: PLC0415
    from projections.projection import DocumentDamaged  # noqa: PLC0415

    told = (
        ContentUnreadable,
        DocumentDamaged,
        Erased,
        LogUnavailable,
        SettingsInvalid,
        UnreadableEvent,
        WrongMasterKey,
    )
    return isinstance(error, told)


def _end(sentence: str, code: int) -> NoReturn:
    say(visible(sentence))
    _leave(code)
