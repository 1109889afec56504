"""The embedded Kafka: the mock broker as a process. It is in memory; the log refills it."""

import socket
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

from adapters.embedded.server import ANSWER_SECONDS, ProgramMissing, package_folder

BROKER = Path(__file__).with_name("broker.py")


class Kafka(msgspec.Struct, frozen=True):
    """The broker, its topics with their numbers of partitions, and the file that holds its present address."""

    address_file: Path
    topics: Mapping[str, int]
    name: str = "kafka"

    def command(self) -> list[str]:
        topics = [f"{topic}:{partitions}" for topic, partitions in self.topics.items()]
        # Isolated and without site-packages: the broker starts at once and stays small.
        return [sys.executable, "-I", "-S", str(BROKER), str(librdkafka()), str(self.address_file), *topics]

    def address(self) -> str:
        """`host:port`; another one after each start."""
        try:
            return self.address_file.read_text(encoding="ascii")
        except FileNotFoundError:
            return ""

    def answers(self) -> bool:
        host, _, port = self.address().rpartition(":")
        try:
            with socket.create_connection((host, int(port)), timeout=ANSWER_SECONDS):
                return True
        except (OSError, ValueError):
            return False


def librdkafka() -> Path:
    """The library inside the wheel of confluent-kafka. Raises ProgramMissing."""
    package = package_folder("confluent_kafka")
    bundled = sorted((package.parent / "confluent_kafka.libs").glob("librdkafka*.so*")) if package else []
    if not bundled:
        raise ProgramMissing("librdkafka")
    return bundled[0]
