"""Events replayed into files: JSON Lines, as the export of events writes them."""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from application.ledger import exported
from application.outlets import Mark, Selected, TargetMisnamed, TargetRefused, TargetUnavailable
from domain.replay import Replay, ReplayStatus

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")


class Files:
    """Implements the port Outlets, in a folder of its own."""

    def __init__(self, data: Path) -> None:
        self._folder = data / "replays"

    def check(self, name: str) -> None:
        if not NAME.fullmatch(name):
            raise TargetMisnamed(
                f"{name!r} cannot be a file's name here: give letters, digits, dots, dashes and underscores alone, "
                f"beginning with a letter or digit. It is made in {self._folder}."
            )
        _check_free(self._folder / name)

    def outlet(self, replay: Replay) -> "File":
        return File(self._folder / replay.target.name, self._draft(replay))

    def discard(self, replay: Replay, mark: Mark) -> None:  # noqa: ARG002 - files know by themselves what they are
        path, draft = self._folder / replay.target.name, self._draft(replay)
        with _usable(path):
            if replay.status is ReplayStatus.DROPPED or _is_same(path, draft):
                path.unlink(missing_ok=True)
            draft.unlink(missing_ok=True)

    def _draft(self, replay: Replay) -> Path:
        return self._folder / f".{replay.id}.draft"


class File:
    """Implements the port Outlet. The file gets its name at the end, whole; until then it is a hidden draft.

    Every step is written where the mark says that it begins, and the log never changes: so whoever writes a step again,
    also one who should have stopped long ago, writes the bytes that are there already.
    """

    def __init__(self, path: Path, draft: Path) -> None:
        self._path = path
        self._draft = draft
        self._file = -1

    def begin(self) -> None:
        if self._path.exists():
            raise _anothers(self._path)

    def open(self, mark: Mark) -> Mark:
        with _usable(self._path):
            self._draft.parent.mkdir(mode=0o700, exist_ok=True)
            if not self._draft.exists() and self._path.exists() and self._path.stat().st_size == mark.size:
                os.link(self._path, self._draft)  # it was killed after it had done everything
            self._file = os.open(self._draft, os.O_WRONLY | os.O_CREAT, 0o600)
            if os.fstat(self._file).st_size >= mark.size:
                return mark
        return msgspec.structs.replace(mark, position=0, size=0)  # somebody has taken it away: from the beginning

    def write(self, events: Sequence[Selected], upto: int, mark: Mark) -> Mark:  # noqa: ARG002
        lines = b"".join(exported(event.position, event.data) for event in events)
        with _usable(self._path):
            _write_all(self._file, lines, mark.size)
            os.fdatasync(self._file)
        return msgspec.structs.replace(mark, size=mark.size + len(lines))

    def finish(self, mark: Mark) -> str:
        with _usable(self._path):
            os.ftruncate(self._file, mark.size)
            os.fsync(self._file)
            try:
                os.link(self._draft, self._path)
            except FileExistsError:
                if not _is_same(self._path, self._draft):
                    raise _anothers(self._path) from None
            self._draft.unlink()
            _sync_folder(self._path.parent)
        return f"{self._path}, {mark.size:,} bytes"

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)


def _check_free(path: Path) -> None:
    if path.exists():
        raise TargetRefused(f"{path} exists already; name another file, or remove it first.")


def _anothers(path: Path) -> TargetRefused:
    """Made since it was looked whether the name is free."""
    return TargetRefused(f"{path} exists already: it is another replay's, and stays as it is. Name another file.")


def _is_same(path: Path, draft: Path) -> bool:
    """Killed between the two, both names are there."""
    return path.exists() and draft.exists() and path.samefile(draft)


def _write_all(file: int, content: bytes, offset: int) -> None:
    while content:
        written = os.pwrite(file, content, offset)
        content, offset = content[written:], offset + written


def _sync_folder(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


@contextmanager
def _usable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise TargetUnavailable(f"{path} cannot be written: {error.strerror}.") from error
