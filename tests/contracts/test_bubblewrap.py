"""BubblewrapSandbox keeps the port's promises, and its own: nothing is left behind, whoever is killed."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest

from adapters.bubblewrap import BubblewrapSandbox
from adapters.bubblewrap.catalogue import installed
from adapters.bubblewrap.cgroups import find_cgroups
from adapters.bubblewrap.sandbox import UIDS_FOLDER
from adapters.supervisor.build import build
from application.ports.sandbox import Ended, NoCapacity, Started
from domain.execution import Status
from tests.contracts.running import MIB, outcome, output
from tests.contracts.sandbox import FORK_BOMB, SandboxContract
from tests.contracts.sandbox_input import InputContract


def processes(of: str) -> list[int]:
    """Processes whose command line names this folder: keepers."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and of.encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return [pid for pid in found if pid != os.getpid()]


def cgroup_folders(name: str) -> list[Path]:
    return [found for parent in find_cgroups().parents for found in parent.glob(f"runledger-*-{name}")]


def members(folder: Path) -> list[int]:
    return [int(pid) for pid in (folder / "cgroup.procs").read_text().split()]


def memory_of(pid: int) -> int:
    """Its own, and its part of what it shares."""
    facts = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
    return int(facts["Pss"].split()[0]) * 1024


def wait_until_gone(pids: list[int]) -> None:
    until = time.monotonic() + 5
    while any(_is_running(pid) for pid in pids):
        assert time.monotonic() < until, "a process is left"
        time.sleep(0.01)


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.fixture(scope="module", autouse=True)
def _programs():
    build()


