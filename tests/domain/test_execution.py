"""A run: which events its decisions make, and that it ends once."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from domain.execution import Execution, ExecutionEnded, Limits, NotEnded, Outcome, Status
from domain.sealed import Sealed

AT = datetime(2026, 1, 1, tzinfo=UTC)
OWNER, RUN = UUID(int=1), UUID(int=2)
SCRIPT = Sealed[str](key=UUID(int=3), size=1, box=b"x")
FINAL = [status for status in Status if status.is_final]


def requested(**more) -> Execution:
    run = Execution(
        id=RUN,
        owner=OWNER,
        language="python",
        version="3.11",
        script=SCRIPT,
        stdin=None,
        limits=Limits(),
        fingerprint="f",
        timestamp=AT,
        **more,
    )
    run.collect_events()
    return run


def events_of(run: Execution) -> list[str]:
    return [type(event).__name__ for event in run.collect_events()]


def test_a_requested_run_is_queued():
    assert requested().status is Status.QUEUED


def test_creating_a_sandbox_twice_records_it_once():
    run = requested()
    run.create_sandbox("run-1", AT)
    run.create_sandbox("run-1", AT)
    assert events_of(run) == ["SandboxCreated"]
    assert run.status is Status.STARTING


def test_starting_twice_records_it_once():
    run = requested()
    run.create_sandbox("run-1", AT)
    run.start(AT)
    run.start(AT + timedelta(seconds=1))
    assert events_of(run) == ["SandboxCreated", "Started"]
    assert run.started_at == AT


def test_cancelling_a_run_without_sandbox_ends_it_at_once():
    run = requested()
    run.cancel(AT)
    assert events_of(run) == ["CancelRequested", "Finished"]
    assert run.status is Status.CANCELLED


def test_cancelling_a_running_run_only_asks():
    run = requested()
    run.create_sandbox("run-1", AT)
    run.cancel(AT)
    run.cancel(AT)
    assert events_of(run) == ["SandboxCreated", "CancelRequested"]
    assert run.status is Status.STARTING
    assert run.is_cancel_requested


@pytest.mark.parametrize("decide", ["create_sandbox", "start", "cancel", "finish"])
def test_an_ended_run_refuses_every_decision(decide):
    run = requested()
    run.finish(Outcome(Status.SUCCEEDED, "exited with code 0", exit_code=0), None, AT)
    arguments = {"create_sandbox": ("run-1", AT), "finish": (Outcome(Status.LOST, "lost"), None, AT)}
    with pytest.raises(ExecutionEnded, match="has ended already, as succeeded;"):
        getattr(run, decide)(*arguments.get(decide, (AT,)))
    assert run.status is Status.SUCCEEDED


def test_a_refusal_tells_what_to_do():
    assert str(ExecutionEnded()) == "The run has ended already; it can be run again."


def test_an_ended_run_can_be_run_again_and_the_new_one_names_it():
    run = requested()
    run.cancel(AT)
    again = run.again(UUID(int=9), "g", AT + timedelta(hours=1))
    assert (again.id, again.retry_of, again.status) == (UUID(int=9), RUN, Status.QUEUED)
    assert (again.owner, again.language, again.language_version) == (OWNER, "python", "3.11")
    assert (again.script, again.stdin, again.limits, again.fingerprint) == (SCRIPT, None, Limits(), "g")


def test_a_run_with_network_asks_for_it_again():
    run = requested()
    assert run.network is False
    run.network = True
    run.cancel(AT)
    assert run.again(UUID(int=9), "g", AT).network is True


def test_a_run_that_goes_on_cannot_be_run_again():
    with pytest.raises(NotEnded, match="has not ended yet"):
        requested().again(UUID(int=9), "g", AT)


class RunMachine(RuleBasedStateMachine):
    """Whatever is decided in whatever order: one ending at most, and a fold of the events is the same run."""

    def __init__(self):
        super().__init__()
        self.run = requested()
        self.events = list(self.first_event())

    def first_event(self):
        run = Execution(
            id=RUN, owner=OWNER, language="python", version="3.11", script=SCRIPT, stdin=None,
            limits=Limits(), fingerprint="f", timestamp=AT,
        )  # fmt: skip
        return run.collect_events()

    def decide(self, name, *arguments):
        try:
            getattr(self.run, name)(*arguments)
        except ExecutionEnded:
            assert self.run.status.is_final
        self.events += self.run.collect_events()

    @rule()
    def create_sandbox(self):
        self.decide("create_sandbox", "run-1", AT)

    @precondition(lambda self: self.run.sandbox)
    @rule()
    def start(self):
        self.decide("start", AT)

    @rule()
    def cancel(self):
        self.decide("cancel", AT)

    @rule(status=st.sampled_from(FINAL))
    def finish(self, status):
        self.decide("finish", Outcome(status, "because"), None, AT)

    @invariant()
    def it_ends_once_and_last(self):
        endings = [index for index, event in enumerate(self.events) if isinstance(event, Execution.Finished)]
        assert endings in ([], [len(self.events) - 1])
        assert bool(endings) == self.run.status.is_final

    @invariant()
    def its_events_make_the_same_run(self):
        folded = None
        for event in self.events:
            folded = event.mutate(folded)
        assert folded == self.run


TestRunMachine = RunMachine.TestCase
