"""Everything the routes use, handed in from outside."""

import asyncio
import contextvars
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar

import msgspec

from api.ports import Bus, ReadModels
from application.accounts import Accounts
from application.dead_letters import DeadLetters
from application.executions import Executions
from application.ledger import Ledger
from application.ports.log import EventLog
from application.ports.sandbox import ExampleScript, Runtime
from application.ports.seals import Seals
from application.ports.surroundings import Clock, Ids
from application.read_models import ReadModels as Steering
from application.replays import Replays
from application.sagas import Sagas
from application.standard_input import StandardInputs
from domain.execution import Limits
from projections.mailbox import Mailbox
from projections.overview import Lookout
from projections.past import Past

P = ParamSpec("P")
T = TypeVar("T")


class Backend(msgspec.Struct, frozen=True):
    accounts: Accounts
    executions: Executions
    inputs: StandardInputs
    log: EventLog
    seals: Seals
    steering: Steering
    lookout: Lookout
    dead_letters: DeadLetters
    mailbox: Mailbox
    ledger: Ledger
    replays: Replays
    sagas: Sagas
    past: Past
    read_models: ReadModels
    bus: Bus
    clock: Clock
    ids: Ids
    catalogue: Callable[[], Sequence[tuple[Runtime, str | None]]]
    """Every language version, and why it cannot run here if it cannot."""
    examples: Sequence[ExampleScript]
    defaults: Limits
    ceilings: Limits
    network_hosts: Sequence[str]
    """What runs that ask for network may reach; empty where none has any."""
    checks: Mapping[str, Callable[[], object]]
    """By the name of what is needed: raises what is wrong with it, in words."""
    page: Path
    """The folder of the built page."""
    is_https: bool
    threads: ThreadPoolExecutor

    async def cross(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The one way from an event loop to the synchronous layers: a thread of this pool."""
        in_context = partial(contextvars.copy_context().run, partial(call, *args, **kwargs))
        return await asyncio.get_running_loop().run_in_executor(self.threads, in_context)
