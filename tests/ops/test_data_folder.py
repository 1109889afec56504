"""The data folder is held by one `up`, and one that cannot be used is refused in words that say what to do."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from ops.up.folder import DataFolder, Running, is_held, kafka_servers, read, running
from ops.up.refused import AlreadyRunning, DiskFull, FolderOfAnother, FolderUnusable

ROOT = Path(__file__).parents[2]
SYSTEM = Running(
    pid=os.getpid(),
    api_url="http://127.0.0.1:1",
    mongo_url="mongodb://127.0.0.1:2",
    kafka_servers="127.0.0.1:3",
    redis_url="redis://127.0.0.1:4",
    processes={"api": 5},
)
HOLD = """
import sys
from pathlib import Path
from ops.up.folder import DataFolder
with DataFolder(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""
ASK = """
import sys
from pathlib import Path
from ops.up.folder import is_held
while True:
    is_held(Path(sys.argv[1]))
"""


def test_a_new_folder_is_private(tmp_path):
    with DataFolder(tmp_path / "a" / "b") as folder:
        assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
        folder.write(SYSTEM)
        assert stat.S_IMODE((folder.path / "run.json").stat().st_mode) == 0o600


def test_the_running_system_is_found_while_it_runs(tmp_path):
    with DataFolder(tmp_path) as folder:
        assert running(tmp_path) is None
        folder.write(SYSTEM)
        assert running(tmp_path) == SYSTEM
        assert kafka_servers(tmp_path) == "127.0.0.1:3"
    assert running(tmp_path) is None
    assert kafka_servers(tmp_path) == ""


def test_what_a_killed_system_left_is_not_taken_for_a_running_one(tmp_path):
    with DataFolder(tmp_path) as folder:
        folder.write(SYSTEM)
        left = (tmp_path / "run.json").read_bytes()
    (tmp_path / "run.json").write_bytes(left)

    assert running(tmp_path) is None


def test_a_second_one_is_refused_with_process_and_address(tmp_path):
    with DataFolder(tmp_path) as folder:
        with pytest.raises(AlreadyRunning, match=f"process {os.getpid()}, still starting"), DataFolder(tmp_path):
            pass
        folder.write(SYSTEM)
        with pytest.raises(AlreadyRunning, match=f"process {os.getpid()} at http://127.0.0.1:1. Stop that"):
            DataFolder(tmp_path).__enter__()
        assert running(tmp_path) == SYSTEM


def test_a_running_system_is_found_and_keeps_its_run_file_when_its_lock_file_is_removed(tmp_path):
    with DataFolder(tmp_path) as folder:
        folder.write(SYSTEM)
        (tmp_path / "lock").unlink()
        with pytest.raises(AlreadyRunning, match=f"process {os.getpid()} at http://127.0.0.1:1. Stop that"):
            DataFolder(tmp_path).__enter__()
        assert running(tmp_path) == SYSTEM


def test_the_run_file_of_another_stays(tmp_path):
    """As when a running system's folder was moved away and another one begun in its place."""
    another = msgspec.structs.replace(SYSTEM, pid=1)
    with DataFolder(tmp_path) as folder:
        folder.write(another)
    assert read(tmp_path) == another


def test_the_folder_is_free_after_kill_9(tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        assert is_held(tmp_path)
        holder.kill()

    assert not is_held(tmp_path)
    with DataFolder(tmp_path):
        pass


def test_asking_does_not_disturb_a_start(tmp_path):
    with DataFolder(tmp_path):
        pass
    with subprocess.Popen([sys.executable, "-c", ASK, str(tmp_path)], cwd=ROOT) as asker:
        for _ in range(200):
            with DataFolder(tmp_path):
                pass
        asker.kill()


def test_a_file_in_its_place_is_refused(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(FolderUnusable, match=r"cannot be used: File exists\. Make it a folder.*--data"):
        DataFolder(tmp_path / "file").__enter__()
    with pytest.raises(FolderUnusable, match="Not a directory"):
        DataFolder(tmp_path / "file" / "under").__enter__()
    assert (tmp_path / "file").read_text() == "mine"


def test_an_unwritable_folder_is_refused():
    with pytest.raises(FolderUnusable, match="/proc/runledger cannot be used"):
        DataFolder(Path("/proc/runledger")).__enter__()


def test_a_folder_that_lets_nothing_be_made_in_it_is_refused():
    with pytest.raises(FolderUnusable, match="/proc/self/fdinfo cannot be used"):
        DataFolder(Path("/proc/self/fdinfo")).__enter__()


def test_a_folder_that_has_become_read_only_is_refused(tmp_path):
    with DataFolder(tmp_path):
        pass
    tmp_path.chmod(0o500)
    bound_by_modes = ["setpriv", "--bounding-set=-dac_override"] if os.geteuid() == 0 else []

    done = subprocess.run(
        [*bound_by_modes, sys.executable, "-c", HOLD, tmp_path], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert f"The data folder {tmp_path} cannot be used: Permission denied." in done.stderr
    tmp_path.chmod(0o700)


def test_somebody_elses_folder_is_refused(tmp_path):
    folder = tmp_path if os.geteuid() == 0 else Path("/")
    if os.geteuid() == 0:
        os.chown(folder, 65534, -1)
    with pytest.raises(FolderOfAnother, match=r"belongs to the user (nobody|root)\. Start Runledger as that user"):
        DataFolder(folder).__enter__()
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_refused_before_anything_is_made(tmp_path):
    with pytest.raises(DiskFull, match=r"has \d+ MB left, and Runledger needs 1000000000000 MB"):
        DataFolder(tmp_path / "data", needed_bytes=10**12 * 1024 * 1024).__enter__()
    assert list(tmp_path.iterdir()) == []
