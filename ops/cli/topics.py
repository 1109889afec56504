"""The topics in Kafka."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from ops.cli.access import Data, core, load_settings
from ops.cli.output import AsJson, Failed, print_json, print_table

if TYPE_CHECKING:
    from adapters.kafka.topics import Seeded

app = typer.Typer(no_args_is_help=True)


@app.callback()
def topics() -> None:
    """Keeps `create` a command of its own while it is the only one."""


@app.command()
def create(
    replicas: Annotated[
        int | None, typer.Option(min=1, help="Copies of each [default: 3, or as many as brokers].")
    ] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Make the topics that are missing, and tell what is not as it should be of those that are there."""
    seeded = _create(data, replicas)
    if as_json:
        print_json(seeded)
    else:
        rows = [(topic.name, "made" if topic.is_new else "was there", _words(topic)) for topic in seeded]
        print_table(("topic", "", "differs"), rows, "")
    if unusable := [topic.name for topic in seeded if topic.is_unusable]:
        raise Failed(
            f"The number of partitions of {' and '.join(unusable)} does not fit this store's lanes, which are fixed. "
            "Delete and make it anew; the log has everything."
        )


def _create(data: Data, replicas: int | None) -> "Sequence[Seeded]":
    from adapters.kafka.clients import KafkaUnavailable  # noqa: PLC0415
    from adapters.kafka.topics import EmbeddedBroker, Refused  # noqa: PLC0415
    from adapters.kafka.topics import create as create_topics  # noqa: PLC0415

    settings = load_settings(data=data)
    container = core(settings)
    try:
        return create_topics(container.kafka_servers()(), container.log().lanes, replicas)
    except (EmbeddedBroker, KafkaUnavailable, Refused) as problem:
        raise Failed(str(problem)) from problem


def _words(topic: "Seeded") -> str:
    return ", ".join(f"{one.what} is {one.found}, should be {one.wanted}" for one in topic.differences)
