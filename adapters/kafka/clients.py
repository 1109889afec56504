"""Kafka clients with the settings that this system's promises rest on."""

from typing import Any

from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka.admin import AdminClient, ClusterMetadata

MOCK_CLUSTER = "mockCluster"
MOCK_FETCH_WAIT_MS = 5
"""librdkafka's mock broker answers an empty fetch after the whole wait only, even when an event comes meanwhile."""
LINGER_MS = 5
"""For what is produced in one go, to leave in one request; a flush ends it."""
ANSWER_SECONDS = 2.0
CRITICAL = 2
"""Of syslog's levels. A lost broker is told by a callback once; librdkafka itself would write a line for each try."""

Settings = dict[str, Any]


class KafkaUnavailable(Exception):
    """No Kafka broker can be reached."""


def producer(servers: str) -> Producer:
    """Writes in order and once per partition, acknowledged by all replicas in sync.

    It gives no message up by itself: the first ones of a batch could be dropped for their age while later ones are
    sent. Whoever waits for the delivery purges all of them at once.
    """
    return Producer(
        _common(servers)
        | {
            "enable.idempotence": True,
            "acks": "all",
            "linger.ms": LINGER_MS,
            "message.timeout.ms": 0,
            "compression.type": "lz4",
        }
    )


def consumer(servers: str, group: str, **callbacks: Any) -> Consumer:
    """A member of a group. Its offsets are committed now and then: they are a hint where to start reading, no more.

    Raises KafkaUnavailable.
    """
    settings = _common(servers) | {
        "group.id": group,
        "auto.offset.reset": "latest",
        "session.timeout.ms": 6_000,
        "heartbeat.interval.ms": 2_000,
        "coordinator.query.interval.ms": 10_000,  # a tenth of it while the group's broker is down
    }
    if _is_mock(servers):
        settings["fetch.wait.max.ms"] = MOCK_FETCH_WAIT_MS
    return Consumer(settings | callbacks)


def _common(servers: str) -> Settings:
    return {
        "bootstrap.servers": servers,
        "client.id": "runledger",
        "reconnect.backoff.max.ms": 1_000,
        "log_level": CRITICAL,
    }


def admin(servers: str) -> AdminClient:
    """Connects when it is first used."""
    return AdminClient(_common(servers))


def is_mock(cluster: ClusterMetadata) -> bool:
    """Whether it is the embedded broker."""
    return bool(str(cluster.cluster_id).startswith(MOCK_CLUSTER))


def _is_mock(servers: str) -> bool:
    try:
        return is_mock(admin(servers).list_topics(timeout=ANSWER_SECONDS))
    except KafkaException as error:
        raise KafkaUnavailable(f"{servers}: {error}") from error
