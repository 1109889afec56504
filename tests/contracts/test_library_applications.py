"""The `eventsourcing` library's own promises for applications, kept with MongoDB as the environment says."""

import pytest
from eventsourcing.cipher import AESCipher
from eventsourcing.tests import application


class TestExampleApplication(application.ExampleApplicationTestCase):
    expected_factory_topic = "adapters.mongo.persistence:Factory"

    @pytest.fixture(autouse=True)
    def _open(self, library: dict[str, str]) -> None:
        """The environment is all it needs."""


class TestExampleApplicationCompressedAndEncrypted(application.ExampleApplicationTestCase):
    expected_factory_topic = "adapters.mongo.persistence:Factory"

    @pytest.fixture(autouse=True)
    def _open(self, library: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("COMPRESSOR_TOPIC", "eventsourcing.compressor:ZlibCompressor")
        monkeypatch.setenv("CIPHER_KEY", AESCipher.create_key(16))


class TestApplication(application.ApplicationTestCase):
    @pytest.fixture(autouse=True)
    def _open(self, library: dict[str, str]) -> None:
        """The environment is all it needs."""
