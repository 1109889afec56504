"""What the port Seals promises."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from application.ports.seals import Seals

SIZES = (0, 1, 32 * 1024, 32 * 1024 + 1, 1024 * 1024, 1024 * 1024 + 1, 3_000_000)


class SealsContract:
    seals: Callable[[], Seals]
    """Another one over the same store."""

    @pytest.mark.parametrize("size", SIZES)
    def test_opens_what_was_sealed(self, size):
        content = bytes(index % 251 for index in range(size))
        sealed = self.seals().seal(uuid4(), content)
        assert sealed.size == size
        assert self.seals().open(sealed) == content

    def test_hides_the_content(self):
        sealed = self.seals().seal(uuid4(), b"a secret thing")
        assert b"secret" not in sealed.box

    def test_the_same_content_looks_different_each_time(self):
        seals, person = self.seals(), uuid4()
        assert seals.seal(person, b"yes").box != seals.seal(person, b"yes").box

    def test_has_one_key_per_person_however_many_seal_at_once(self):
        person, many = uuid4(), [self.seals() for _ in range(8)]
        with ThreadPoolExecutor(8) as threads:
            sealed = list(threads.map(lambda seals: seals.seal(person, b"x"), many))
        assert len({one.key for one in sealed}) == 1
        assert {self.seals().open(one) for one in sealed} == {b"x"}

    def test_a_fingerprint_is_the_same_for_the_same_person_and_content_alone(self):
        person = uuid4()
        fingerprint = self.seals().fingerprint(person, b"request")
        assert fingerprint == self.seals().fingerprint(person, b"request")
        assert fingerprint != self.seals().fingerprint(person, b"another request")
        assert fingerprint != self.seals().fingerprint(uuid4(), b"request")
        assert len(fingerprint) == 64
