"""Read models: how they are, and what to do with them."""

from enum import StrEnum
from threading import Event
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import msgspec
import typer

from ops.cli.access import Data, command, core, load_settings, workers
from ops.cli.entries import in_words
from ops.cli.moments import At, Time, moment
from ops.cli.output import AsJson, Bar, Failed, as_id, counted, print_json, print_line, print_table, progress
from ops.cli.work import until_ended

if TYPE_CHECKING:
    from application.ports.seals import Seals
    from application.progress import Tell
    from domain.read_model import ReadModel, Work
    from ops.containers.core import Core
    from ops.containers.workers import Workers
    from projections.overview import Overview
    from projections.projection import Projection

app = typer.Typer(no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="A read model; `projections list` shows them.")]
Detach = Annotated[bool, typer.Option("--detach", help="Do not wait for the end.")]


class Check(StrEnum):
    """How a new generation is compared with the log before it goes live."""

    SAMPLE = "sample"
    FULL = "full"


@app.command("list")
def list_(data: Data = None, as_json: AsJson = False) -> None:
    """Every read model: what is live, how far it is behind, how many events are parked."""
    from projections.registry import SHOWN  # noqa: PLC0415

    found = core(load_settings(data=data)).lookout().overview(SHOWN)
    if as_json:
        print_json(found)
        return
    rows = [(o.name, o.generation, _state(o), o.position, o.lag, f"{o.lag_seconds:.1f}", o.parked) for o in found]
    print_table(("read model", "generation", "state", "newest event", "events behind", "seconds", "parked"), rows, "")


def _state(one: "Overview") -> str:
    return f"{one.state}, {one.building.generation} is built" if one.building else one.state


@app.command()
def rebuild(
    name: Name,
    verify: Annotated[Check, typer.Option(help="How the new one is compared with the log before.")] = Check.SAMPLE,
    drop_old: Annotated[bool, typer.Option("--drop-old", help="Keep no way back.")] = False,
    detach: Detach = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Fold it anew from the log beside the live one, compare it with the log, then swap."""
    if drop_old and detach:
        raise Failed("--drop-old waits for the end of the rebuild; leave out --detach.", code=2)
    container = core(load_settings(data=data))
    steering = container.steering()
    position = command(container, lambda context: steering.rebuild(context, name, is_full=verify is Check.FULL))
    if detach:
        _print_position(position, as_json)
        return
    _print_end(until_ended(container, _known(container, name)), as_json)
    if drop_old:
        command(container, lambda context: steering.drop_previous(context, name))


@app.command()
def rollback(name: Name, detach: Detach = False, data: Data = None, as_json: AsJson = False) -> None:
    """Ask the generation before again, once it has caught up."""
    container = core(load_settings(data=data))
    position = command(container, lambda context: container.steering().roll_back(context, name))
    _print_position(position, as_json) if detach else _print_end(
        until_ended(container, _known(container, name)), as_json
    )


@app.command()
def pause(name: Name, data: Data = None, as_json: AsJson = False) -> None:
    """Fold nothing into it until it is resumed; it is asked as before."""
    container = core(load_settings(data=data))
    _print_position(command(container, lambda context: container.steering().pause(context, name)), as_json)


@app.command()
def resume(name: Name, data: Data = None, as_json: AsJson = False) -> None:
    """Go on folding."""
    container = core(load_settings(data=data))
    _print_position(command(container, lambda context: container.steering().resume(context, name)), as_json)


def _print_position(position: int, as_json: bool) -> None:
    print_json({"position": position}) if as_json else print_line(f"Asked for, at position {position}.")


# The end of what was asked for --------------------------------------------------------------------------------


def _print_end(model: "ReadModel", as_json: bool) -> None:
    from domain.read_model import Ending  # noqa: PLC0415

    work = model.last_work
    if work is None:
        return
    if as_json:
        print_json({"name": model.projection, **msgspec.structs.asdict(work)})
    elif work.ending is Ending.LIVE:
        print_line(f"Generation {work.generation} of {model.projection} is live; {_compared(model.projection, work)}.")
    if work.ending is Ending.REFUSED:
        raise Failed(f"Nothing has changed: {work.reason}.")


def _compared(name: str, work: "Work") -> str:
    """A rollback compares nothing: it is there to be quick."""
    if not work.documents:
        return f"nothing was compared: `runledger projections verify {name}` does"
    return f"{counted(work.documents, 'document')} compared"


# Looking ------------------------------------------------------------------------------------------------------


@app.command()
def verify(
    name: Name,
    full: Annotated[bool, typer.Option("--full", help="Every document, not a sample.")] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Compare what is stored with a fold of the log, document by document, down to the byte."""
    container = workers(load_settings(data=data))
    model = _known(container, name)
    generation = container.read_models().generations.pointer(name).generation
    with progress("verify") as bar:
        found = container.hands().verify(model, generation, Event(), _telling(container, name, bar), is_full=full)
    if as_json:
        print_json({"name": name, "generation": generation, "is_full": full, **msgspec.structs.asdict(found)})
    else:
        for finding in found.findings:
            print_line(finding.in_words)
        print_line(f"{counted(found.documents, 'document')} compared, digest {found.digest}")
    if found.findings:
        wrong = counted(len(found.findings), "document")
        raise Failed(f"Not as the log says: {wrong}; `projections rebuild {name}` mends it.")


def _telling(container: "Workers", name: str, bar: Bar) -> "Tell":
    """To whoever looks at the bar, and to admins elsewhere."""

    def tell(done: int, total: int) -> None:
        bar(done, total)
        container.progress().tell("verify", name, done, total)

    return tell


@app.command()
def query(
    name: Name,
    document: Annotated[str, typer.Argument(help="The document's id.")],
    at: At = None,
    time: Time = None,
    replay: Annotated[
        UUID | None, typer.Option(parser=as_id, metavar="ID", help="As this replay has made it beside the live one.")
    ] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """One document: as it is, as it was, or as a replay has made it."""
    if replay and (at is not None or time):
        raise Failed("A replay holds what was selected for it; leave out --at and --time.", code=2)
    container = core(load_settings(data=data))
    model = _known(container, name)
    generation = _generation(container, name, replay)
    upto = moment(container, at, time)
    id = _document_id(document)
    if upto is None:
        found = container.stored().document(name, generation, id)
    else:
        found = container.past().document(model, generation, id, upto)
    if found is None:
        raise Failed(
            f"There is no document {document!r} in {name}{f' at position {upto}' if upto is not None else ''}."
        )
    _print_document({"id": document, **found}, container.seals(), as_json)


def _generation(container: "Core", name: str, replay: UUID | None) -> int:
    pointer = container.read_models().generations.pointer(name)
    if replay is None:
        return pointer.generation
    if not (made := pointer.of_replay(replay)):
        raise Failed(f"The replay {replay} has made nothing of {name}, or that was dropped.")
    return made.number


def _print_document(found: dict[str, Any], seals: "Seals", as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    rows = [(name, in_words(value, seals)) for name, value in sorted(found.items())]
    print_table(("field", "value"), rows, "")


def _known(container: "Core", name: str) -> "Projection":
    from projections.registry import BY_NAME  # noqa: PLC0415

    command(container, lambda _: container.steering().check(name))
    return BY_NAME[name]


def _document_id(text: str) -> UUID | str:
    try:
        return UUID(text)
    except ValueError:
        return text
