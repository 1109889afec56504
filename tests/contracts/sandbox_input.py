"""What the port Sandbox promises of input that is given while a script runs."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from adapters.supervisor.records import InputTooLarge
from application.ports.sandbox import InputMissing, SandboxNotFound
from domain.execution import Status
from tests.contracts.running import MIB, Running, outcome, output

COPY = b"import os; print('up')\nwhile some := os.read(0, 65536): os.write(1, some)"
SLEEP = b"print('up'); import time; time.sleep(1000)"
ANSWER = b"""
print('up')
while line := input():
    print('heard', line)
"""


class InputContract(Running):
    def open(self, script: bytes, stdin: bytes = b"", **limits: float) -> str:
        name = self.start(script, stdin, stdin_open=True, **limits)
        self.wait_for_output(name, b"up\n")
        return name

    def copied(self, name: str) -> bytes:
        frames = list(self.sandbox.watch(name))
        assert outcome(frames).status is Status.SUCCEEDED
        return output(frames).removeprefix(b"up\n")

    def test_input_in_two_parts_arrives_in_order_and_ends(self):
        name = self.open(COPY)
        self.sandbox.feed(name, 0, b"first, ", False)
        self.sandbox.feed(name, 7, b"second", True)
        assert self.copied(name) == b"first, second"

    def test_what_the_job_brought_comes_first_and_does_not_count(self):
        name = self.open(COPY, stdin=b"job" * 100_000)
        self.sandbox.feed(name, 0, b"fed", True)
        assert self.copied(name) == b"job" * 100_000 + b"fed"

    def test_input_that_comes_right_after_the_start_is_not_lost(self):
        name = self.start(COPY, b"x" * MIB, stdin_open=True)
        self.sandbox.feed(name, 0, b"fed", True)
        assert self.copied(name) == b"x" * MIB + b"fed"

    def test_an_end_alone_ends_it(self):
        name = self.open(COPY)
        self.sandbox.feed(name, 0, b"", False)
        self.sandbox.feed(name, 0, b"all", False)
        self.sandbox.feed(name, 3, b"", True)
        assert self.copied(name) == b"all"

    def test_a_script_answers_each_line_as_it_comes(self):
        name = self.open(ANSWER, wall_seconds=60)
        for number in range(5):
            self.sandbox.feed(name, 2 * number, b"%d\n" % number, False)
            self.wait_for_output(name, b"heard %d\n" % number)
        self.sandbox.feed(name, 10, b"\n", True)
        assert self.copied(name) == b"".join(b"heard %d\n" % number for number in range(5))

    def test_bytes_that_are_no_text_arrive_as_they_are(self):
        everything = bytes(range(256)) * 100
        name = self.open(COPY)
        self.sandbox.feed(name, 0, everything, True)
        assert self.copied(name) == everything

    def test_each_byte_is_taken_once_however_often_and_in_whatever_parts_it_is_given(self):
        whole = os.urandom(20_000)
        name = self.open(COPY)
        for start, end in [(0, 5000), (0, 5000), (100, 200), (4000, 9000), (0, 12_000), (12_000, 20_000)]:
            self.sandbox.feed(name, start, whole[start:end], end == 20_000)
        self.sandbox.feed(name, 0, whole, True)
        self.sandbox.feed(name, 20_000, b"more", True)
        assert self.copied(name) == whole

    def test_a_part_whose_predecessor_is_missing_is_refused(self):
        name = self.open(COPY)
        self.sandbox.feed(name, 0, b"01", False)
        with pytest.raises(InputMissing):
            self.sandbox.feed(name, 3, b"3" * 10_000, True)
        self.sandbox.feed(name, 2, b"2", True)
        assert self.copied(name) == b"012"

    def test_of_feeders_at_once_none_spoils_the_others(self):
        whole = os.urandom(200_000)
        name = self.open(COPY)
        with ThreadPoolExecutor(6) as pool:
            list(pool.map(lambda i: self.sandbox.feed(name, 0, whole[: 150_000 + i * 10_000], False), range(6)))
        self.sandbox.feed(name, 200_000, b"", True)
        assert self.copied(name) == whole

    def test_a_feeder_that_is_killed_in_the_middle_is_followed_by_another(self):
        whole = os.urandom(MIB)
        name = self.open(COPY)
        for patience in (0.0, 0.005, 0.02, 0.1):
            feeder = os.fork()
            if feeder == 0:
                self.sandbox.feed(name, 0, whole, False)
                signal.pause()
            time.sleep(patience)
            os.kill(feeder, signal.SIGKILL)
            os.waitpid(feeder, 0)
        self.sandbox.feed(name, 0, whole, True)
        assert self.copied(name) == whole

    def test_a_script_that_never_reads_holds_up_neither_its_output_nor_a_stop(self):
        name = self.open(b"print('up')\nimport time\nwhile True: print('tick'); time.sleep(0.1)")
        self.sandbox.feed(name, 0, b"x" * MIB, True)
        self.wait_for_output(name, b"tick\n" * 3)
        before = time.monotonic()
        self.sandbox.stop(name)
        frames = list(self.sandbox.watch(name))
        assert time.monotonic() - before < 1
        assert outcome(frames).status is Status.CANCELLED

    def test_a_script_that_never_reads_ends_with_its_time(self):
        name = self.open(SLEEP, wall_seconds=2.0)
        self.sandbox.feed(name, 0, b"x" * MIB, False)
        assert outcome(list(self.sandbox.watch(name))).status is Status.TIMED_OUT

    def test_a_script_whose_input_never_ends_ends_with_its_time(self):
        name = self.open(COPY, wall_seconds=1.0)
        self.sandbox.feed(name, 0, b"some", False)
        frames = list(self.sandbox.watch(name))
        assert outcome(frames).status is Status.TIMED_OUT
        assert output(frames) == b"up\nsome"

    def test_a_script_that_closes_its_input_goes_on(self):
        name = self.open(b"import os, time; os.close(0); print('up'); time.sleep(1); print('still here')")
        for offset in (0, MIB // 2):
            self.sandbox.feed(name, offset, b"x" * (MIB // 2), False)
            time.sleep(0.1)
        assert self.copied(name) == b"still here\n"

    def test_no_more_than_a_megabyte_is_taken(self):
        name = self.open(COPY)
        self.sandbox.feed(name, 0, b"x" * MIB, False)
        with pytest.raises(InputTooLarge):
            self.sandbox.feed(name, MIB, b"y", True)
        self.sandbox.feed(name, MIB, b"", True)
        assert self.copied(name) == b"x" * MIB

    def test_a_run_whose_input_is_not_open_takes_none(self):
        name = self.start(COPY, b"all")
        self.sandbox.feed(name, 0, b"more", True)
        assert self.copied(name) == b"all"

    def test_input_of_what_has_ended_is_harmless(self):
        name = self.open(b"print('up')")
        before = list(self.sandbox.watch(name))
        self.sandbox.feed(name, 0, b"late", False)
        self.sandbox.feed(name, 100, b"later", True)
        assert list(self.sandbox.watch(name)) == before

    def test_input_of_what_is_not_there_is_refused(self):
        with pytest.raises(SandboxNotFound):
            self.sandbox.feed("run-unknown-1", 0, b"x", True)
