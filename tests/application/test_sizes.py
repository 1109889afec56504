"""Sizes as people read them."""

import pytest

from application.sizes import spelled, spelled_in


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "0"),
        (1023, "1023"),
        (1024, "1024 (1 KiB)"),
        (1536, "1536 (1.5 KiB)"),
        (16 << 20, "16777216 (16 MiB)"),
        (10**18, "1000000000000000000 (931,322,574.6 GiB)"),
    ],
)
def test_a_size_is_told_in_bytes_and_in_the_unit_that_people_use(size: int, words: str):
    assert spelled(size) == words


@pytest.mark.parametrize(
    ("sentence", "words"),
    [
        ("Expected `int` >= 65536 - at `$.limits.disk_bytes`", "`int` >= 65536 (64 KiB) - at `$.limits.disk_bytes`"),
        ("Expected `int` >= 65536 - at `$.limits.pids`", "`int` >= 65536 - at `$.limits.pids`"),
        ("Expected `int`, got `str` - at `$.limits.disk_bytes`", "`int`, got `str` - at `$.limits.disk_bytes`"),
    ],
)
def test_only_the_least_of_a_size_is_told_so(sentence: str, words: str):
    assert spelled_in(sentence) == f"Expected {words}"
