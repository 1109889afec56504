"""What a run is given to read while it goes on: how much, in which order, and until when."""

import msgspec

from domain.aggregate import DomainError

BYTES = 1_000_000
"""All that a run may be given to read, what came with the request included."""
PIECES = 5_000
"""Each is an event."""


class InputNotAskedFor(DomainError):
    """This run takes no input while it goes on; ask for that with `stdin_open` when you request one."""


class InputEnded(DomainError):
    """The input of this run has been ended; nothing can be added."""


class InputElsewhere(DomainError):
    """The input of this run goes on at another offset."""

    def __init__(self, offset: int, next: int) -> None:
        super().__init__(f"The input of this run goes on at offset {next:,}, not at {offset:,}.")


class TooMuchInput(DomainError):
    """This run was given as much as it may be."""


class StandardInput(msgspec.Struct, frozen=True):
    """How much a run was given, and whether it takes more."""

    is_asked_for: bool
    first: int
    """The bytes that came with the request; offsets do not count them."""
    bytes: int = 0
    """Those given since."""
    pieces: int = 0
    is_ended: bool = False

    def check(self, size: int, offset: int | None) -> None:
        """Whether so many bytes may be added, at this offset where one is named.

        Raises InputNotAskedFor, InputEnded, InputElsewhere or TooMuchInput.
        """
        if not self.is_asked_for:
            raise InputNotAskedFor
        if self.is_ended:
            raise InputEnded
        if offset is not None and offset != self.bytes:
            raise InputElsewhere(offset, self.bytes)
        self._check_room(size)

    def _check_room(self, size: int) -> None:
        given = self.first + self.bytes
        if size and given + size > BYTES:
            raise TooMuchInput(f"This run has {given:,} bytes of input; with {size:,} more it has over {BYTES:,}.")
        if size and self.pieces >= PIECES:
            raise TooMuchInput(f"This run was given input {PIECES:,} times; it can only be ended now.")

    def after(self, size: int, is_last: bool) -> "StandardInput":
        """What it is when so much was added."""
        return msgspec.structs.replace(self, bytes=self.bytes + size, pieces=self.pieces + 1, is_ended=is_last)
