"""What the port Sandbox promises."""

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from application.ports.sandbox import STDERR, STDOUT, Ended, Output, SandboxNotFound, Started
from domain.execution import Status
from tests.contracts.running import MIB, Running, numbers, outcome, output

FORK_BOMB = b"""
import os
while True:
    try:
        os.fork()
    except OSError:
        pass
"""

DOUBLE_FORK = b"""
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(1000)
    os._exit(0)
print("parent is done")
"""

STOPPED_CHILD = b"""
import os, signal, time
child = os.fork()
if child == 0:
    os.kill(os.getpid(), signal.SIGSTOP)
time.sleep(1000)
"""


class SandboxContract(Running):
    # What a run says ------------------------------------------------------------------------------------------

    def test_a_run_starts_prints_and_ends(self):
        frames = self.run(b"print('hello')")
        assert isinstance(frames[0], Started)
        assert numbers(frames) == list(range(1, len(frames) - 1))
        assert output(frames) == b"hello\n"
        end = outcome(frames)
        assert (end.status, end.exit_code, end.signal) == (Status.SUCCEEDED, 0, None)
        assert (end.last_frame, end.stdout_bytes, end.stderr_bytes) == (len(frames) - 2, 6, 0)

    def test_the_end_tells_when_it_was_however_late_it_is_read(self):
        name = self.start(b"import time; time.sleep(0.5)")
        list(self.sandbox.watch(name))
        time.sleep(1.5)
        start, *_, end = self.sandbox.watch(name)
        assert isinstance(start, Started)
        assert isinstance(end, Ended)
        assert 0.5 <= (end.at - start.at).total_seconds() < 1.5

    def test_whoever_runs_there_and_the_machine_have_names(self):
        frames = self.run(b"""
import getpass, grp, os, pwd, socket
me = pwd.getpwuid(os.getuid())
print(getpass.getuser(), me.pw_name, grp.getgrgid(os.getgid()).gr_name, me.pw_dir, os.path.expanduser("~sandbox"))
print(*[socket.gethostbyname(name) for name in ("localhost", socket.gethostname())])
""")
        who, where = output(frames).decode().splitlines()
        assert who == "sandbox sandbox sandbox /work /work"
        assert where.split()[0] == "127.0.0.1"
        assert output(self.run(b"id -un; cd ~; pwd", runtime=self.bash)) == b"sandbox\n/work\n"

    def test_every_runtime_runs_its_own_example(self):
        for runtime in (self.python, self.bash):
            frames = self.run(runtime.example.encode(), runtime=runtime)
            assert outcome(frames).status is Status.SUCCEEDED
            assert b"still here: 3" in output(frames)

    def test_streams_are_kept_apart_and_numbered_together(self):
        frames = self.run(b"import os, time\nfor i in range(6): os.write(1 + i % 2, b'x%d' % i); time.sleep(0.05)")
        assert output(frames, STDOUT) == b"x0x2x4"
        assert output(frames, STDERR) == b"x1x3x5"
        assert numbers(frames) == list(range(1, len(frames) - 1))

    def test_bytes_that_are_no_text_come_out_as_they_went_in(self):
        everything = bytes(range(256)) * 300 + b"\xff\xfe\xc3"
        frames = self.run(b"import sys; sys.stdout.buffer.write(sys.stdin.buffer.read())", stdin=everything)
        assert output(frames) == everything

    def test_characters_are_not_counted_as_bytes(self):
        text = "žluťoučký kůň 🐎\n" * 500
        frames = self.run(f"print({text!r}, end='')".encode())
        assert output(frames) == text.encode()
        assert outcome(frames).stdout_bytes == len(text.encode())

    def test_a_hundred_thousand_lines_all_come_out(self):
        frames = self.run(b"print('\\n'.join(map(str, range(100_000))))")
        assert output(frames) == b"".join(b"%d\n" % i for i in range(100_000))

    def test_what_is_printed_right_before_the_end_is_kept(self):
        frames = self.run(b"import os; os.write(1, b'a' * 60_000); os.write(2, b'b' * 60_000); os._exit(0)")
        assert (output(frames), output(frames, STDERR)) == (b"a" * 60_000, b"b" * 60_000)

    def test_stdin_arrives_whole_and_ends(self):
        frames = self.run(b"import sys; print(len(sys.stdin.buffer.read()))", stdin=b"x" * MIB)
        assert output(frames) == b"%d\n" % MIB

    def test_a_script_that_reads_no_stdin_still_ends(self):
        assert outcome(self.run(b"pass", stdin=b"x" * MIB)).status is Status.SUCCEEDED

    # How a run ends -------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("code", [1, 42, 137, 255])
    def test_an_exit_code_other_than_zero_is_a_failure(self, code: int):
        end = outcome(self.run(b"import os; os._exit(%d)" % code))
        assert (end.status, end.exit_code, end.signal) == (Status.FAILED, code, None)

    @pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV])
    def test_a_signal_is_a_failure_and_is_named(self, number: signal.Signals):
        end = outcome(self.run(b"import os; os.kill(os.getpid(), %d)" % number))
        assert (end.status, end.exit_code, end.signal) == (Status.FAILED, None, number)
        assert number.name in end.reason

    def test_a_run_past_its_time_ends_with_its_output_so_far(self):
        frames = self.run(b"print('before'); import time; time.sleep(1000)", wall_seconds=1.0)
        assert outcome(frames).status is Status.TIMED_OUT
        assert output(frames) == b"before\n"
        assert 1.0 <= outcome(frames).wall_seconds < 5

    def test_too_much_memory_is_out_of_memory(self):
        end = outcome(self.run(b"x = b'x' * 10**9", memory_bytes=64 * MIB))
        assert end.status is Status.OUT_OF_MEMORY
        assert 60 * MIB <= end.peak_memory_bytes <= 65 * MIB

    def test_a_child_that_takes_too_much_memory_fails_the_run_that_ends_by_it(self):
        end = outcome(self.run(b"python3 -c 'b\"x\" * 10**9'", runtime=self.bash, memory_bytes=64 * MIB))
        assert end.status is Status.OUT_OF_MEMORY

    def test_the_kernel_kills_the_scripts_processes_before_the_supervisor(self):
        child = b'python3 -c \'x = b"x" * 40 * 2**20\' ; echo "child: $?"'
        frames = self.run(child, stdin=bytes(40 * MIB), runtime=self.bash, memory_bytes=64 * MIB)
        assert output(frames) == b"child: 137\n"
        assert outcome(frames).status is Status.SUCCEEDED, "the script itself went on and exited with 0"

    def test_files_in_memory_count_as_memory(self):
        script = b"open('big', 'wb').write(b'x' * 100 * 2**20)"
        end = outcome(self.run(script, memory_bytes=64 * MIB, disk_bytes=200 * MIB))
        assert end.status is Status.OUT_OF_MEMORY

    @pytest.mark.parametrize("folder", ["/work", "/tmp", "/dev/shm"])
    def test_files_are_bounded(self, folder: str):
        script = f"open('{folder}/big', 'wb').write(b'x' * 20 * 2**20)".encode()
        frames = self.run(script, disk_bytes=8 * MIB)
        assert b"No space left on device" in output(frames, STDERR)

    def test_output_is_cut_at_exactly_the_limit(self):
        frames = self.run(b"print('x' * 100_000_000)", output_bytes=MIB)
        assert outcome(frames).status is Status.OUTPUT_LIMIT
        assert output(frames) == b"x" * MIB

    def test_output_of_exactly_the_limit_is_whole(self):
        frames = self.run(b"import os; os.write(1, b'a' * 600); os.write(2, b'b' * 400)", output_bytes=1000)
        assert outcome(frames).status is Status.SUCCEEDED
        assert (len(output(frames)), len(output(frames, STDERR))) == (600, 400)

    def test_one_byte_above_the_limit_is_too_much(self):
        frames = self.run(b"import os; os.write(1, b'a' * 600); os.write(2, b'b' * 401)", output_bytes=1000)
        assert outcome(frames).status is Status.OUTPUT_LIMIT
        assert len(output(frames)) + len(output(frames, STDERR)) == 1000

    def test_a_fork_bomb_ends_with_its_time(self):
        assert outcome(self.run(FORK_BOMB, wall_seconds=1.0)).status is Status.TIMED_OUT

    def test_processes_are_bounded(self):
        script = b"import os\ntry:\n  for i in range(100): os.fork() or os._exit(os.pause())\nexcept OSError: print(i)"
        script = script.replace(b"os._exit(os.pause())", b"__import__('signal').pause()")
        assert output(self.run(script, pids=20)) == b"19\n"

    def test_a_daemon_does_not_outlive_the_script(self):
        frames = self.run(DOUBLE_FORK, wall_seconds=20)
        assert outcome(frames).status is Status.SUCCEEDED
        assert outcome(frames).wall_seconds < 10, "a pipe held open by a grandchild is not waited for"
        assert output(frames) == b"parent is done\n"

    @pytest.mark.parametrize("script", [b"import os, signal; os.kill(os.getpid(), signal.SIGSTOP)", STOPPED_CHILD])
    def test_a_stopped_process_does_not_outlive_its_time(self, script: bytes):
        assert outcome(self.run(script, wall_seconds=1.0)).status is Status.TIMED_OUT

    def test_cpu_time_is_measured_over_all_processes(self):
        script = b"import os, time\npid = os.fork()\nwhile time.process_time() < 0.3: pass\npid and os.wait()"
        end = outcome(self.run(script))
        assert 0.6 <= end.cpu_seconds < 3
        assert end.wall_seconds >= 0.3

    def test_cpu_time_is_bounded_over_all_processes(self):
        script = b"import os\nos.fork()\nwhile True: pass"
        end = outcome(self.run(script, wall_seconds=2.0, cpus=0.5))
        assert end.cpu_seconds < 1.5, "two busy processes of a run that has half a core"

    def test_a_script_stands_back_for_whoever_has_to_stop_it(self):
        script = b"import os\nprint(os.getpriority(os.PRIO_PROCESS, 0))\nos.setpriority(os.PRIO_PROCESS, 0, 18)"
        frames = self.run(script)
        assert output(frames) == b"19\n"
        assert b"PermissionError" in output(frames, STDERR)

    # Watching -------------------------------------------------------------------------------------------------

    def test_output_arrives_while_the_script_runs(self):
        name = self.start(b"print('first'); input(); import time; time.sleep(1000)", wall_seconds=30)
        self.wait_for_output(name, b"first\n")
        self.sandbox.stop(name)

    def test_whoever_watches_a_run_that_prints_nothing_is_told_of_its_start(self):
        name = self.start(b"import time; time.sleep(1000)")
        before = time.monotonic()
        for _ in range(3):
            assert isinstance(next(iter(self.sandbox.watch(name))), Started)
        assert time.monotonic() - before < 10, "it is told at once, and not with the next frame"
        self.sandbox.stop(name)

    def test_output_is_not_saved_up_until_the_end(self):
        frames = self.run(b"import time\nfor i in range(5): print('line', i); time.sleep(0.2)")
        assert len(numbers(frames)) > 1
        assert output(frames) == b"".join(b"line %d\n" % i for i in range(5))

    def test_a_watcher_that_comes_back_gets_each_frame_once(self):
        name = self.start(b"import time\nfor i in range(10): print(i); time.sleep(0.1)")
        first: list[Output] = []
        for frame in self.sandbox.watch(name):
            first += [frame] if isinstance(frame, Output) else []
            if len(first) == 2:
                break
        rest = list(self.sandbox.watch(name, after=first[-1].number))
        assert isinstance(rest[0], Started)
        assert output([*first, *rest]) == b"".join(b"%d\n" % i for i in range(10))
        assert numbers([*first, *rest]) == list(range(1, outcome(rest).last_frame + 1))

    def test_all_watchers_see_the_same_during_the_run_and_after(self):
        name = self.start(b"import time\nfor i in range(10): print(i); time.sleep(0.05)")
        with ThreadPoolExecutor(5) as pool:
            during = list(pool.map(lambda _: list(self.sandbox.watch(name)), range(5)))
        assert all(frames == during[0] for frames in during)
        assert list(self.sandbox.watch(name)) == during[0]
        last_but_one = outcome(during[0]).last_frame - 1
        assert list(self.sandbox.watch(name, after=last_but_one))[1:] == during[0][-2:]

    def test_an_unknown_sandbox_cannot_be_watched(self):
        with pytest.raises(SandboxNotFound):
            list(self.sandbox.watch("run-unknown-1"))

    # Starting and stopping ------------------------------------------------------------------------------------

    def test_a_second_start_changes_nothing(self):
        name = self.start(b"print('first')")
        list(self.sandbox.watch(name))
        self.start(b"print('second')", name=name)
        assert output(list(self.sandbox.watch(name))) == b"first\n"

    def test_of_starts_at_once_one_wins(self):
        name = f"run-{uuid4()}-1"
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda i: self.start(b"print(%d)" % i, name=name), range(8)))
        frames = list(self.sandbox.watch(name))
        assert outcome(frames).status is Status.SUCCEEDED
        assert len(output(frames)) == 2

    @pytest.mark.parametrize(
        "script", [b"import time; time.sleep(1000)", FORK_BOMB, STOPPED_CHILD, b"while True: pass"]
    )
    def test_stop_ends_everything_within_a_second(self, script: bytes):
        name = self.start(b"print('up')\n" + script)
        self.wait_for_output(name, b"up\n")
        time.sleep(0.3)
        before = time.monotonic()
        self.sandbox.stop(name)
        frames = list(self.sandbox.watch(name))
        assert time.monotonic() - before < 1
        assert outcome(frames).status is Status.CANCELLED
        assert output(frames).startswith(b"up\n")

    def test_a_stop_right_after_the_start_is_not_lost(self):
        name = self.start(b"import time; time.sleep(1000)", stdin=b"x" * MIB)
        self.sandbox.stop(name)
        assert outcome(list(self.sandbox.watch(name))).status is Status.CANCELLED

    def test_stopping_what_ended_or_never_was_is_harmless(self):
        name = self.start(b"print('done')")
        before = list(self.sandbox.watch(name))
        self.sandbox.stop(name)
        self.sandbox.stop("run-unknown-1")
        assert list(self.sandbox.watch(name)) == before

    def test_sandboxes_are_listed_until_they_are_removed(self):
        ended, running = self.start(b"pass"), self.start(b"import time; time.sleep(1000)")
        list(self.sandbox.watch(ended))
        assert {ended, running} <= set(self.sandbox.list())
        for name in (ended, running, running, "run-unknown-1"):
            self.sandbox.remove(name)
        assert not {ended, running} & set(self.sandbox.list())
        with pytest.raises(SandboxNotFound):
            list(self.sandbox.watch(ended))

    def test_a_run_outlives_the_process_that_started_it(self):
        name = f"run-{uuid4()}-1"
        starter = os.fork()
        if starter == 0:
            os.setsid()
            self.start(b"import time; time.sleep(1); print('still here')", name=name)
            os.killpg(os.getpid(), signal.SIGKILL)
        _, status = os.waitpid(starter, 0)
        assert os.WTERMSIG(status) == signal.SIGKILL
        assert output(list(self.sandbox.watch(name))) == b"still here\n"

    def test_many_threads_run_many_scripts(self):
        threads = threading.active_count()
        with ThreadPoolExecutor(8) as pool:
            results = list(pool.map(lambda i: output(self.run(b"print(%d)" % i)), range(24)))
        assert results == [b"%d\n" % i for i in range(24)]
        assert threading.active_count() < threads + 12, "a run leaves none behind"