class TestBubblewrap(SandboxContract, InputContract):
    sandbox: BubblewrapSandbox

    @pytest.fixture(autouse=True)
    def _open(self, tmp_path: Path):
        self.folder = tmp_path / "data"
        self.sandbox = BubblewrapSandbox(self.folder)
        self.python = next(runtime for runtime in installed() if runtime.language == "python")
        self.bash = next(runtime for runtime in installed() if runtime.language == "bash")
        yield
        for name in self.sandbox.list():
            self.sandbox.remove(name)

    def keeper_of(self, name: str) -> int:
        return next(pid for pid in processes(f"sandboxes/{name}") if _is_running(pid))

    def kill_keeper_of(self, name: str) -> None:
        keeper = self.keeper_of(name)
        os.kill(keeper, signal.SIGKILL)
        wait_until_gone([keeper])

    def test_this_machine_has_no_problem(self):
        assert self.sandbox.find_problems() == []

    def test_a_dead_keeper_ends_its_run_as_lost_and_leaves_no_process(self):
        name = self.start(b"print('up')\n" + FORK_BOMB)
        self.wait_for_output(name, b"up\n")
        tree = members(cgroup_folders(name)[-1])
        self.kill_keeper_of(name)
        frames = list(self.sandbox.watch(name))
        assert outcome(frames).status is Status.LOST
        assert output(frames) == b"up\n"
        wait_until_gone(tree)
        assert cgroup_folders(name) == []
        assert list(self.sandbox.watch(name)) == frames

    def test_a_dead_keepers_processes_die_before_anybody_looks(self):
        name = self.start(b"print('up')\nimport time; time.sleep(1000)")
        self.wait_for_output(name, b"up\n")
        tree = members(cgroup_folders(name)[-1])
        assert len(tree) == 3
        self.kill_keeper_of(name)
        wait_until_gone(tree)

    def test_a_watcher_of_a_dying_keeper_does_not_hang(self):
        name = self.start(b"print('up')\nimport time; time.sleep(1000)")
        frames = []
        for frame in self.sandbox.watch(name):
            frames.append(frame)
            if len(frames) == 2:
                self.kill_keeper_of(name)
        assert [type(frame) for frame in frames].count(Started) == 1
        assert outcome(frames).status is Status.LOST

    @pytest.mark.parametrize("look", ["list", "remove", "stop"])
    def test_the_cgroup_of_a_dead_keeper_is_cleaned_up(self, look: str):
        name = self.start(b"import time; time.sleep(1000)")
        self.kill_keeper_of(name)
        if look == "list":
            assert name in self.sandbox.list()
        else:
            getattr(self.sandbox, look)(name)
        assert cgroup_folders(name) == []

    def test_half_a_record_of_a_dead_keeper_is_not_shown(self):
        name = self.start(b"print('up')\nimport time; time.sleep(1000)")
        self.wait_for_output(name, b"up\n")
        self.kill_keeper_of(name)
        spool = self.folder / "sandboxes" / name / "spool"
        wait_until_gone(processes(f"sandboxes/{name}"))
        whole = spool.read_bytes()
        spool.write_bytes(whole + whole[24:40])
        frames = list(self.sandbox.watch(name))
        assert output(frames) == b"up\n"
        assert [type(frame) for frame in frames].count(Ended) == 1

    @pytest.mark.parametrize("victim", [0, 1], ids=["bwrap", "supervisor"])
    def test_an_unexpected_death_inside_is_an_internal_error(self, victim: int):
        name = self.start(b"print('up')\nimport time; time.sleep(1000)")
        self.wait_for_output(name, b"up\n")
        os.kill(sorted(members(cgroup_folders(name)[-1]))[victim], signal.SIGKILL)
        frames = list(self.sandbox.watch(name))
        assert outcome(frames).status is Status.INTERNAL_ERROR
        assert output(frames) == b"up\n"

    def test_a_stuck_supervisor_does_not_hold_up_a_stop(self):
        name = self.start(b"print('up')\nimport time; time.sleep(1000)")
        self.wait_for_output(name, b"up\n")
        for pid in members(cgroup_folders(name)[-1]):
            os.kill(pid, signal.SIGSTOP)
        self.sandbox.stop(name)
        assert outcome(list(self.sandbox.watch(name))).status is Status.CANCELLED

    def test_a_stuck_supervisor_does_not_hold_up_the_time_limit(self):
        name = self.start(b"print('up')\nimport time; time.sleep(1000)", wall_seconds=0.5)
        self.wait_for_output(name, b"up\n")
        for pid in members(cgroup_folders(name)[-1]):
            os.kill(pid, signal.SIGSTOP)
        assert outcome(list(self.sandbox.watch(name))).status is Status.TIMED_OUT

    def test_our_own_processes_of_a_run_take_at_most_five_megabytes(self):
        name = self.start(b"print('up')\nimport time; time.sleep(1000)", stdin_open=True)
        self.wait_for_output(name, b"up\n")
        self.sandbox.feed(name, 0, b"x" * MIB, False)
        bwrap, supervisor, _ = sorted(members(cgroup_folders(name)[-1]))
        assert sum(memory_of(pid) for pid in (self.keeper_of(name), bwrap, supervisor)) <= 5 * MIB

    def test_fifty_runs_leave_nothing(self):
        names = [self.start(b"print('x')") for _ in range(50)]
        for name in names:
            assert outcome(list(self.sandbox.watch(name))).status is Status.SUCCEEDED
            assert cgroup_folders(name) == []
            self.sandbox.remove(name)
        wait_until_gone(processes(str(self.folder)))
        assert list((self.folder / "sandboxes").iterdir()) == []

    def test_a_slot_is_free_again_after_every_run(self):
        self.sandbox = BubblewrapSandbox(self.folder, slots=1)
        for _ in range(5):
            assert outcome(self.run(b"pass")).status is Status.SUCCEEDED

    def test_a_dead_keepers_slot_is_free_again(self):
        self.sandbox = BubblewrapSandbox(self.folder, slots=1)
        name = self.start(b"import time; time.sleep(1000)")
        self.kill_keeper_of(name)
        assert outcome(list(self.sandbox.watch(name))).status is Status.LOST
        assert outcome(self.run(b"pass")).status is Status.SUCCEEDED

    def test_runs_at_once_have_different_uids_and_are_bounded(self):
        self.sandbox = BubblewrapSandbox(self.folder, slots=2)
        names = [self.start(b"print('up')\nimport time; time.sleep(1000)") for _ in range(2)]
        assert self.sandbox.free_slots() == 0
        with pytest.raises(NoCapacity):
            self.start(b"pass")
        assert sorted(self.sandbox.list()) == sorted(names)
        for name in names:
            self.wait_for_output(name, b"up\n")
        uids = [{Path(f"/proc/{pid}").stat().st_uid for pid in members(cgroup_folders(name)[-1])} for name in names]
        assert not uids[0] & uids[1]
        assert 0 not in uids[0] | uids[1]
        self.sandbox.stop(names[0])
        assert self.sandbox.free_slots() > 0

    def test_the_folder_is_nobody_elses(self):
        name = self.start(b"print('secret')")
        list(self.sandbox.watch(name))
        for folder in (self.folder / "sandboxes", self.folder / "sandboxes" / name, UIDS_FOLDER):
            assert folder.stat().st_mode & 0o077 == 0

    def test_a_slow_watcher_holds_up_neither_the_run_nor_the_others(self):
        self.sandbox = BubblewrapSandbox(self.folder, slots=1)
        name = self.start(b"print('x' * 5_000_000)")
        slow = self.sandbox.watch(name)
        next(slow)
        assert outcome(list(self.sandbox.watch(name))).status is Status.SUCCEEDED
        assert outcome(self.run(b"pass")).status is Status.SUCCEEDED, "its slot is free while the keeper waits for it"
        assert len(output(list(slow))) == 5_000_001

    def test_more_watchers_than_the_keeper_has_places_for_all_see_the_end(self):
        name = self.start(b"import time\nfor i in range(10): print(i); time.sleep(0.1)")
        with ThreadPoolExecutor(200) as pool:
            all_frames = list(pool.map(lambda _: list(self.sandbox.watch(name)), range(200)))
        assert all(frames == all_frames[0] for frames in all_frames)
        assert outcome(all_frames[0]).status is Status.SUCCEEDED

    def test_leftovers_of_a_killed_start_or_remove_are_swept(self):
        name = self.start(b"pass")
        list(self.sandbox.watch(name))
        old, fresh = (self.folder / "sandboxes" / draft for draft in (".new-1-1", ".gone-2"))
        for draft in (old, fresh):
            draft.mkdir()
        os.utime(old, (0, 0))
        assert self.sandbox.list() == [name]
        assert (old.exists(), fresh.exists()) == (False, True)

    def test_what_was_removed_is_never_started_again_also_when_it_is_removed_before_its_start(self):
        removed = self.start(b"print('once')")
        list(self.sandbox.watch(removed))
        for name in (removed, f"run-{uuid4()}-1"):
            self.sandbox.remove(name)
            self.start(b"print('again')", name=name)
            assert self.sandbox.list() == []
        assert list((self.folder / "sandboxes").iterdir()) == []
        assert self.sandbox.free_slots() == 64

    def test_marks_of_what_was_removed_long_ago_are_swept(self):
        old, fresh = self.start(b"pass"), self.start(b"pass")
        for name in (old, fresh):
            self.sandbox.remove(name)
        os.utime(self.folder / "removed" / old, (0, 0))
        self.sandbox.list()
        assert [mark.name for mark in (self.folder / "removed").iterdir()] == [fresh]

    @pytest.mark.parametrize("name", ["", "../up", ".hidden", "a/b", "x" * 101])
    def test_a_name_is_not_a_path(self, name: str):
        with pytest.raises(ValueError, match="name"):
            self.sandbox.stop(name)
