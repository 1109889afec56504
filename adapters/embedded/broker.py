"""A Kafka broker in memory: librdkafka's mock cluster, driven by ctypes alone.

    python -I -S broker.py LIBRDKAFKA ADDRESS_FILE TOPIC:PARTITIONS...

A program of its own that imports nothing but this (10 MB instead of the 30 MB of `confluent_kafka`). It takes a new
port at each start and writes `host:port` to the address file once it listens.
"""

import ctypes
import os
import signal
import sys

PRODUCER = 0
ERROR_BYTES = 512


def load(path: str) -> ctypes.CDLL:
    """The library with the signatures that the broker uses."""
    library = ctypes.CDLL(path)
    pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
    library.rd_kafka_conf_new.restype = pointer
    library.rd_kafka_new.restype = pointer
    library.rd_kafka_new.argtypes = [number, pointer, text, ctypes.c_size_t]
    library.rd_kafka_mock_cluster_new.restype = pointer
    library.rd_kafka_mock_cluster_new.argtypes = [pointer, number]
    library.rd_kafka_mock_cluster_bootstraps.restype = text
    library.rd_kafka_mock_cluster_bootstraps.argtypes = [pointer]
    library.rd_kafka_mock_topic_create.argtypes = [pointer, text, number, number]
    library.rd_kafka_mock_group_initial_rebalance_delay_ms.argtypes = [pointer, ctypes.c_int32]
    return library


def start(library: ctypes.CDLL, topics: dict[str, int]) -> str:
    """Start the cluster with these topics and partitions; returns its `host:port`."""
    error = ctypes.create_string_buffer(ERROR_BYTES)
    client = library.rd_kafka_new(PRODUCER, library.rd_kafka_conf_new(), error, ERROR_BYTES)
    if not client:
        sys.exit(f"librdkafka does not start: {error.value.decode()}")
    cluster = library.rd_kafka_mock_cluster_new(client, 1)
    if not cluster:
        sys.exit("librdkafka cannot listen on loopback")
    # A group of one machine gains nothing by waiting three seconds for more members.
    library.rd_kafka_mock_group_initial_rebalance_delay_ms(cluster, 0)
    for topic, partitions in topics.items():
        create(library, cluster, topic, partitions)
    return bytes(library.rd_kafka_mock_cluster_bootstraps(cluster)).decode()


def create(library: ctypes.CDLL, cluster: int, topic: str, partitions: int) -> None:
    if library.rd_kafka_mock_topic_create(cluster, topic.encode(), partitions, 1):
        sys.exit(f"librdkafka does not make the topic {topic} with {partitions} partitions")


def publish(address: str, path: str) -> None:
    """Write the address so that a reader sees all of it or the one before."""
    with open(f"{path}.new", "w", encoding="ascii") as file:  # noqa: PTH123 - pathlib would cost 2 MB
        file.write(address)
    os.replace(f"{path}.new", path)  # noqa: PTH105


def main(library: str, address_file: str, *topics: str) -> None:
    pairs = (topic.rsplit(":", 1) for topic in topics)
    publish(start(load(library), {name: int(partitions) for name, partitions in pairs}), address_file)
    while True:
        signal.pause()


if __name__ == "__main__":
    main(*sys.argv[1:])
