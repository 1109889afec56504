"""Who the workers are on a cluster."""

import time
from threading import Lock

from adapters.kubernetes.cluster import FORBIDDEN, Cluster, Refused
from adapters.kubernetes.namespace import TOKEN_SECONDS, Ceiling, prepare, token
from application.ports.sandbox import SandboxUnreachable

RENEWED_AFTER = 0.8
"""Of a token's time."""
AWAY_SECONDS = 10.0


class Account:
    """The service account with the rights of the Role alone, where the kubeconfig is an operator's.

    The first token is asked for when the namespace is prepared; each next one before the end of the one before. Where
    the kubeconfig may not prepare the namespace, somebody else has, and it is the workers' own: there is no token then.
    """

    def __init__(self, operator: Cluster, ceiling: Ceiling, seconds: int = TOKEN_SECONDS) -> None:
        self._operator = operator
        self._ceiling = ceiling
        self._seconds = seconds
        self._lock = Lock()
        self._token: str | None = None
        self._renewed_at = 0.0
        self._is_prepared = False

    def token(self) -> str | None:
        """Raises SandboxUnreachable."""
        with self._lock:
            if time.monotonic() >= self._renewed_at:
                self._renew()
            return self._token

    def forget(self) -> None:
        """It is refused: the next is another one."""
        with self._lock:
            self._is_prepared, self._renewed_at = False, 0.0

    def _renew(self) -> None:
        try:
            self._token = self._ask()
            self._renewed_at = time.monotonic() + RENEWED_AFTER * self._seconds
        except SandboxUnreachable:
            if not self._is_prepared:
                raise
            self._renewed_at = time.monotonic() + AWAY_SECONDS  # the one before is good for a while yet

    def _ask(self) -> str | None:
        try:
            if not self._is_prepared:
                prepare(self._operator, self._ceiling)
                self._is_prepared = True
            return token(self._operator, self._seconds)
        except Refused as refused:
            if refused.status != FORBIDDEN:
                raise
            return None
