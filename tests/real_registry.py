"""Apicurio Registry itself, where `.ci/registry` has fetched its files; it runs on the Java of `.ci/kafka`."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import pytest

from adapters.embedded.server import LOOPBACK, free_port
from tests.real_kafka import CACHE, RealKafka
from tests.real_kafka import FILES as KAFKA
from tests.servers import Running, running

FILES = CACHE / "runledger" / "apicurio-3.3.3"


class RealRegistry(msgspec.Struct, frozen=True):
    """The registry with its schemas in a folder, on the same port at each start."""

    folder: Path
    port: int
    management_port: int
    name: str = "real-registry"

    @staticmethod
    def is_fetched() -> bool:
        return RealKafka.is_fetched() and (FILES / "quarkus-run.jar").is_file()

    @classmethod
    def create(cls, folder: Path) -> "RealRegistry":
        return cls(folder, free_port(), free_port())

    def command(self) -> list[str]:
        options = ["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        properties = {
            "quarkus.http.host": LOOPBACK,
            "quarkus.http.port": self.port,
            "quarkus.management.host": LOOPBACK,
            "quarkus.management.port": self.management_port,
            "quarkus.log.level": "WARN",
            "apicurio.datasource.url": f"jdbc:h2:file:{self.folder / 'schemas'}",
        }
        settings = [f"-D{name}={value}" for name, value in properties.items()]
        return [str(KAFKA / "java" / "bin" / "java"), *options, *settings, "-jar", str(FILES / "quarkus-run.jar")]

    def address(self) -> str:
        return f"http://{LOOPBACK}:{self.port}/apis/ccompat/v7"

    def answers(self) -> bool:
        try:
            return httpx.get(f"{self.address()}/subjects", timeout=1).is_success
        except httpx.TransportError:
            return False


@pytest.fixture(scope="session")
def real_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """All tests share it, so each has subjects of its own, or takes what it finds."""
    if not RealRegistry.is_fetched():
        pytest.skip("Apicurio Registry has not been fetched")
    folder = tmp_path_factory.mktemp("registry")
    with running(RealRegistry.create(folder), folder) as server:
        yield server
