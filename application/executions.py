"""Requesting, repeating and cancelling runs."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from uuid import UUID, uuid5

import msgspec

from application import environment
from application.allowance import Allowance
from application.handler import change
from application.languages import runtime_of
from application.ports.log import Context, EventLog, Recorded, VersionConflict
from application.ports.sandbox import Runtimes
from application.ports.seals import Seals
from application.ports.surroundings import Ids
from application.run_requests import LimitWishes, RunRequest, canonical, check, contents
from domain.aggregate import DomainError
from domain.execution import Execution, Limits
from domain.sealed import Sealed

BATCH_RUNS = 50
"""So many fit into one commit, whatever is asked for."""

_KEYS = UUID("6f1c9a52-4d1e-5b0e-9d0a-8d4b5a4f2f10")
"""The namespace in which an idempotency key becomes an execution's id."""


class NetworkNotGranted(DomainError):
    """Runs have no network here; whoever operates this installation can name hosts in the setting network_hosts."""


class KeyReused(DomainError):
    """This Idempotency-Key was used for another request; send a new key with a new request."""


class Accepted(msgspec.Struct, frozen=True):
    """The run is in the log; it will be run, whatever happens next."""

    execution_id: UUID
    position: int


class Executions:
    """The commands on runs. Every method is safe to call again."""

    def __init__(
        self,
        log: EventLog,
        seals: Seals,
        ids: Ids,
        runtimes: Runtimes,
        defaults: Limits,
        ceilings: Limits,
        allowance: Allowance,
        *,
        grants_network: bool,
    ) -> None:
        self._log = log
        self._seals = seals
        self._ids = ids
        self._runtimes = runtimes
        self._defaults = defaults
        self._ceilings = ceilings
        self._allowance = allowance
        self._grants_network = grants_network

    def request(self, context: Context, owner: UUID, request: RunRequest, key: str | None = None) -> Accepted:
        """Accept a run, once per key.

        Raises InvalidRequest, UnknownLanguage, TooLarge, LimitAboveCeiling, EnvironmentRefused, NetworkNotGranted,
        KeyReused or TooManyRuns.
        """
        return self._save(context, self._requested(context, owner, request, key))

    def request_all(
        self, context: Context, owner: UUID, requests: Mapping[int, RunRequest], key: str | None = None
    ) -> Mapping[int, Accepted | DomainError]:
        """Accept runs, at most BATCH_RUNS, once per key and number. Those that are not refused are one commit."""
        decided = {
            number: self._or_refusal(context, owner, one, key and f"{key} #{number}")
            for number, one in requests.items()
        }
        new = {number: run for number, run in decided.items() if isinstance(run, Execution)}
        try:
            last = self._log.save(context, *new.values()) if new else 0
        except VersionConflict:  # the same batch was sent twice at the same time
            return self.request_all(context, owner, requests, key)
        positions = dict(zip(new, range(last - len(new) + 1, last + 1), strict=True))
        return {
            number: Accepted(one.id, positions[number]) if isinstance(one, Execution) else one
            for number, one in decided.items()
        }

    def retry(self, context: Context, execution: UUID, key: str | None = None) -> Accepted:
        """Accept a new run of what an ended one has run, once per key, under the limits and the policy of today.

        Raises StreamNotFound, NotEnded, UnknownLanguage, LimitAboveCeiling, NetworkNotGranted, KeyReused or Erased.
        """
        ended = self._log.load(Execution, execution)
        content = b"retry of " + execution.bytes
        return self._save(context, self._once(ended.owner, key, content, partial(self._repeat, context, ended)))

    def cancel(self, context: Context, execution: UUID) -> int:
        """Ask a run to end. Returns the position of the request. Raises StreamNotFound or ExecutionEnded."""
        _, position = change(self._log, context, Execution, execution, lambda run: run.cancel(context.at))
        return position

    def prioritize(self, context: Context, execution: UUID, priority: int) -> int:
        """Let a run that waits come before those with a lower priority. Returns a position that shows it.

        Raises StreamNotFound, ExecutionEnded or NoLongerWaiting.
        """
        return change(self._log, context, Execution, execution, lambda run: run.prioritize(priority, context.at))[1]

    def _requested(self, context: Context, owner: UUID, request: RunRequest, key: str | None) -> Accepted | Execution:
        check(request)
        return self._once(owner, key, canonical(request), partial(self._decide, context, owner, request))

    def _or_refusal(
        self, context: Context, owner: UUID, request: RunRequest, key: str | None
    ) -> Accepted | Execution | DomainError:
        try:
            return self._requested(context, owner, request, key)
        except DomainError as refused:
            return refused

    def _once(
        self, owner: UUID, key: str | None, content: bytes, decide: Callable[[UUID, str], Execution]
    ) -> Accepted | Execution:
        """What the key means already, or a new run. `content` is what the key is bound to."""
        fingerprint = self._seals.fingerprint(owner, content)
        execution = self._ids.new() if key is None else id_of(owner, key)
        earlier = self._log.history(execution) if key is not None else ()
        if earlier:
            return _answer_again(earlier, fingerprint)
        run = decide(execution, fingerprint)
        self._allowance.take(owner, execution)
        return run

    def _save(self, context: Context, run: Accepted | Execution) -> Accepted:
        if isinstance(run, Accepted):
            return run
        try:
            return Accepted(run.id, self._log.save(context, run))
        except VersionConflict:
            return _answer_again(self._log.history(run.id), run.fingerprint)

    def _repeat(self, context: Context, ended: Execution, execution: UUID, fingerprint: str) -> Execution:
        runtime_of(self._runtimes, ended.language, ended.language_version)
        LimitWishes(**msgspec.structs.asdict(ended.limits)).within(self._defaults, self._ceilings)
        self._check_network(ended.network)
        return ended.again(execution, fingerprint, context.at, self._read_by(ended))

    def _read_by(self, ended: Execution) -> Sealed[bytes] | None:
        """All that it was given to read; None where that came with its request. Raises Erased or ContentUnreadable."""
        if not ended.input.bytes:
            return None
        events = [event.data for event in self._log.history(ended.id)]
        given = [event.data for event in events if isinstance(event, Execution.InputGiven)]
        pieces = [self._seals.open(piece) for piece in (ended.stdin, *given) if piece]
        return self._seals.seal(ended.owner, b"".join(pieces))

    def _check_network(self, is_asked_for: bool) -> None:
        if is_asked_for and not self._grants_network:
            raise NetworkNotGranted

    def _decide(
        self, context: Context, owner: UUID, request: RunRequest, execution: UUID, fingerprint: str
    ) -> Execution:
        script, stdin = contents(request)
        self._check_network(request.network)
        runtime = runtime_of(self._runtimes, request.language, request.version)
        return Execution(
            id=execution,
            owner=owner,
            language=runtime.language,
            version=runtime.version,
            limits=(request.limits or LimitWishes()).within(self._defaults, self._ceilings),
            script=self._seals.seal(owner, script),
            stdin=self._seals.seal(owner, stdin) if stdin else None,
            environment=self._seals.seal(owner, environment.encode(request.env)) if request.env else None,
            stdin_open=request.stdin_open,
            fingerprint=fingerprint,
            timestamp=context.at,
            network=request.network,
        )


def id_of(owner: UUID, key: str) -> UUID:
    """The run that this person's requests with this idempotency key mean."""
    return uuid5(_KEYS, f"{owner}:{key}")


def _answer_again(earlier: Sequence[Recorded], fingerprint: str) -> Accepted:
    requested = earlier[0]
    if requested.data.fingerprint != fingerprint:
        raise KeyReused
    return Accepted(requested.stream, requested.position)
