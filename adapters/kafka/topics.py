"""The topics, by the names that consumers outside this system know as well."""

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

EVENTS = "runledger.events"
"""All events; the partition is the lane, the key the stream's id."""

ADMIN_SECONDS = 30.0


class WrongPartitions(Exception):
    """A topic needs one partition for each lane; delete it and make it anew, the log has everything."""


def create(servers: str, lanes: int, replicas: int) -> None:
    """Make the topics that are missing, on a real cluster. Raises WrongPartitions, KafkaException."""
    admin = AdminClient({"bootstrap.servers": servers})
    wanted = NewTopic(EVENTS, num_partitions=lanes, replication_factor=replicas)
    try:
        admin.create_topics([wanted], operation_timeout=ADMIN_SECONDS)[EVENTS].result()
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise
        _check_partitions(admin, lanes)


def _check_partitions(admin: AdminClient, lanes: int) -> None:
    found = len(admin.list_topics(EVENTS, timeout=ADMIN_SECONDS).topics[EVENTS].partitions)
    if found != lanes:
        raise WrongPartitions(f"{EVENTS} has {found} partitions, the store {lanes} lanes: {WrongPartitions.__doc__}")
