"""How runs end: one true status from what the kernel says, with the output so far, and nothing left behind."""

import time
from contextlib import closing
from datetime import datetime

import pytest

from tests.journeys.conftest import execute, follow, output_of, result_of
from tests.system import processes_of, running_on

MIB = 1024 * 1024

ENDLESS = "print('before', flush=True)\nwhile True: pass"
GIGABYTE = "print('before', flush=True)\nx = bytearray(1 << 30)\nfor i in range(0, 1 << 30, 4096): x[i] = 1"
FORK_BOMB = "import os\nprint('before', flush=True)\nwhile True:\n    try: os.fork()\n    except OSError: pass"
DOUBLE_FORK = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(3600)
    os._exit(0)
print('before', flush=True)
"""
STOPPED = "import os, signal\nprint('before', flush=True)\nos.kill(os.getpid(), signal.SIGSTOP)"
FLOOD = "import sys\nchunk = 'x' * 65536\nwhile True: sys.stdout.write(chunk)"
SEGFAULT = "import os, signal\nprint('before', flush=True)\nos.kill(os.getpid(), signal.SIGSEGV)"


@pytest.mark.parametrize(
    ("script", "limits", "status", "output"),
    [
        ("print('before')", {}, "succeeded", b"before\n"),
        ("print('before')\nraise SystemExit(3)", {}, "failed", b"before\n"),
        (SEGFAULT, {}, "failed", b"before\n"),
        (ENDLESS, {"wall_seconds": 1}, "timed_out", b"before\n"),
        (GIGABYTE, {}, "out_of_memory", b"before\n"),
        (FORK_BOMB, {"wall_seconds": 2}, "timed_out", b"before\n"),
        (DOUBLE_FORK, {}, "succeeded", b"before\n"),
        (STOPPED, {"wall_seconds": 1}, "timed_out", b"before\n"),
        (FLOOD, {"output_bytes": MIB}, "output_limit", b"x" * MIB),
    ],
    ids=["exit-0", "exit-3", "signal", "endless", "memory", "fork-bomb", "double-fork", "stopped", "flood"],
)
def test_a_run_ends_with_the_true_status_and_its_output_so_far(api, script, limits, status, output):
    run = execute(api, script, limits=limits)
    messages = list(follow(api, run))
    result = messages[-1].data
    assert result["status"] == status
    assert result["reason"]
    assert output_of(messages).startswith(output[:100])
    assert len(output_of(messages)) == len(output) == result["stdout_bytes"]
    time.sleep(0.2)
    assert not processes_of(run)


def test_exit_codes_and_signals_are_told(api):
    exited = list(follow(api, execute(api, "raise SystemExit(42)")))[-1].data
    assert (exited["exit_code"], exited["signal"]) == (42, None)
    killed = list(follow(api, execute(api, SEGFAULT)))[-1].data
    assert (killed["exit_code"], killed["signal"]) == (None, 11)


def test_what_a_run_used_is_measured(api):
    script = (
        "x = bytearray(50_000_000)\nimport time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass"
    )
    used = list(follow(api, execute(api, script)))[-1].data
    assert used["peak_memory_bytes"] > 45_000_000
    assert 0.25 < used["cpu_seconds"] < 5
    assert used["wall_seconds"] >= 0.3


def test_a_cancelled_queued_run_never_starts(api):
    runs = [execute(api, "import time; time.sleep(1.5)") for _ in range(8)]
    last = execute(api, "print('should not run')")
    assert api.post(f"/executions/{last}/cancel", json={}).status_code == 202
    messages = list(follow(api, last))
    assert messages[-1].data["status"] == "cancelled"
    for run in runs:
        assert list(follow(api, run))[-1].data["status"] == "succeeded"


def test_a_run_that_ended_while_nobody_looked_has_the_time_of_its_end(tmp_path):
    with running_on(tmp_path / "data") as system:
        with closing(system.log_in()) as api:
            run = execute(api, "import time\nprint('up')\ntime.sleep(1)")
            next(message for message in follow(api, run) if message.event == "output")
        system.stop()
        time.sleep(4)
        system.start()
        with closing(system.log_in()) as api:
            result = result_of(api, run)
            ended = api.get(f"/executions/{run}/events").json()["items"][-1]
    assert result["status"] == "succeeded"
    took = datetime.fromisoformat(result["ended_at"]) - datetime.fromisoformat(result["started_at"])
    assert abs(took.total_seconds() - result["wall_seconds"]) < 0.5
    assert ended["at"][:23] == result["ended_at"][:23], "a read model has milliseconds"
