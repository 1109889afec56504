"""Password hashes: argon2id with the parameters RFC 9106 recommends for memory-constrained machines."""

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from argon2.profiles import RFC_9106_LOW_MEMORY


class Argon2Passwords:
    def __init__(self) -> None:
        self._hasher = PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)
        self._nobody: str | None = None

    def hash(self, password: str) -> str:
        return self._hasher.hash(password)

    def verify(self, hash: str | None, password: str) -> bool:
        """Whether it is the right one; a missing hash takes as long as a wrong password."""
        try:
            return self._hasher.verify(hash or self._hash_of_nobody(), password) and hash is not None
        except (VerifyMismatchError, InvalidHashError):
            return False

    def _hash_of_nobody(self) -> str:
        if self._nobody is None:
            self._nobody = self.hash("nobody has this password")
        return self._nobody
