"""The topics, by the names that consumers outside this system know as well."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future

import msgspec
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ClusterMetadata, ConfigResource, ResourceType
from confluent_kafka.cimpl import NewTopic

from adapters.kafka.clients import KafkaUnavailable, admin, is_mock

EVENTS = "runledger.events"
"""All events; the partition is the lane, the key the stream's id."""
DEAD_LETTERS = "runledger.dead-letters"
"""What happens to events that could not be folded; the key is the stream's id."""
CHECKPOINTS = "runledger.checkpoints"
"""The audit's signed checkpoints, in their order."""

ADMIN_SECONDS = 30.0
REACH_SECONDS = 10.0
"""For whoever waits at a terminal, and has mistyped the address."""
REPLICAS = 3
"""Where there are as many brokers."""
FOR_EVER = {"cleanup.policy": "delete", "retention.ms": "-1"}
PARTITIONS = "partitions"


class EmbeddedBroker(Exception):
    """The embedded Kafka makes its own topics each time it starts, and can be asked for no others.

    Give a Kafka with kafka_servers (RUNLEDGER_KAFKA_SERVERS).
    """


class Refused(Exception):
    """Kafka has refused to make a topic, or to describe it."""


class Topic(msgspec.Struct, frozen=True):
    """A topic as it should be."""

    name: str
    partitions: int
    replicas: int

    @property
    def settings(self) -> Mapping[str, str]:
        """Nothing expires: the log is the truth, but a foreign consumer has only this. One broker may be down."""
        in_sync = max(1, min(2, self.replicas - 1))
        return {**FOR_EVER, "min.insync.replicas": str(in_sync)}


class Difference(msgspec.Struct, frozen=True):
    """`partitions`, `replicas` or a setting that is not as it should be."""

    what: str
    found: str
    wanted: str


class Seeded(msgspec.Struct, frozen=True):
    """One topic after it was looked for."""

    name: str
    is_new: bool
    differences: tuple[Difference, ...] = ()

    @property
    def is_unusable(self) -> bool:
        """Its lanes have no partition, or those of others."""
        return any(difference.what == PARTITIONS for difference in self.differences)


def create(servers: str, lanes: int, replicas: int | None = None) -> Sequence[Seeded]:
    """Make the topics that are missing, and compare those that are there; none of them is changed.

    Without `replicas` there are three, or as many as brokers. Raises KafkaUnavailable, EmbeddedBroker or Refused.
    """
    client = admin(servers)
    cluster = _cluster(client, servers)
    if is_mock(cluster):
        raise EmbeddedBroker(" ".join((EmbeddedBroker.__doc__ or "").split()))
    wanted = topics(lanes, replicas or min(REPLICAS, len(cluster.brokers)))
    made = make(client, [topic for topic in wanted if topic.name not in cluster.topics])
    return [
        Seeded(topic.name, is_new=True)
        if topic.name in made
        else Seeded(topic.name, is_new=False, differences=tuple(_differences(client, servers, topic)))
        for topic in wanted
    ]


def topics(lanes: int, replicas: int) -> Sequence[Topic]:
    """All topics of a store with so many lanes."""
    return [Topic(EVENTS, lanes, replicas), Topic(DEAD_LETTERS, lanes, replicas), Topic(CHECKPOINTS, 1, replicas)]


def _cluster(client: AdminClient, servers: str) -> ClusterMetadata:
    try:
        return client.list_topics(timeout=REACH_SECONDS)
    except KafkaException as error:
        raise KafkaUnavailable(f"No Kafka broker can be reached at {servers}: {error.args[0].str()}") from error


def make(client: AdminClient, missing: Sequence[Topic]) -> set[str]:
    """The names of those that were made here, and not by somebody else at the same time."""
    if not missing:
        return set()
    wanted = [NewTopic(t.name, t.partitions, t.replicas, config=dict(t.settings)) for t in missing]
    answers = client.create_topics(wanted, operation_timeout=ADMIN_SECONDS)
    return {name for name, answer in answers.items() if _is_made(name, answer)}


def _is_made(name: str, answer: "Future[None]") -> bool:
    try:
        answer.result()
    except KafkaException as error:
        if error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS:
            return False
        raise Refused(f"The topic {name} cannot be made: {error.args[0].str()}") from error
    return True


def _differences(client: AdminClient, servers: str, topic: Topic) -> Iterator[Difference]:
    there = _cluster(client, servers).topics.get(topic.name)
    if there is None:
        return  # made by somebody else a moment ago
    partitions = there.partitions
    replicas = min((len(partition.replicas) for partition in partitions.values()), default=0)
    found = {PARTITIONS: str(len(partitions)), "replicas": str(replicas), **_settings(client, topic.name)}
    wanted = {PARTITIONS: str(topic.partitions), "replicas": str(topic.replicas), **topic.settings}
    for what, value in wanted.items():
        if found.get(what) != value:
            yield Difference(what, found.get(what, ""), value)


def _settings(client: AdminClient, topic: str) -> Mapping[str, str]:
    resource = ConfigResource(ResourceType.TOPIC, topic)
    (answer,) = client.describe_configs([resource], request_timeout=ADMIN_SECONDS).values()
    try:
        return {name: str(entry.value) for name, entry in answer.result().items()}
    except KafkaException as error:
        raise Refused(f"The settings of the topic {topic} cannot be read: {error.args[0].str()}") from error
