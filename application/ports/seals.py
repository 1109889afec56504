"""Private content, sealed with the key of the person whose it is."""

from collections.abc import Sequence
from typing import Any, Protocol
from uuid import UUID

from domain.sealed import Sealed


class Erased(Exception):
    """This content belonged to a person whose data was erased."""


class ContentUnreadable(Exception):
    """The store has lost or damaged what is needed to read this content; restore the store from a backup."""


class WrongMasterKey(Exception):
    """The keys of this store are wrapped by another master key than the ones given."""

    def __init__(self, wanted: str, given: Sequence[str]) -> None:
        which = f"the master key {wanted}" if wanted else "another master key"
        super().__init__(
            f"The keys of this store are wrapped by {which}, but given was {', '.join(given) or 'none'}. Give the "
            "right one: restore the file master.key in the data folder, or correct the settings master_key and "
            "previous_master_keys. Nothing was changed."
        )


class Seals(Protocol):
    """Every method may raise WrongMasterKey and LogUnavailable."""

    def seal(self, person: UUID, content: bytes) -> Sealed[Any]:
        """Encrypt with the person's data key (made when missing). Large content goes to chunks, written now."""

    def open(self, sealed: Sealed[Any]) -> bytes:
        """Raises Erased, or ContentUnreadable."""

    def is_erased(self, sealed: Sealed[Any]) -> bool:
        """Whether it can never be opened again. Raises ContentUnreadable when its key is missing."""

    def fingerprint(self, person: UUID, content: bytes) -> str:
        """HMAC-SHA-256 under the person's data key, in hex."""
