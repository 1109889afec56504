"""Apache Kafka itself, one node in KRaft mode, where `.ci/kafka` has fetched its files.

`$RUNLEDGER_KAFKA`, by default the cache folder's `runledger/kafka-4.3.1`, holds `java/` (a Java 21 runtime) and
`kafka/libs/` (the broker's jars from Maven Central).
"""

import os
import subprocess
from pathlib import Path

import msgspec
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from adapters.embedded.server import LOOPBACK, free_port

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
FILES = Path(os.environ.get("RUNLEDGER_KAFKA", CACHE / "runledger" / "kafka-4.3.1"))
CLUSTER_ID = "MkU3OEVBNTcwNTJENDM2Qg"

PROPERTIES = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller}
advertised.listeners=PLAINTEXT://{host}:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.dirs={folder}/data
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
"""


class RealKafka(msgspec.Struct, frozen=True):
    """The broker with its files in a folder, on the same port at each start."""

    folder: Path
    port: int
    name: str = "real-kafka"

    @staticmethod
    def is_fetched() -> bool:
        return (FILES / "kafka" / "libs").is_dir() and (FILES / "java").is_dir()

    @classmethod
    def create(cls, folder: Path) -> "RealKafka":
        """Write the configuration and format the storage."""
        made = cls(folder, free_port())
        made.properties.write_text(
            PROPERTIES.format(host=LOOPBACK, port=made.port, controller=free_port(), folder=folder)
        )
        made.format()
        return made

    def format(self) -> None:
        """Make the storage, empty."""
        tool = ["kafka.tools.StorageTool", "format", "--cluster-id", CLUSTER_ID, "--config", str(self.properties)]
        subprocess.run([*self.java(), *tool], check=True, capture_output=True)

    @property
    def properties(self) -> Path:
        return self.folder / "server.properties"

    def java(self) -> list[str]:
        options = ["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        return [str(FILES / "java" / "bin" / "java"), *options, "-cp", str(FILES / "kafka" / "libs" / "*")]

    def command(self) -> list[str]:
        return [*self.java(), "kafka.Kafka", str(self.properties)]

    def address(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    def answers(self) -> bool:
        try:
            return bool(
                AdminClient({"bootstrap.servers": self.address(), "log_level": 2}).list_topics(timeout=1).brokers
            )
        except KafkaException:
            return False
